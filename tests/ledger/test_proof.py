"""The ledger proved from its records."""

import pytest

from governance.ledger.proof import MAX_FAILURES, count_facts, prove_ledger
from tests.support.broken_books import damage
from tests.support.finance_world import Call, FinanceWorld, make_world

pytestmark = pytest.mark.django_db

LINES = {"input": (1000, "1250.25"), "output": (10, "100.5")}


@pytest.fixture
def world() -> FinanceWorld:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    model = world.model("gpt-5")
    world.book(Call(key, model, LINES), Call(key, model, LINES))
    world.book(Call(key, model, {"input": (1, "0")}))
    return world


def _failures() -> list[tuple[str, str, str]]:
    return [(failure.check, failure.expected, failure.found) for failure in prove_ledger().failures]


def test_books_written_by_the_gateway_balance(world: FinanceWorld) -> None:
    assert prove_ledger().failures == ()
    assert count_facts() == (3, 2)


def test_an_entry_that_does_not_sum_to_zero_is_named(world: FinanceWorld) -> None:
    damage("UPDATE ledger_posting SET amount_nano = amount_nano + 1 WHERE amount_nano > 0")
    failures = prove_ledger().failures
    assert {failure.check for failure in failures} == {"entry_unbalanced", "postings_differ_from_records"}
    unbalanced = next(failure for failure in failures if failure.check == "entry_unbalanced")
    assert (unbalanced.expected, unbalanced.found) == ("0", "1")
    assert unbalanced.subject.startswith("entry ")


def test_money_posted_to_another_cost_centre_is_found_though_the_entry_balances(world: FinanceWorld) -> None:
    other = world.cost_centre("CC-2")
    damage(
        "UPDATE ledger_ledgeraccount SET cost_centre_id = %s WHERE kind = 'cost_centre_expense'",
        other.pk,
    )
    assert _failures() == [
        ("postings_differ_from_records", "2702", "0"),
        ("postings_differ_from_records", "0", "2702"),
    ]


def test_an_entry_of_usage_without_records_is_found(world: FinanceWorld) -> None:
    damage("DELETE FROM ledger_usagerecord WHERE charge_nano > 0")
    assert {(check, expected) for check, expected, _ in _failures()} == {("postings_differ_from_records", "0")}


def test_a_record_without_an_entry_is_found(world: FinanceWorld) -> None:
    damage("UPDATE ledger_usagerecord SET entry_id = NULL WHERE charge_nano = 0")
    assert _failures() == [("record_without_entry", "0", "0")]


def test_a_record_whose_lines_do_not_add_up_to_its_cost_is_found(world: FinanceWorld) -> None:
    damage("UPDATE ledger_usagerecord SET costs_nano = ARRAY[1250.25, 100.4] WHERE cardinality(costs_nano) = 2")
    assert _failures() == [("cost_differs_from_its_lines", "1350.65", "1350.75")] * 2


def test_an_attempt_that_was_recorded_twice_is_found(world: FinanceWorld) -> None:
    damage("CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM ledger_usagerecord WHERE charge_nano = 0")
    damage("UPDATE copy SET admitted_at = admitted_at + interval '1 hour'")
    damage("INSERT INTO ledger_usagerecord SELECT * FROM copy")
    assert _failures() == [("record_counted_twice", "1", "2")]


def test_a_thousand_failures_are_counted_and_the_first_ones_named(world: FinanceWorld) -> None:
    damage("CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM ledger_usagerecord WHERE charge_nano = 0")
    damage("UPDATE copy SET entry_id = NULL")
    damage(
        "INSERT INTO ledger_usagerecord SELECT (json_populate_record(copy, json_build_object('attempt_id',"
        " gen_random_uuid()))).* FROM copy, generate_series(1, 1000)"
    )
    finding = prove_ledger()
    assert finding.failure_count == 1000
    assert len(finding.failures) == MAX_FAILURES


def test_a_credit_without_records_is_no_failure_while_it_balances(world: FinanceWorld) -> None:
    damage(
        "INSERT INTO ledger_entry (id, organisation_id, kind, month, reason)"
        " VALUES (-1, %s, 'credit', '2026-11-01', 'outage')",
        world.organisation.pk,
    )
    damage(
        "INSERT INTO ledger_posting (entry_id, account_id, amount_nano)"
        " SELECT -1, min(id), 5 FROM ledger_ledgeraccount UNION ALL SELECT -1, max(id), -5 FROM ledger_ledgeraccount"
    )
    assert prove_ledger().failures == ()
