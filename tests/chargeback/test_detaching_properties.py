"""Whatever was called, rated again and booked late, and whichever days go and come back: the books say the same."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.audit.operations import Actor
from governance.chargeback.detaching import attach_day, detach_day
from governance.chargeback.queries import monthly_report
from governance.keys.models import VirtualKey
from governance.ledger.detached import detached_days
from governance.ledger.monthly import CostCentreMonth, cost_centre_month
from governance.ledger.proof import prove_ledger
from governance.ledger.queries import usage_totals
from governance.ledger.rated import Span
from governance.metering.proof import prove_accounts
from governance.metering.rerating import apply_rerating
from governance.plugin.usage import Usage
from tests.support.days import keep_clean_proof, make_day
from tests.support.finance_world import FinanceWorld, make_world
from tests.support.priced_calls import priced_call, set_prices

pytestmark = pytest.mark.django_db

ADA = Actor(name="ada@example.org")
TODAY = date(2026, 12, 15)
DAYS = [date(2026, 10, 5) + timedelta(days=number) for number in range(3)]
_MIDNIGHT = datetime(2026, 10, 6, tzinfo=UTC)
MONTHS = (date(2026, 10, 1), date(2026, 11, 1))
PRICES = st.fixed_dictionaries({"input": st.decimals(0, 50, places=5), "output": st.decimals(0, 50, places=5)})
Call = tuple[int, int, int, int]
"""Day, key, tokens read, tokens written."""
Prices = dict[str, Decimal]
CALLS = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(1, 5000), st.integers(0, 5000))
FLUSHES = st.lists(st.lists(CALLS, min_size=1, max_size=4), min_size=1, max_size=3)


@pytest.fixture(autouse=True)
def _days() -> None:
    for day in DAYS:
        make_day(day)
    keep_clean_proof()


def _told(world: FinanceWorld, keys: list[VirtualKey]) -> list[object]:
    told: list[object] = [usage_totals(key_id=key.pk) for key in keys]
    for month in MONTHS:
        told.append(monthly_report(organisation=world.organisation, month=month))
        for key in keys:
            booked = cost_centre_month(
                organisation_id=world.organisation.pk, cost_centre_id=key.team.cost_centre_id, month=month
            )
            told.append(_in_order(booked))
    return told


def _in_order(booked: CostCentreMonth) -> object:
    return sorted(map(repr, booked.facts)), booked.adjustments, booked.charged_nano, booked.posted_nano


def _is_proved() -> bool:
    return prove_ledger().failures == () and prove_accounts().failures == ()


@settings(max_examples=20, deadline=None)
@given(on_time=FLUSHES, late=FLUSHES, first=PRICES, second=PRICES, toggled=st.lists(st.sampled_from(DAYS), max_size=6))
def test_the_books_say_the_same_whichever_days_are_detached(
    on_time: list[list[Call]], late: list[list[Call]], first: Prices, second: Prices, toggled: list[date]
) -> None:
    for day in detached_days():
        attach_day(day=day.day, actor=ADA)
    world = make_world()
    keys = [world.key(world.team(name, world.cost_centre(name))) for name in ("Search", "Support")]
    model, accounts = world.model(str(world.organisation.pk)), [world.account("all", 10**15)]

    def book(flushes: list[list[Call]]) -> None:
        for flush in flushes:
            world.book(
                *(
                    priced_call(
                        keys[key],
                        model,
                        Usage(input_tokens=read, output_tokens=written),
                        at=_MIDNIGHT + timedelta(days=day, seconds=-1),
                        accounts=accounts,
                    )
                    for day, key, read, written in flush
                )
            )

    set_prices(model, first)
    book(on_time)
    set_prices(model, second)
    world.close_month(MONTHS[0])
    span = Span(organisation_id=world.organisation.pk, since=_MIDNIGHT - timedelta(days=1), until=_MIDNIGHT)
    apply_rerating(span=span, actor=ADA, reason="property")
    book(late)
    world.close_month(MONTHS[1])
    told = _told(world, keys)

    for day in toggled:
        if day in {each.day for each in detached_days()}:
            attach_day(day=day, actor=ADA)
        else:
            detach_day(day=day, today=TODAY, actor=ADA)
        assert _is_proved()
        assert _told(world, keys) == told
