"""What the database takes as a revision, and what the proof finds when somebody went round it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from governance.ledger.models import Entry, UsageRecord
from governance.ledger.proof import prove_ledger
from governance.ledger.queries import usage_totals
from governance.ledger.reach import Reach
from governance.ledger.spending import spending
from tests.support.broken_books import damage
from tests.support.finance_world import NOVEMBER, Call, FinanceWorld, make_world

pytestmark = pytest.mark.django_db

LINES = {"input": (1000, "1250.25"), "output": (10, "100.5")}


@pytest.fixture
def world() -> FinanceWorld:
    """Two calls of 1350.75 nano-USD in one entry; the first one was rated again and is 0.5 cheaper: 1350.25."""
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    attempt, _ = world.book(*[Call(key, world.model("gpt-5"), LINES)] * 2)
    _revise(str(attempt), revision=2, cost="-0.5", charge=0)
    return world


def _revise(attempt: str, *, revision: int, cost: str, charge: int, minutes_late: int = 0) -> None:
    change = {
        "attempt_id": f"'{attempt}'::uuid",
        "revision": str(revision),
        "admitted_at": f"'{(NOVEMBER + timedelta(minutes=minutes_late)).isoformat()}'::timestamptz",
        "outcome": "'rerated'",
        "is_estimated": "false",
        "classes": "array['input']",
        "quantities": "array[0]",
        "price_ids": "array[2]",
        "costs_nano": f"array[{cost}]",
        "cost_nano": cost,
        "charge_nano": str(charge),
        "rating_rule": "1",
    }
    fields = ", ".join(f"'{name}', {value}" for name, value in change.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT metering_revise('rerate', 'wrong', json_build_array(json_build_object({fields})))")


def _revised() -> UsageRecord:
    return UsageRecord.objects.get(revision=2)


def _failures() -> list[tuple[str, str, str]]:
    return [(failure.check, failure.expected, failure.found) for failure in prove_ledger().failures]


def test_a_revision_is_a_difference_and_the_books_balance(world: FinanceWorld) -> None:
    assert _failures() == []
    totals = usage_totals()
    assert (totals.requests, totals.input_tokens, totals.charge_nano) == (2, 2000, 2702)
    reach = Reach(organisation_id=world.organisation.pk, zone=world.organisation.zone, is_whole=True)
    day = timedelta(days=1)
    total = spending(reach=reach, since=NOVEMBER - day, until=NOVEMBER + day).total
    assert (total.requests, total.input_tokens, total.charge_nano) == (2, 2000, 2702)


@pytest.mark.parametrize(
    ("revision", "cost", "charge", "why"),
    [
        (2, "-1", -1, "duplicate key"),
        (4, "-1", -1, "does not follow the one before it"),
        (0, "1", 1, "revisions_count_from_one"),
        (3, "-1.2", -3, "a_charge_is_the_ceiling_of_its_cost"),
        (3, "-1.2", -2, "charge 1349 nano-USD and cost 1350, rounded up"),
        (3, "-2000", -2000, "charge -649 nano-USD"),
    ],
)
def test_a_revision_that_does_not_follow_or_add_up_is_refused(
    world: FinanceWorld, revision: int, cost: str, charge: int, why: str
) -> None:
    with pytest.raises(IntegrityError, match=why):
        _revise(str(_revised().attempt_id), revision=revision, cost=cost, charge=charge)
    assert UsageRecord.objects.count() == 3


def test_a_revision_of_an_attempt_that_is_not_on_the_books_is_refused(world: FinanceWorld) -> None:
    with pytest.raises(IntegrityError, match="Of 1 attempts to be revised only 0 are on the books"):
        _revise(str(_revised().attempt_id), revision=3, cost="1", charge=1, minutes_late=1)


def test_a_revision_for_other_payers_is_refused(world: FinanceWorld) -> None:
    revision = _revised()
    for name, value in (("cost_centre_id", world.cost_centre("CC-2").pk), ("account_ids", [1])):
        other = UsageRecord(**{**_fields(revision), "revision": 3, name: value})
        with pytest.raises(IntegrityError, match="names other payers than the attempt"), transaction.atomic():
            other.save(force_insert=True)


def test_a_correction_says_what_it_corrects_and_why(world: FinanceWorld) -> None:
    for corrects_id, reason in ((None, "wrong"), (_revised().entry_id, "")):
        with pytest.raises(IntegrityError, match="a_rerate_says_what_it_corrects_and_why"), transaction.atomic():
            Entry.objects.create(
                organisation=world.organisation,
                kind=Entry.Kind.RERATE,
                month=NOVEMBER.date().replace(day=1),
                reason=reason,
                corrects_id=corrects_id,
            )


def test_a_revision_whose_charge_was_changed_is_found(world: FinanceWorld) -> None:
    damage("UPDATE ledger_usagerecord SET charge_nano = -1 WHERE revision = 2")
    assert sorted(_failures()) == [
        ("charge_is_not_the_ceiling_of_its_cost", "1351", "1350"),
        ("postings_differ_from_records", "-1", "0"),
        ("postings_differ_from_records", "0", "-1"),
    ]


def test_a_revision_that_went_missing_or_moved_is_found(world: FinanceWorld) -> None:
    damage("UPDATE ledger_usagerecord SET revision = 3 WHERE revision = 2")
    assert _failures() == [("revision_does_not_follow", "3", "2")]


def test_a_revision_booked_on_another_cost_centre_is_found(world: FinanceWorld) -> None:
    damage("UPDATE ledger_usagerecord SET cost_centre_id = 0 WHERE revision = 2")
    assert ("revision_does_not_follow", "2", "2") in _failures()


def test_a_correction_that_names_another_entry_is_found(world: FinanceWorld) -> None:
    original = Entry.objects.get(kind="usage")
    damage("UPDATE ledger_entry SET corrects_id = id WHERE kind = 'rerate'")
    assert ("revision_corrects_another_entry", str(original.pk), str(_revised().entry_id)) in _failures()


def test_a_posting_of_a_correction_that_was_removed_is_found(world: FinanceWorld) -> None:
    _revise(str(_revised().attempt_id), revision=3, cost="-1.25", charge=-2)
    damage("DELETE FROM ledger_posting WHERE amount_nano = -2")
    checks = [failure.check for failure in prove_ledger().failures]
    assert checks == ["entry_unbalanced", "postings_differ_from_records"]


def _fields(record: UsageRecord) -> dict[str, object]:
    return {field.attname: getattr(record, field.attname) for field in UsageRecord._meta.concrete_fields}
