"""Files of teams, keys and budgets in the console: checked line by line, then all of it or nothing."""

import csv
import html
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from governance.audit.models import AuditEvent
from governance.budgets.models import Budget
from governance.keys.models import VirtualKey
from governance.teams.models import Team
from tests.console.conftest import LogIn
from tests.console.demo import Company

TEAMS = "name,unit,cost_centre,required_tags\nsales,Market,9001,deal\nsearch,Market,4711,\n"
KEYS = "name,team,person,expires_on\nrobot,search,,2026-12-31\nnotebook,search,{developer},\n"
BUDGETS = "name,limit_usd,team,window,models\nSearch,150,search,,\nMinis,12.50,search,week,*-mini\n"


def load(log_in: LogIn, kind: str, text: str, *, who: str = "admin", **more: str) -> str:
    return log_in(who).post(f"/load/{kind}/", {"text": text, **more}).content.decode()


def test_a_file_is_checked_without_a_change_and_then_applied(company: Company, log_in: LogIn) -> None:
    events = AuditEvent.objects.count()
    checked = load(log_in, "teams", TEAMS)
    assert "All 2 lines are right; nothing is changed yet" in checked
    assert (Team.objects.filter(name="sales").exists(), AuditEvent.objects.count()) == (False, events)

    assert "Done" in load(log_in, "teams", TEAMS, apply="1")
    assert Team.objects.get(name="sales").required_tags == ["deal"]
    assert Team.objects.get(name="search").unit.name == "Market"
    assert "Done" in load(log_in, "teams", TEAMS, apply="1"), "the same file again changes nothing"


@pytest.mark.parametrize("kind", ["teams", "budgets"])
def test_what_is_there_can_be_taken_out_changed_and_loaded_again(company: Company, log_in: LogIn, kind: str) -> None:
    client = log_in("admin")
    taken = client.get(f"/load/{kind}/?download")
    assert taken.headers["Content-Disposition"] == f'attachment; filename="{kind}.csv"'
    text = taken.content.decode()
    assert html.escape(text.splitlines()[1]) in client.get(f"/load/{kind}/?edit").content.decode()
    events = AuditEvent.objects.count()
    assert "Done" in load(log_in, kind, text, apply="1")
    assert AuditEvent.objects.count() == events, "as it is, it changes nothing"

    old, new = {"teams": ("4711", "4712"), "budgets": (",120.00,", ",121.00,")}[kind]
    assert old in text
    assert "Done" in load(log_in, kind, text.replace(old, new), apply="1")
    assert new in client.get(f"/load/{kind}/?download").content.decode()


def test_keys_are_shown_once_with_their_texts(company: Company, log_in: LogIn) -> None:
    text = KEYS.format(developer=company.person("developer").email)
    file = SimpleUploadedFile("keys.csv", text.encode("utf-8-sig"))
    checked = log_in("admin").post("/load/keys/", {"file": file}).content.decode()
    assert "All 2 lines are right" in checked and "bsr_" not in checked.partition("<main")[2]
    assert not VirtualKey.objects.filter(name="robot").exists()

    done = load(log_in, "keys", text, apply="1")
    shown = re.search(r'<pre id="secrets"[^>]*>(.*?)</pre>', done, re.DOTALL)
    rows = list(csv.DictReader(io.StringIO(html.unescape(shown[1] if shown else ""))))
    assert [(row["name"], row["key"][:4]) for row in rows] == [("robot", "bsr_"), ("notebook", "bsr_")]
    assert VirtualKey.objects.get(name="notebook").user == company.person("developer")
    assert str(VirtualKey.objects.get(name="robot").expires_at) == "2026-12-31 23:00:00+00:00"


def test_budgets_are_set_and_limits_changed_in_bulk_by_finance(company: Company, log_in: LogIn) -> None:
    assert "Done" in load(log_in, "budgets", BUDGETS, who="finance", apply="1")
    assert Budget.objects.get(name="Search").limit_nano == 150 * 10**9
    made = Budget.objects.get(name="Minis")
    assert (made.limit_nano, made.window, made.model_pattern, made.team) == (
        12_500_000_000,
        "week",
        "*-mini",
        company.teams["search"],
    )


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("budgets", BUDGETS + "Broken,much,search,,\n", "1 of 3 lines are wrong"),
        ("budgets", BUDGETS + "Whole company,1,search,,\n", "which never changes"),
        ("budgets", BUDGETS + "Minis,1,search,month,\n", "which never changes"),
        ("keys", "name,team\nx,nowhere\n", "has no team"),
        ("keys", "name,team,expires_on\nx,search,tomorrow\n", "is no day"),
        ("keys", "name,team,person\nx,search,who@else.example\n", "has the address"),
        ("keys", "name,team,colour\nx,search,red\n", "The first line names the columns"),
        ("keys", "name,team\nx\n", "Line 2 has 1 cells"),
        ("teams", "name,unit,cost_centre\n", "no lines below"),
        ("teams", 'name,unit,cost_centre\na,"b,c\n', "cannot be read as CSV"),
        ("teams", "", "Choose a file"),
    ],
)
def test_what_is_wrong_is_said_by_line_and_nothing_is_changed(
    company: Company, log_in: LogIn, kind: str, text: str, sentence: str
) -> None:
    before = (Team.objects.count(), VirtualKey.objects.count(), Budget.objects.count(), AuditEvent.objects.count())
    assert sentence in html.unescape(load(log_in, kind, text, apply="1"))
    after = (Team.objects.count(), VirtualKey.objects.count(), Budget.objects.count(), AuditEvent.objects.count())
    assert after == before
    assert Budget.objects.get(name="Search").limit_nano == 120 * 10**9
