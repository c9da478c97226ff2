"""The campaign's checks complain about damaged books: a check that cannot fail proves nothing."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from tests.faults.checker import (
    RELEASED,
    Balance,
    Books,
    Record,
    Suspended,
    Verdict,
    charged_per_budget,
    check_at_rest,
    check_covered,
    check_settled,
    verdicts,
)
from tests.faults.invoice import InvoiceLine
from tests.faults.scene import CampaignKey, Scene

WHOLE, TEAM, OTHER = 1, 2, 3
SCENE = Scene(
    keys=(
        CampaignKey(id=1, name="key0", text="", budgets=frozenset({WHOLE, TEAM})),
        CampaignKey(id=2, name="key1", text="", budgets=frozenset({WHOLE, OTHER})),
    ),
    limits={WHOLE: 10**9, TEAM: 10**9, OTHER: 10**9},
)
FIRST = InvoiceLine(call="key0.c0.1", input_tokens=10, cached_tokens=3, output_tokens=7)
SECOND = InvoiceLine(call="key1.c0.1", input_tokens=5, output_tokens=100)
UNBILLED = InvoiceLine(call="key1.c0.2")
UNCERTAIN = InvoiceLine(call="key0.c1.1", input_tokens=4, output_tokens=50)
LINES = [FIRST, SECOND, UNBILLED, UNCERTAIN]


def attempt_id(call: str) -> UUID:
    return uuid5(UUID(int=0), call)


def record(line: InvoiceLine, **changes: Any) -> Record:
    made = Record(
        attempt_id=attempt_id(line.call),
        call=line.call,
        outcome="completed",
        cost_nano=line.cost_nano,
        charge_nano=line.charge_nano,
        budgets=SCENE.budgets_of(line.key),
    )
    return msgspec.structs.replace(made, **changes)


def hold(line: InvoiceLine, held_nano: int, **changes: Any) -> Suspended:
    made = Suspended(
        attempt_id=attempt_id(line.call),
        call=line.call,
        held_nano=held_nano,
        budgets=SCENE.budgets_of(line.key),
    )
    return msgspec.structs.replace(made, **changes)


def books(records: list[Record], suspended: list[Suspended]) -> Books:
    """Return books whose balances fit their rows."""
    settled = {budget: sum(row.charge_nano for row in records if budget in row.budgets) for budget in SCENE.limits}
    held = {budget: sum(row.held_nano for row in suspended if budget in row.budgets) for budget in SCENE.limits}
    balances = [
        Balance(account_id=10 + budget, budget_id=budget, settled_nano=settled[budget], held_nano=held[budget])
        for budget in SCENE.limits
    ]
    return Books(records=records, suspended=suspended, balances=balances)


def good_records() -> list[Record]:
    return [record(FIRST), record(SECOND), record(UNBILLED)]


def good_holds() -> list[Suspended]:
    return [hold(UNCERTAIN, UNCERTAIN.charge_nano + 1)]


def test_books_that_are_right_raise_no_complaint() -> None:
    findings = check_at_rest(LINES, books(good_records(), good_holds()), SCENE)
    assert (findings.lost, findings.violations) == ([], [])


def test_suspense_that_was_settled_by_the_invoice_is_right() -> None:
    resolved = record(UNCERTAIN, outcome="suspense_settled", cost_nano=Decimal(UNCERTAIN.charge_nano))
    never_sent = record(InvoiceLine(call="key0.c9.9"), outcome=RELEASED)
    findings = check_settled(LINES, books([*good_records(), resolved, never_sent], []), SCENE)
    assert (findings.lost, findings.violations) == ([], [])


def test_a_charge_without_record_or_hold_is_lost() -> None:
    assert len(check_at_rest(LINES, books(good_records()[1:], good_holds()), SCENE).lost) == 1
    assert len(check_at_rest(LINES, books(good_records(), []), SCENE).lost) == 1


def test_even_an_unbilled_call_leaves_a_record() -> None:
    assert len(check_at_rest(LINES, books(good_records()[:2], good_holds()), SCENE).lost) == 1


DAMAGES: dict[str, Callable[[list[Record], list[Suspended]], None]] = {
    "a cost off by a fraction": lambda records, holds: records.__setitem__(
        0, record(FIRST, cost_nano=FIRST.cost_nano + Decimal("0.001"))
    ),
    "a record twice": lambda records, holds: records.append(records[0]),
    "a record that the vendor never charged": lambda records, holds: records.append(
        record(InvoiceLine(call="key1.c7.7", input_tokens=1))
    ),
    "a record of another call": lambda records, holds: records.__setitem__(0, record(FIRST, call="key0.c5.5")),
    "a released attempt that costs something": lambda records, holds: records.append(
        record(InvoiceLine(call="key1.c7.7", input_tokens=1), outcome=RELEASED)
    ),
    "a hold that is too small": lambda records, holds: holds.__setitem__(0, hold(UNCERTAIN, UNCERTAIN.charge_nano - 1)),
    "an attempt paid by another budget": lambda records, holds: records.__setitem__(
        0, record(FIRST, budgets=frozenset({WHOLE, OTHER}))
    ),
    "an attempt that a parent does not pay": lambda records, holds: records.__setitem__(
        0, record(FIRST, budgets=frozenset({TEAM}))
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_books_raise_a_complaint(damage: Callable[[list[Record], list[Suspended]], None]) -> None:
    records, holds = good_records(), good_holds()
    damage(records, holds)
    assert check_at_rest(LINES, books(records, holds), SCENE).violations != []


@pytest.mark.parametrize("changes", [{"settled_nano": 1}, {"held_nano": 1}, {"settled_nano": -1}, {"held_nano": -1}])
def test_a_balance_that_is_off_by_one_raises_a_complaint(changes: dict[str, int]) -> None:
    right = books(good_records(), good_holds())
    for number, balance in enumerate(right.balances):
        changed = {name: getattr(balance, name) + by for name, by in changes.items()}
        balances = list(right.balances)
        balances[number] = msgspec.structs.replace(balance, **changed)
        wrong = msgspec.structs.replace(right, balances=balances)
        assert check_at_rest(LINES, wrong, SCENE).violations != []


def test_what_is_left_in_suspense_is_not_settled() -> None:
    findings = check_settled(LINES, books(good_records(), good_holds()), SCENE)
    assert any("is not booked" in sentence for sentence in findings.violations)
    assert any("the vendor charged" in sentence for sentence in findings.violations)


def test_an_account_that_covers_a_nano_less_than_the_vendor_charged_is_named() -> None:
    charged = charged_per_budget(LINES, SCENE)
    assert check_covered(charged, charged) == []
    (complaint,) = check_covered(charged, charged | {TEAM: charged[TEAM] - 1})
    assert f"Budget {TEAM} covered {charged[TEAM] - 1}" in complaint


def test_the_invoice_decides_about_suspense() -> None:
    never_sent = hold(InvoiceLine(call="key0.c9.9"), 100)
    decided = verdicts(LINES, books(good_records(), [*good_holds(), never_sent]))
    assert {verdict.attempt_id: verdict.line for verdict in decided} == {
        attempt_id(UNCERTAIN.call): UNCERTAIN,
        never_sent.attempt_id: None,
    }


def test_an_estimate_and_what_is_held_beside_it_cover_a_line_together() -> None:
    charged = UNCERTAIN.charge_nano
    seen = record(UNCERTAIN, outcome="client_gone", cost_nano=Decimal(charged // 2), charge_nano=charged // 2)
    told = books([seen], [hold(UNCERTAIN, charged)])
    assert verdicts([UNCERTAIN], told) == [Verdict(attempt_id=seen.attempt_id, line=UNCERTAIN)]
    findings = check_at_rest([UNCERTAIN], told, SCENE)
    assert (findings.lost, findings.violations) == ([], [])
    too_little = books([seen], [hold(UNCERTAIN, charged - charged // 2 - 1)])
    assert check_at_rest([UNCERTAIN], too_little, SCENE).violations
