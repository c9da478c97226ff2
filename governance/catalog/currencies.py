"""Prices that vendors bill in other currencies, at the rate that whoever imports them names. Pure.

Bursar's money is USD. A price keeps the rate at which it was taken over in its source; another rate makes other prices
from then on, and what was rated before stays as it was.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from governance.catalog.errors import PriceRefused
from governance.core.money import exact
from governance.plugin.prices import PriceCatalogue

_LEAST, _MOST = Decimal("0.00001"), Decimal(10)
"""What one unit of any currency has been worth in USD for years lies between."""
_MOST_DIGITS = 12
"""So that a price times a rate is exact in every decimal arithmetic."""


def rate_of(currency: str, text: str) -> Decimal:
    """Return what one unit of this currency is worth in USD. Raises PriceRefused."""
    if len(currency) != 3 or not currency.isascii() or not currency.isupper() or currency == "USD":
        raise PriceRefused(f"{currency!r} is no other currency: write its code, such as CNY.")
    rate = exact(text)
    if not _LEAST <= rate <= _MOST or len(rate.as_tuple().digits) > _MOST_DIGITS:
        raise PriceRefused(
            f"One {currency} is not worth {text} USD: give what one unit of it is worth, such as 0.14 for CNY."
        )
    return rate


def in_usd(catalogue: PriceCatalogue, *, rates: Mapping[str, Decimal]) -> PriceCatalogue:
    """Return the catalogue with those of its native prices in USD that have a rate, and the others named as skipped."""
    known = [price.in_usd(rates[price.currency]) for price in catalogue.native if price.currency in rates]
    lacking = sorted(
        {(price.provider, price.model, price.currency) for price in catalogue.native if price.currency not in rates}
    )
    skipped = [
        f"{provider}/{model}: billed in {currency}, whose rate was not given (--rate {currency}=USD)."
        for provider, model, currency in lacking
    ]
    return msgspec.structs.replace(
        catalogue, prices=(*catalogue.prices, *known), skipped=(*catalogue.skipped, *skipped), native=()
    )
