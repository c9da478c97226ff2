"""Prices and cards of prices, as the tests of rating need them."""

from datetime import UTC, datetime
from decimal import Decimal

from governance.catalog.rating import PriceLine, RateCard
from governance.plugin.usage import TokenClass

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def line(
    number: int,
    token_class: TokenClass,
    nano: str | Decimal,
    *,
    step: int = 0,
    tier: str = "standard",
    since: datetime = NOW,
    until: datetime | None = None,
) -> PriceLine:
    return PriceLine(
        id=number,
        token_class=token_class,
        nano_per_unit=Decimal(nano),
        from_input_tokens=step,
        service_tier=tier,
        effective_from=since,
        effective_to=until,
    )


def card(*lines: PriceLine, at: datetime = NOW) -> RateCard:
    return RateCard(lines, at=at)
