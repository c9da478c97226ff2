"""Moving over from LiteLLM: tried first, done whole, done once, and never looser than it was there."""

import csv
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command

from governance.audit.models import AuditEvent
from governance.budgets.models import Budget
from governance.keys.models import VirtualKey
from governance.keys.secret import parse_secret
from governance.policy.models import AllowRule, RateLimit
from governance.teams.models import Membership, Organisation, Team, User

TEAMS: list[dict[str, Any]] = [
    {
        "team_id": "t-1",
        "team_alias": "search",
        "organization_id": None,
        "max_budget": 250.75,
        "budget_duration": "30d",
        "models": ["gpt-5-mini", "claude-*"],
        "tpm_limit": 100000,
        "rpm_limit": 600,
        "max_parallel_requests": None,
        "members_with_roles": [
            {"user_id": "u-1", "user_email": "Ada@acme.example", "role": "admin"},
            {"user_id": "nobody@acme.example", "role": "user"},
        ],
        "metadata": {"guardrails": ["pii"]},
        "blocked": False,
    },
    {"team_id": "t-2", "team_alias": "old", "blocked": True, "models": []},
    {"team_id": "t-3", "team_alias": "odd", "max_budget": 5, "budget_duration": "3d", "models": []},
]
KEYS: list[dict[str, Any]] = [
    {
        "token": "a" * 64,
        "key_name": "sk-...k9Xw",
        "key_alias": "search-production",
        "team_id": "t-1",
        "max_budget": 1e-09,
        "budget_duration": "1d",
        "models": ["all-team-models"],
        "model_max_budget": {"gpt-5-mini": {"budget_limit": 2, "time_period": "7d"}},
        "expires": "2099-01-01T00:00:00+00:00",
    },
    {"token": "b" * 64, "key_name": "sk-...1234", "models": [], "max_parallel_requests": 3},
    {"token": "c" * 64, "key_alias": "of old", "team_id": "t-2", "models": []},
    {"token": "d" * 64, "key_alias": "of odd", "team_id": "t-3", "models": []},
    {"token": "e" * 64, "key_alias": "gone", "team_id": "t-1", "expires": "2020-01-01T00:00:00Z", "models": []},
    {"token": "f" * 64, "key_alias": "fine", "team_id": "t-1", "max_budget": 1e-10, "models": []},
    {"token": "0" * 64, "key_alias": "named budget", "team_id": "t-1", "budget_id": "b-1", "models": []},
    {"token": "9" * 64, "key_alias": "strange model", "team_id": "t-1", "models": ["a model"]},
]


@pytest.fixture
def files(db: None, tmp_path: Path) -> list[str]:
    """What LiteLLM answers, in two files, and somebody who is here already."""
    Organisation.objects.create(name="Acme")
    User.objects.create(username="ada@acme.example", email="ada@acme.example")
    (tmp_path / "teams.json").write_text(json.dumps(TEAMS))
    (tmp_path / "keys.json").write_text(json.dumps({"keys": KEYS, "total_count": len(KEYS), "total_pages": 1}))
    return [str(tmp_path / "teams.json"), str(tmp_path / "keys.json")]


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[tuple[str, str], tuple[str, str]]:
    call_command("import", "litellm", *arguments, "--json")
    rows = json.loads(capsys.readouterr().out)
    return {(row["what"], row["name"]): (row["state"], row["why"]) for row in rows}


