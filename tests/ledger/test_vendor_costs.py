"""What vendors report is compared with what the books say, call by call and over all revisions."""

from datetime import timedelta
from decimal import Decimal

import pytest

from governance.ledger.vendor_costs import VendorCost, vendor_costs
from tests.support.finance_world import NOVEMBER, Call, FinanceWorld, make_world

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


def lines(nano: str) -> dict[str, tuple[int, str]]:
    return {"input": (1000, nano)}


def found(world: FinanceWorld) -> list[VendorCost]:
    return vendor_costs(organisation_id=world.organisation.pk, since=NOVEMBER - DAY, until=NOVEMBER + DAY)


def test_calls_are_apart_beyond_a_thousandth_and_a_nano() -> None:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    grok, other = world.model("grok-4.5", provider="xai"), world.model("grok-4.6", provider="xai")
    world.book(
        Call(key, grok, lines("117650"), vendor_cost_nano="117650"),
        Call(key, grok, lines("200000"), vendor_cost_nano="200200"),
        Call(key, grok, lines("300000"), vendor_cost_nano="500000"),
        Call(key, other, lines("0.4"), vendor_cost_nano="1.3"),
        Call(key, other, lines("1000")),
    )
    first, second = found(world)
    assert (first.connection, first.model, first.calls, first.apart) == ("vendor", "xai/grok-4.5", 3, 1)
    assert (first.cost_nano, first.vendor_cost_nano) == (Decimal(617650), Decimal(817850))
    assert (second.model, second.calls, second.apart) == ("xai/grok-4.6", 1, 0)


def test_nothing_is_compared_of_other_organisations_other_days_and_silent_vendors() -> None:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    model = world.model("grok-4.5", provider="xai")
    world.book(
        Call(key, model, lines("1000")), Call(key, model, lines("9"), at=NOVEMBER - 2 * DAY, vendor_cost_nano="5000")
    )
    assert found(world) == []
    assert found(make_world()) == []
