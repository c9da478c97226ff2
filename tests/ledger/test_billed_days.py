"""A vendor's own daily cost report beside the books: UTC days, late ones, and money that nobody's call explains."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from governance.core.errors import BadRequest
from governance.ledger.billed_days import LEFT_OUT, UNATTRIBUTED, BilledDay, billed_days
from governance.ledger.bills import read_bill
from tests.support.finance_world import NOVEMBER, Call, FinanceWorld, make_world

DAY = NOVEMBER.date()
MIDNIGHT = datetime(2026, 11, 10, tzinfo=UTC)


def openai_costs(*results: tuple[str | None, object], at: datetime = MIDNIGHT, **page: Any) -> bytes:
    """Return one day as OpenAI reports it: USD as JSON numbers, the model in front of what was counted."""
    rows = [{"amount": {"value": value, "currency": "usd"}, "line_item": item} for item, value in results]
    start = int(at.timestamp())
    bucket = {"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": rows}
    return json.dumps({"object": "page", "data": [bucket], "has_more": False, **page}).encode()


def anthropic_costs(*results: tuple[str | None, str]) -> bytes:
    """Return one day as Anthropic reports it: cents as text."""
    rows = [{"amount": amount, "currency": "USD", "model": model, "workspace_id": None} for model, amount in results]
    bucket = {"starting_at": "2026-11-10T00:00:00Z", "ending_at": "2026-11-11T00:00:00Z", "results": rows}
    return json.dumps({"data": [bucket], "has_more": False, "next_page": None}).encode()


def found(world: FinanceWorld, content: bytes, *, at: datetime = MIDNIGHT + timedelta(days=5)) -> list[BilledDay]:
    return billed_days(bill=read_bill(content), connection_id=world.vendor.pk, at=at)


def costing(nano: str) -> dict[str, tuple[int, str]]:
    return {"input": (1000, nano)}


@pytest.mark.django_db(transaction=True)
def test_trap_32_what_no_model_stands_behind_is_a_row_of_its_own_and_sets_the_day_apart() -> None:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    sol = world.model("gpt-6.1-sol")
    # The last instant of the UTC day is of it, and the first of the next one is not.
    world.book(
        Call(key, sol, costing("1000000000")),
        Call(key, sol, costing("500000000"), at=MIDNIGHT + timedelta(days=1, microseconds=-1)),
        Call(key, sol, costing("7000000000"), at=MIDNIGHT + timedelta(days=1)),
    )
    charged = [("gpt-6.1-sol, input_tokens", 1.1), ("gpt-6.1-sol, output_tokens", 0.4), (None, 0.25)]
    whole, unattributed, model = found(world, openai_costs(*charged))
    assert (whole.vendor_nano, whole.booked_nano, whole.is_apart) == (1_750_000_000, 1_500_000_000, True)
    assert (unattributed.model, unattributed.vendor_nano) == (UNATTRIBUTED, 250_000_000)
    assert (model.model, model.vendor_nano, model.booked_nano) == ("gpt-6.1-sol", 1_500_000_000, 1_500_000_000)
    assert not found(world, openai_costs(*charged[:2]))[0].is_apart


@pytest.mark.django_db(transaction=True)
def test_trap_32_a_day_is_not_apart_while_its_costs_may_still_come() -> None:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    world.book(Call(key, world.model("gpt-6.1-sol"), costing("1000000000")))
    late = MIDNIGHT + timedelta(days=2)
    early, final = (found(world, openai_costs(), at=at)[0] for at in (late - timedelta(seconds=1), late))
    assert [(each.is_final, each.is_apart) for each in (early, final)] == [(False, False), (True, True)]


@pytest.mark.django_db(transaction=True)
def test_trap_32_priority_capacity_is_not_missed_in_a_report_that_never_holds_it() -> None:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    sonnet = world.model("claude-sonnet-5", provider="anthropic")
    world.book(
        Call(key, sonnet, costing("1230000000")),
        Call(key, sonnet, costing("9000000000"), service_tier="priority+us"),
    )
    whole, model, left_out = found(world, anthropic_costs(("claude-sonnet-5", "123.0004")))
    assert (whole.vendor_nano, whole.is_apart) == (Decimal("1230004000"), False)
    assert model.booked_nano == 1_230_000_000
    assert (left_out.model, left_out.vendor_nano, left_out.booked_nano) == (LEFT_OUT, None, 9_000_000_000)


def test_trap_31_cents_as_text_and_dollars_as_numbers_are_read_exactly() -> None:
    (cents,) = read_bill(anthropic_costs(("claude-sonnet-5", "0.1"))).costs
    (dollars,) = read_bill(openai_costs(("gpt-6.1-sol, input_tokens", 0.1))).costs
    assert (cents.cost_nano, dollars.cost_nano) == (1_000_000, 100_000_000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"5",
        b'{"data":[{"results":[]}]}',
        b'{"data":5}',
        openai_costs(("m, t", "NaN")),
        openai_costs(("m, t", True)),
        openai_costs(("m, t", None)),
        openai_costs(at=MIDNIGHT + timedelta(hours=1)),
        anthropic_costs(("m", "1")).replace(b"USD", b"EUR"),
        anthropic_costs(("m", "1")).replace(b"11-11T00", b"11-10T01"),
        b"[" * 100_000,
    ],
)
def test_what_is_no_daily_report_is_refused(content: bytes) -> None:
    with pytest.raises(BadRequest, match="no daily cost report"):
        read_bill(content)


def test_a_report_without_its_other_pages_is_refused_and_all_of_them_are_read() -> None:
    first, second = openai_costs(has_more=True), openai_costs(at=MIDNIGHT + timedelta(days=1))
    with pytest.raises(BadRequest, match="more pages"):
        read_bill(first)
    assert read_bill(b"[%s,%s]" % (first, second)).days == (DAY, DAY + timedelta(days=1))
