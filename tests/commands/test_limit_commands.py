"""`bursar limits`, with the console's rights, as a person or a script meets it."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from governance.core.database_url import DatabaseRole
from tests.support.company import Company, found, last_event
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def company(database_urls: dict[DatabaseRole, str]) -> Iterator[Company]:
    company = found()
    with connected_as(database_urls["console"]):
        yield company


def _run(*words: str) -> Any:
    out = io.StringIO()
    call_command("limits", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_a_limit_is_set_listed_changed_and_retired(company: Company) -> None:
    words = ("set", "Search", "--counts", "tokens", "--per", "hour", "--team", "search", "--model", "gpt-*")
    made = _run(*words, "--per-member", "--amount", "1000")
    assert (made["scope"], made["only"], made["per"], made["left"]) == ("team search", ["models gpt-*"], "hour", 1000)
    assert _run(*words, "--amount", "2000", "--reason", "launch")["id"] == made["id"]
    assert (last_event().action, last_event().reason) == ("rate_limit.amount_changed", "launch")
    assert [(each["amount"], each["sharing"]) for each in _run("list")] == [(2000, "per_member")]
    _run("retire", str(made["id"]))
    assert _run("list") == []


def test_requests_per_minute_are_the_default_and_concurrent_ones_have_no_window(company: Company) -> None:
    plain = _run("set", "All", "--amount", "60")
    assert (plain["counts"], plain["per"], plain["scope"]) == ("requests", "minute", "organisation Acme")
    at_once = _run("set", "At once", "--amount", "2", "--counts", "concurrent")
    assert (at_once["per"], at_once["resets_at"]) == (None, None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("set", "A", "--amount", "0"), "allows from 1 to"),
        (("set", "A", "--amount", "5", "--counts", "concurrent", "--per", "hour"), "leave the window out"),
        (("set", "A", "--amount", "5", "--provider", "nobody"), "nothing would be counted"),
        (("set", "A", "--amount", "5", "--model", "a b"), "is no pattern"),
        (("set", "there", "--amount", "5", "--per", "day"), "never change"),
        (("set", "there", "--amount", "5", "--team", "search"), "never change"),
        (("retire", "999999"), "no rate limit with the id 999999"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    company: Company, words: tuple[str, ...], sentence: str
) -> None:
    _run("set", "there", "--amount", "5")
    with pytest.raises(CommandError, match=sentence):
        _run(*words)
    assert [each["amount"] for each in _run("list")] == [5]


def test_a_retired_limit_has_no_amount_to_change_and_its_name_is_free(company: Company) -> None:
    first = _run("set", "Search", "--amount", "5")["id"]
    _run("retire", str(first))
    _run("retire", str(first))
    assert _run("set", "Search", "--amount", "7", "--per", "day")["id"] != first
