"""Prices by hand, in any order, at any instants: history never changes, and what is in force is what was said last."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.catalog import operations, queries
from governance.catalog.amounts import nano_per_unit, usd_per_million
from governance.catalog.errors import PriceRefused
from governance.catalog.models import Price
from governance.catalog.operations import NewModel
from governance.plugin.usage import TokenClass, Usage
from tests.support.company import ACTOR

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNTS = st.decimals(min_value="0.001", max_value=1000, places=4)
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 5),  # days that pass before it is said
        st.integers(-3, 8),  # days from then on which it begins
        st.fixed_dictionaries({"input": AMOUNTS, "output": AMOUNTS}, optional={"cache_read": AMOUNTS}),
    ),
    max_size=6,
)


def in_force(model_id: int, at: datetime) -> dict[str, Decimal]:
    found = queries.prices_in_force(model_ids=[model_id], at=at).get(model_id, [])
    return {row.token_class: usd_per_million(row.nano_per_unit) for row in found}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_any_sequence_of_prices_by_hand_leaves_one_history(changes: list[tuple[int, int, dict[str, Decimal]]]) -> None:
    with transaction.atomic():
        model = operations.add_model(actor=ACTOR, new=NewModel(provider="p", name=f"m{Price.objects.count()}"))
        days = [START + timedelta(days=number) for number in range(-5, 60)]
        now = START
        expected: dict[datetime, dict[str, Decimal]] = {at: {} for at in days}
        for passed, ahead, prices in changes:
            now += timedelta(days=passed)
            begins = now + timedelta(days=ahead)
            is_first = not Price.objects.filter(model=model).exists()
            try:
                operations.set_prices(
                    actor=ACTOR,
                    at=now,
                    model_id=model.pk,
                    prices={TokenClass(name): usd for name, usd in prices.items()},
                    effective_from=begins,
                    is_confirmed=True,
                )
            except PriceRefused:
                assert begins < now and not is_first
                continue
            assert begins >= now or is_first
            expected |= {at: dict(prices) for at in days if at >= begins}
        assert {at: in_force(model.pk, at) for at in days} == expected
        transaction.set_rollback(True)


@given(usd=st.decimals(min_value=0, max_value=10_000, places=21))
def test_a_price_survives_being_kept_to_the_last_digit(usd: Decimal) -> None:
    kept = nano_per_unit(usd, token_class=TokenClass.INPUT)
    assert usd_per_million(kept) == usd
    assert kept.as_tuple().exponent >= -18


def test_a_price_that_is_kept_is_the_price_that_is_charged() -> None:
    model = operations.add_model(actor=ACTOR, new=NewModel(provider="p", name="m"))
    price = Decimal("0.123456789012345678901")
    operations.set_prices(
        actor=ACTOR,
        at=START,
        model_id=model.pk,
        prices={TokenClass.INPUT: price, TokenClass.OUTPUT: price},
        effective_from=START,
    )
    table = queries.rate_tables(model_ids=[model.pk])[model.pk]
    rated = table.card_at(START).rate(Usage(input_tokens=1_000_000, output_tokens=0))
    assert rated.cost_nano == price * 10**9
