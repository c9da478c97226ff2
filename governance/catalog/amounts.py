"""Prices as vendors write them (USD per million) and as they are kept (nano-USD per unit): exact, and sane. Pure."""

from decimal import Decimal

from governance.catalog.errors import PriceRefused
from governance.core.money import EXACT
from governance.plugin.usage import INPUT_CLASSES, OUTPUT_CLASSES, TokenClass

DEAREST_TOKENS_USD_PER_MILLION = Decimal(10_000)
DEAREST_CALLS_USD_PER_MILLION = Decimal(1_000_000)
"""One USD per call: vendors ask cents."""
USUAL_TOKENS_USD_PER_MILLION = (Decimal("0.001"), Decimal(1_000))
"""Outside of it a price of tokens may be right, but needs somebody's word. The sources list from 0.0025 to 600."""
LARGEST_STEP = 20
"""A price that changes by more than this factor may be a mix-up of units (per thousand for per million): it needs
somebody's word."""

_FRACTION_DIGITS = 18


def nano_per_unit(usd_per_million: Decimal, *, token_class: TokenClass) -> Decimal:
    """Return exact nano-USD per token or call. Raises PriceRefused outside the sane range, or when it is too fine."""
    if not usd_per_million.is_finite() or usd_per_million < 0:
        raise PriceRefused(f"{usd_per_million} USD per million is no price: give a number from 0.")
    dearest = dearest_usd_per_million(token_class)
    if usd_per_million > dearest:
        raise PriceRefused(
            f"{usd_per_million} USD per million for {token_class} is above {dearest}, which no vendor asks: "
            "is it a price per thousand, or per call?"
        )
    amount = usd_per_million.scaleb(3, EXACT).normalize(EXACT)
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _FRACTION_DIGITS:
        raise PriceRefused(
            f"{usd_per_million} USD per million is finer than can be kept: give at most {_FRACTION_DIGITS + 3} "
            "decimal places."
        )
    return amount.quantize(Decimal(1), context=EXACT) if isinstance(exponent, int) and exponent > 0 else amount


def usd_per_million(nano: Decimal) -> Decimal:
    """Return exact USD per million units, without trailing zeros."""
    amount = nano.scaleb(-3, EXACT).normalize(EXACT)
    exponent = amount.as_tuple().exponent
    return amount.quantize(Decimal(1), context=EXACT) if isinstance(exponent, int) and exponent > 0 else amount


def dearest_usd_per_million(token_class: TokenClass) -> Decimal:
    """Return the largest price that is believed for this class."""
    if token_class in INPUT_CLASSES or token_class in OUTPUT_CLASSES:
        return DEAREST_TOKENS_USD_PER_MILLION
    return DEAREST_CALLS_USD_PER_MILLION


def is_suspicious_step(before: Decimal, after: Decimal) -> bool:
    """Return whether a price changed by more than LARGEST_STEP, up or down (to or from zero always)."""
    low, high = min(before, after), max(before, after)
    return high > low * LARGEST_STEP


def why_unusual(usd: Decimal, *, token_class: TokenClass, before_nano: Decimal | None) -> str | None:
    """Return the sentence that says what is unusual about a price in USD per million; None when nothing is.

    `before_nano` is the price in force until then, whoever set it, in nano-USD per unit.
    """
    words = f"{usd:f} USD per million for {token_class}"
    if token_class in INPUT_CLASSES or token_class in OUTPUT_CLASSES:
        lowest, highest = USUAL_TOKENS_USD_PER_MILLION
        if usd == 0:
            return f"{words} makes these tokens free."
        if not lowest <= usd <= highest:
            return f"{words} is outside of {lowest:f} to {highest:f}: is it a price per thousand, or per token?"
    if before_nano is not None and is_suspicious_step(usd_per_million(before_nano), usd):
        return f"{words} is more than {LARGEST_STEP} times off the price until then, {usd_per_million(before_nano):f}."
    return None