def test_what_is_tried_says_what_would_be_done_and_changes_nothing(
    files: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tried = _run(capsys, *files)
    assert not Team.objects.exists()
    assert not VirtualKey.objects.exists()
    assert not AuditEvent.objects.exists()

    assert _run(capsys, *files, "--keys-file", str(tmp_path / "keys.csv")) == tried


def test_teams_keys_and_limits_are_made_once(
    files: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = _run(capsys, *files, "--keys-file", str(tmp_path / "keys.csv"))

    team = Team.objects.get(name="search")
    assert {(each.name, each.limit_nano, each.window, each.model_pattern) for each in Budget.objects.all()} == {
        ("Team search", 250_750_000_000, "month", ""),
        ("Key search-production", 1, "day", ""),
        ("Key search-production, gpt-5-mini", 2_000_000_000, "week", "gpt-5-mini"),
    }
    assert {(each.name, each.counts, each.amount) for each in RateLimit.objects.all()} == {
        ("Team search, tokens", "tokens", 100_000),
        ("Team search, requests", "requests", 600),
        ("Key litellm-bbbbbbbbbbbb, concurrent", "concurrent", 3),
    }
    assert set(AllowRule.objects.values_list("pattern", "team_id", "key_id")) == {
        ("gpt-5-mini", team.pk, None),
        ("claude-*", team.pk, None),
    }
    assert [(each.user.email, each.part) for each in Membership.objects.all()] == [("ada@acme.example", "owner")]
    assert set(VirtualKey.objects.values_list("name", "team__name")) == {
        ("search-production", "search"),
        ("litellm-bbbbbbbbbbbb", "LiteLLM"),
    }
    assert made[("model", "claude-* for team search")][1].startswith("No alias here")

    again = _run(capsys, *files, "--keys-file", str(tmp_path / "second.csv"))
    assert {state for state, _ in again.values()} == {"there already", "left out"}
    assert VirtualKey.objects.count() == 2
    assert not (tmp_path / "second.csv").exists()


def test_what_cannot_be_said_here_is_left_out_whole_and_listed(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = _run(capsys, *files)

    left_out = {f"{what} {name}": why for (what, name), (state, why) in found.items() if state == "left out"}
    assert {name: why.split(":")[0].split(".")[0] for name, why in left_out.items()} == {
        "member nobody@acme.example of search": "Nobody here has this address",
        "team search": "Not carried over",
        "team old": "It is blocked at LiteLLM",
        "team odd": "Nothing here is renewed every 3d",
        "key of old": "Its team was not moved",
        "key of odd": "Its team was not moved",
        "key gone": "It is blocked or expired at LiteLLM",
        "key fine": "1E-10 USD is finer than a nano-USD",
        "key named budget": "It has budgets of a kind that is not read, or that are not given (LiteLLM_BudgetTable)",
        "key strange model": "'a model' is no pattern",
        "spend so far": "What was spent at LiteLLM is not carried over",
    }
    assert all(why.endswith(".") for why in left_out.values())


def test_the_new_keys_are_in_the_file_that_was_named_for_them(
    files: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.csv"
    _run(capsys, *files, "--keys-file", str(path))

    rows = list(csv.DictReader(path.open()))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [(row["name"], row["team"], row["former"], row["former_sha256"]) for row in rows] == [
        ("search-production", "search", "sk-...k9Xw", "a" * 64),
        ("litellm-bbbbbbbbbbbb", "LiteLLM", "sk-...1234", "b" * 64),
    ]
    for row in rows:
        assert VirtualKey.objects.filter(
            secrets__public_id=parse_secret(row["text"]).public_id, name=row["name"]
        ).exists()


def test_a_file_that_is_there_is_not_written_over_and_nothing_is_made(files: list[str], tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    path.write_text("mine")

    with pytest.raises(CommandError, match="name a file that is not there yet"):
        call_command("import", "litellm", *files, "--keys-file", str(path))

    assert path.read_text() == "mine"
    assert not Team.objects.exists()


def test_tables_are_read_with_the_budgets_and_units_that_they_name(
    files: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tables = {
        "LiteLLM_OrganizationTable": [{"organization_id": "o", "organization_alias": "Products"}],
        "LiteLLM_TeamTable": [{"team_id": "t", "team_alias": "chat", "organization_id": "o", "models": []}],
        "LiteLLM_UserTable": [{"user_id": "u-1", "user_email": "ada@acme.example"}],
        "LiteLLM_BudgetTable": [{"budget_id": "b", "max_budget": 7, "budget_duration": "1mo", "rpm_limit": "9"}],
        "LiteLLM_VerificationToken": [
            {"token": "1" * 64, "key_alias": "chat", "team_id": "t", "user_id": "u-1", "budget_id": "b", "models": []}
        ],
    }
    (tmp_path / "dump.json").write_text(json.dumps(tables))

    _run(capsys, str(tmp_path / "dump.json"), "--keys-file", str(tmp_path / "keys.csv"))

    assert Team.objects.get(name="chat").unit.name == "Products"
    assert Budget.objects.get().limit_nano == 7_000_000_000
    assert RateLimit.objects.get().amount == 9


@pytest.mark.parametrize(
    "content",
    ["", "[1]", "{}", '{"keys": ["abc"]}', '{"keys": [{}]}', "[" * 100_000, '[{"team_id": 1, "tpm_limit": -1}]'],
)
def test_what_is_not_litellms_is_refused_with_a_sentence(db: None, tmp_path: Path, content: str) -> None:
    Organisation.objects.create(name="Acme")
    (tmp_path / "x.json").write_text(content)

    with pytest.raises(CommandError, match=r"\.$"):
        call_command("import", "litellm", str(tmp_path / "x.json"))


class _Proxy(BaseHTTPRequestHandler):
    """LiteLLM's two lists, the keys in pages of one."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self.headers["Authorization"] != "Bearer sk-master":
            self.send_response(401)
            self.end_headers()
            return
        body: Any = TEAMS
        if url.path == "/key/list":
            query = parse_qs(url.query)
            assert query["return_full_object"] == ["true"]
            page = int(query["page"][0])
            body = {"keys": [KEYS[page - 1]], "current_page": page, "total_pages": 2}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_running_proxy_is_asked_page_by_page(
    db: None, proxy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Organisation.objects.create(name="Acme")
    monkeypatch.setenv("MASTER", "sk-master")
    found = _run(capsys, "--url", proxy, "--master-key-env", "MASTER")

    assert found[("key", "search-production")][0] == "made"
    assert found[("key", "litellm-bbbbbbbbbbbb")][0] == "made"
    monkeypatch.setenv("MASTER", "wrong")
    with pytest.raises(CommandError, match="answered 401"):
        call_command("import", "litellm", "--url", proxy, "--master-key-env", "MASTER")
