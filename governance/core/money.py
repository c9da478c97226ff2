"""Exact money. Budgets, charges and the ledger are integers of nano-USD; costs are exact decimals of nano-USD.

There is one rounding in the product: `charge_nano` turns an attempt's exact cost into its integer charge.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, Context, Decimal, Inexact, InvalidOperation

NANO_PER_USD = 10**9
MAX_NANO = 2**63 - 1

EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])
"""Arithmetic that raises instead of rounding: 80 digits hold any amount at any price the catalogue can keep."""
_CEILING = Context(prec=80, rounding=ROUND_CEILING)


class MoneyInvalid(ValueError):
    """The text or number is not an amount of money that can be kept exactly."""


def parse_usd(text: str | Decimal) -> int:
    """Return nano-USD from a decimal string of USD such as "12.50". Raises MoneyInvalid, never rounds."""
    if isinstance(text, float):
        raise MoneyInvalid("Money is never a float: give a decimal string such as 12.50.")
    try:
        nano = Decimal(text).scaleb(9, EXACT)
    except (InvalidOperation, ValueError) as error:
        raise MoneyInvalid(f"{text!r} is not an amount of USD: give a decimal number such as 12.50.") from error
    if not nano.is_finite() or nano != nano.to_integral_value():
        raise MoneyInvalid(f"{text} USD is finer than a nano-USD: give at most nine decimal places.")
    if abs(nano) > MAX_NANO:
        raise MoneyInvalid(f"{text} USD is more than can be kept: the largest amount is 9,223,372,036 USD.")
    return int(nano)


def usd_decimal(nano: int | Decimal) -> Decimal:
    """Return the exact amount in USD."""
    return Decimal(nano).scaleb(-9, EXACT)


def usd_text(nano: int | Decimal) -> str:
    """Return the exact amount in USD as plain digits, at least two decimal places: "0.00", "1.000000001"."""
    if isinstance(nano, int) and nano >= 0:
        # As below, in a tenth of the time: every answer carries its cost.
        usd, rest = divmod(nano, NANO_PER_USD)
        return f"{usd}.{rest:09d}".rstrip("0") if rest % 10**7 else f"{usd}.{rest // 10**7:02d}"
    text = f"{usd_decimal(nano):f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(2, "0")
    return f"{whole}.{fraction}"


def charge_nano(cost_nano: Decimal) -> int:
    """Round an attempt's exact cost up to whole nano-USD: the one rounding. Raises MoneyInvalid if negative."""
    if cost_nano < 0:
        raise MoneyInvalid(f"A cost of {cost_nano} nano-USD is negative.")
    return int(cost_nano.to_integral_value(context=_CEILING))


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum without any rounding; Python's own `sum` rounds to 28 digits."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def exact(text: str) -> Decimal:
    """Return a finite exact decimal, for rates. Raises MoneyInvalid."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise MoneyInvalid(f"{text!r} is not a decimal number.") from error
    if not value.is_finite():
        raise MoneyInvalid(f"{text!r} is not a finite decimal number.")
    return value
