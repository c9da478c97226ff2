"""`bursar budgets`, as a person or a script meets it."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError

from governance.audit.models import AuditEvent
from governance.budgets.models import Budget, Threshold
from tests.support.broken_books import damage
from tests.support.finance_world import make_world

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def _run(*words: str) -> Any:
    printed = io.StringIO()
    call_command("budgets", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_a_budget_tells_at_any_number_of_thresholds_of_either_measure() -> None:
    make_world()
    _run("set", "Search", "--limit", "10", "--threshold", "80", "--threshold", "90 committed", "--threshold", "120%")
    assert list(map(str, Threshold.objects.filter(budget__name="Search"))) == ["80 %", "90 % committed", "120 %"]


def test_without_thresholds_a_budget_has_the_usual_ones() -> None:
    make_world()
    _run("set", "Search", "--limit", "10")
    assert list(map(str, Threshold.objects.all())) == ["50 %", "80 %", "100 %"]


def test_a_threshold_that_cannot_be_read_makes_no_budget() -> None:
    make_world()
    with pytest.raises(CommandError, match="'90 held' is no threshold"):
        _run("set", "Search", "--limit", "10", "--threshold", "90 held")
    assert not Budget.objects.exists()


@time_machine.travel(NOW, tick=False)
def test_the_list_says_on_which_day_a_budget_runs_out_at_its_pace_so_far() -> None:
    world = make_world()
    account = world.account("monthly", 100, starts_at=NOW - timedelta(days=10), ends_at=NOW + timedelta(days=20))
    Budget.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC), window="month")
    damage("UPDATE budgets_account SET settled_nano = 50 WHERE id = %s", account.pk)
    (row,) = _run("list")
    assert row["runs_out_on"] == "2026-11-30"

    damage("UPDATE budgets_account SET settled_nano = 10 WHERE id = %s", account.pk)
    (row,) = _run("list")
    assert row["runs_out_on"] is None


def test_given_thresholds_replace_those_of_a_budget_that_is_there_and_the_answer_says_so() -> None:
    make_world()
    made = _run("set", "Search", "--limit", "10")
    kept = Threshold.objects.get(percent=80)
    changed = _run(
        "set", "Search", "--limit", "20", "--threshold", "80", "--threshold", "90 committed", "--reason", "x"
    )
    assert (made["thresholds"], changed["thresholds"]) == (["50 %", "80 %", "100 %"], ["80 %", "90 % committed"])
    assert (changed["limit_usd"], Threshold.objects.get(percent=80)) == ("20.00", kept)
    event = AuditEvent.objects.get(action="budget.thresholds_changed")
    assert (event.before, event.after, event.reason) == (
        {"thresholds": ["50 %", "80 %", "100 %"]},
        {"thresholds": ["80 %", "90 % committed"]},
        "x",
    )


def test_without_thresholds_those_of_a_budget_that_is_there_stay() -> None:
    make_world()
    _run("set", "Search", "--limit", "10", "--threshold", "70")
    for _ in range(2):
        assert _run("set", "Search", "--limit", "20")["thresholds"] == ["70 %"]
        assert _run("set", "Search", "--limit", "20", "--threshold", "70")["thresholds"] == ["70 %"]
    assert not AuditEvent.objects.filter(action="budget.thresholds_changed").exists()


def test_a_threshold_that_cannot_be_read_changes_nothing_of_a_budget_that_is_there() -> None:
    make_world()
    _run("set", "Search", "--limit", "10")
    with pytest.raises(CommandError, match="is no threshold"):
        _run("set", "Search", "--limit", "20", "--threshold", "0")
    assert _run("list")[0]["limit_usd"] == "10.00"
