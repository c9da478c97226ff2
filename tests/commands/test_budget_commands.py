"""`bursar budgets`, `raises` and `groups`, with the console's rights, as a person or a script meets them."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from governance.core.clock import utc_now
from governance.core.database_url import DatabaseRole
from tests.budgets.world import HOUR, person
from tests.support.company import Company, found
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def company(database_urls: dict[DatabaseRole, str]) -> Iterator[Company]:
    company = found()
    for name, part in (("ada", "developer"), ("owner", "owner"), ("fin", "finance")):
        person(company, name, part=part)
    with connected_as(database_urls["console"]):
        yield company


def _run(*words: str) -> Any:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def _later() -> str:
    return (utc_now() + HOUR).isoformat()


def test_a_budget_is_set_with_all_that_it_can_be_narrowed_to(company: Company) -> None:
    _run("groups", "set", "frontier", "gpt-5*", "claude-opus-*")
    words = ("budgets", "set", "Frontier", "--limit", "10", "--model-group", "frontier", "--tag", "feature=*")
    words = (*words, "--per-member", "--carry-over", "--carry-cap", "5.00", "--first-month", "4", "--window", "year")
    first = _run(*words)
    assert first["only"] == ["model group frontier", "tag feature=*"]
    assert (first["sharing"], first["limit_usd"]) == ("per_member", "10.00")
    assert _run(*words)["id"] == first["id"]
    with pytest.raises(CommandError, match="never change"):
        _run("budgets", "set", "Frontier", "--limit", "10", "--tag", "feature=search")
    with pytest.raises(CommandError, match="names the access group"):
        _run("groups", "remove", "frontier")
    assert _run("budgets", "members", str(first["id"])) == []


def test_groups_are_changed_listed_and_removed(company: Company) -> None:
    _run("groups", "set", "cheap", "tiny")
    _run("groups", "set", "cheap", "tiny", "*-mini")
    assert [(each["name"], each["patterns"]) for each in _run("groups", "list")] == [("cheap", ["*-mini", "tiny"])]
    _run("groups", "remove", "cheap")
    assert _run("groups", "list") == []


def test_an_increase_is_given_listed_and_ended(company: Company) -> None:
    budget = _run("budgets", "set", "Team", "--limit", "100", "--team", "search")["id"]
    given = _run("budgets", "increase", str(budget), "--amount", "50", "--until", _later(), "--reason", "fair")
    assert [each["id"] for each in _run("budgets", "increases")] == [given["id"]]
    assert _run("budgets", "list")[0]["limit_usd"] == "150.00"
    _run("budgets", "end-increase", str(given["id"]))
    assert _run("budgets", "increases") == []
    assert _run("budgets", "list")[0]["limit_usd"] == "100.00"


def test_more_money_is_asked_for_and_somebody_else_decides(company: Company) -> None:
    budget = str(_run("budgets", "set", "Team", "--limit", "100", "--team", "search")["id"])
    ask = ("raises", "ask", budget, "--amount", "50", "--reason", "load test", "--as")
    first = str(_run(*ask, "ada@acme.example")["id"])
    with pytest.raises(CommandError, match="You may not decide this request"):
        _run("raises", "approve", first, "--as", "owner@acme.example")
    approved = _run("raises", "approve", first, "--amount", "20", "--as", "fin@acme.example")
    assert (approved["state"], approved["granted_usd"]) == ("approved", "20.00")
    assert _run("budgets", "list")[0]["limit_usd"] == "120.00"
    second = str(_run(*ask, "owner@acme.example", "--until", _later())["id"])
    _run("raises", "decline", second, "--reason", "not now", "--as", "fin@acme.example")
    third = str(_run(*ask, "ada@acme.example")["id"])
    assert [str(each["id"]) for each in _run("raises", "list")] == [third]
    _run("raises", "withdraw", third, "--as", "ada@acme.example")
    assert _run("raises", "list") == []
    assert len(_run("raises", "list", "--all")) == 3
