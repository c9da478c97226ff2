"""The whole installation through its front doors: the command line, the gateway, the stock OpenAI SDK, the books."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import openai
import psycopg
import pytest
from psycopg.rows import dict_row

from governance.core.environment import read_environment
from tests.faults.kills import UNWATCH, WATCH
from tests.installation import Installation, wait_until

Owner = psycopg.Connection[dict[str, Any]]
HELLO: list[Any] = [{"role": "user", "content": "Hello [sandbox: delay_ms=30]"}]


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with Installation() as running:
        running.start()
        yield running


@pytest.fixture
def owner(installation: Installation) -> Iterator[Owner]:
    url = read_environment(installation.environment).database_url("owner")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as session:
        yield session


def answer(installation: Installation, *arguments: str) -> Any:
    ended = installation.run(*arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def issue(installation: Installation, *arguments: str) -> dict[str, Any]:
    key: dict[str, Any] = answer(installation, "keys", "issue", "--team", "default", *arguments)
    return key


def used(installation: Installation, key: dict[str, Any]) -> dict[str, Any]:
    usage: dict[str, Any] = answer(installation, "usage", "--key", str(key["id"]))
    return usage


def client(installation: Installation, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{installation.facts['gateway_url']}/v1", api_key=key, max_retries=0)


def test_the_stock_sdk_gets_answers_and_every_call_is_booked(installation: Installation) -> None:
    key = issue(installation, "--name", "sdk")
    sdk = client(installation, key["key"])
    whole = sdk.chat.completions.create(model="sandbox-1", messages=HELLO)
    assert whole.usage is not None
    events = list(sdk.chat.completions.create(model="sandbox-1", messages=HELLO, stream=True))
    assert all(event.choices for event in events)
    wait_until(lambda: used(installation, key)["requests"] == 2, 30, lambda: str(used(installation, key)))
    booked = used(installation, key)
    cost = 2 * (whole.usage.prompt_tokens * Decimal(1) + whole.usage.completion_tokens * Decimal(2)) / 10**6
    assert (Decimal(booked["cost_usd"]), booked["output_tokens"]) == (cost, 2 * whole.usage.completion_tokens)


def test_two_hundred_callers_never_get_more_than_a_budget_for_ten(installation: Installation, owner: Owner) -> None:
    worst_nano = _worst_case_nano(installation)
    limit_nano = 10 * worst_nano
    limit_usd = f"{Decimal(limit_nano) / 10**9:.9f}"
    key = issue(installation, "--budget", limit_usd, "--window", "total")
    owner.execute(WATCH)
    try:
        statuses = asyncio.run(_many(installation, key["key"], calls=200))
        assert 1 <= statuses.count(200) <= 200
        assert set(statuses) <= {200, 402, 429}
        wait_until(lambda: _account(owner, key)["held_nano"] == 0, 30, lambda: str(_account(owner, key)))
        with httpx.Client() as caller:
            while (reply := _call(caller, installation, key["key"])).status_code != 402:
                statuses.append(reply.status_code)
                if reply.status_code == 429:
                    wait_until(lambda: _account(owner, key)["held_nano"] == 0, 30, lambda: str(_account(owner, key)))
        wait_until(lambda: _account(owner, key)["held_nano"] == 0, 30, lambda: str(_account(owner, key)))
        account = _account(owner, key)
        assert (reply.status_code, reply.headers["x-should-retry"]) == (402, "false")
        assert limit_nano - worst_nano < account["settled_nano"] <= limit_nano
        assert used(installation, key)["requests"] == statuses.count(200)
        assert owner.execute("SELECT * FROM overspent").fetchall() == []
    finally:
        owner.execute(UNWATCH)


def test_the_refusal_names_the_budget_what_is_left_what_was_asked_and_the_reset(installation: Installation) -> None:
    key = issue(installation, "--budget", "0.000001", "--window", "day")
    with pytest.raises(openai.APIStatusError) as refusal:
        client(installation, key["key"]).chat.completions.create(model="sandbox-1", messages=HELLO, max_tokens=10)
    assert refusal.value.status_code == 402
    for words in (f"Key {key['id']}", "0.000001 USD left", "can cost up to", "resets at", "T00:00:00Z"):
        assert words in refusal.value.message


def test_commands_teach_and_say_in_one_sentence_what_is_wrong(installation: Installation) -> None:
    help_text = installation.run("keys", "issue", "--help")
    assert "example:" in help_text.stdout
    unknown = installation.run("keys", "issue", "--team", "nobody")
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    assert installation.run("budgets", "set", "x", "--limit", "1,50").returncode == 1
    assert installation.run("keys").returncode == 2


def test_a_revoked_key_is_refused_and_a_team_may_call_only_what_its_list_allows(installation: Installation) -> None:
    answer(installation, "teams", "add", "search", "--cost-centre", "4711")
    answer(installation, "teams", "allow", "search", "other-*")
    key = answer(installation, "keys", "issue", "--team", "search")
    sdk = client(installation, key["key"])
    with pytest.raises(openai.PermissionDeniedError, match="team search"):
        sdk.chat.completions.create(model="sandbox-1", messages=HELLO)
    answer(installation, "keys", "revoke", str(key["id"]))

    def is_refused() -> bool:
        try:
            sdk.models.list()
        except openai.AuthenticationError:
            return True
        return False

    wait_until(is_refused, 30, lambda: "the revoked key still works")


def test_money_of_an_unknown_outcome_stays_held_until_somebody_decides(installation: Installation) -> None:
    key = issue(installation, "--budget", "1.00", "--window", "total")
    sdk = client(installation, key["key"])
    attempts = 0
    for _ in range(2):
        with pytest.raises(openai.InternalServerError) as failure:
            sdk.chat.completions.create(
                model="sandbox-1", messages=[{"role": "user", "content": "[sandbox: fail=500]"}], max_tokens=10
            )
        attempts += int(failure.value.response.headers.get("x-bursar-attempts", "1"))

    def held() -> list[dict[str, Any]]:
        return [row for row in answer(installation, "suspense", "list") if row["key_id"] == key["id"]]

    wait_until(lambda: len(held()) == attempts >= 2, 30, lambda: str(held()))
    first, *others, last = held()
    for each in (first, *others):
        answer(installation, "suspense", "release", each["attempt"], "--reason", "not in the vendor's report")
    answer(installation, "suspense", "settle", last["attempt"], "--cost", "0.000004", "--reason", "on the invoice")
    assert held() == []
    assert (used(installation, key)["requests"], used(installation, key)["cost_usd"]) == (attempts, "0.000004")
    again = installation.run("suspense", "release", first["attempt"], "--reason", "once more")
    assert again.returncode == 1
    assert "bursar suspense list" in again.stderr
    assert installation.run("ledger", "prove").returncode == 0


def _worst_case_nano(installation: Installation) -> int:
    """Ask with a budget that is too small: the refusal says what the request can cost."""
    key = issue(installation, "--budget", "0.000000001", "--window", "total")
    with httpx.Client() as caller:
        message = _call(caller, installation, key["key"]).json()["error"]["message"]
    text = message.partition("can cost up to ")[2].partition(" USD")[0]
    return int(Decimal(text) * 10**9)


def _request(installation: Installation, key: str) -> dict[str, Any]:
    return {
        "url": f"{installation.facts['gateway_url']}/v1/chat/completions",
        "headers": {"authorization": f"Bearer {key}"},
        "json": {"model": "sandbox-1", "messages": HELLO, "max_tokens": 10},
        "timeout": 60,
    }


def _call(caller: httpx.Client, installation: Installation, key: str) -> httpx.Response:
    return caller.post(**_request(installation, key))


async def _many(installation: Installation, key: str, *, calls: int) -> list[int]:
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=calls)) as caller:
        replies = await asyncio.gather(*(caller.post(**_request(installation, key)) for _ in range(calls)))
    return [reply.status_code for reply in replies]


def _account(owner: Owner, key: dict[str, Any]) -> dict[str, Any]:
    row = owner.execute(
        "SELECT a.* FROM budgets_account a JOIN budgets_budget b ON b.id = a.budget_id WHERE b.key_id = %s",
        (key["id"],),
    ).fetchone()
    assert row is not None
    return row
