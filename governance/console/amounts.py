"""How amounts and counts are shown. Display only: whatever is rounded here stays exact in the title beside it."""

from decimal import ROUND_HALF_EVEN, Decimal

from governance.core.money import NANO_PER_USD, usd_decimal, usd_text

_CENT = Decimal("0.01")
_SMALLEST = Decimal("1e-9")


def usd(nano: int | Decimal) -> str:
    """Return dollars and cents: "$1,234.50". Below one cent, two significant digits: "$0.0012"."""
    return _signed(usd_decimal(nano), _step(abs(usd_decimal(nano))))


def usd_short(nano: int) -> str:
    """Return dollars for the side of a chart: "$0.0050", "$12.00", "$1.20 K"."""
    dollars = nano // NANO_PER_USD
    return f"${short_count(dollars)}" if dollars >= 1000 else usd(nano)


def usd_fine(nano: int | Decimal) -> str:
    """Return dollars with six decimals, for columns of single requests: "$0.001234"."""
    return _signed(usd_decimal(nano), Decimal("0.000001"))


def usd_exact(nano: int | Decimal) -> str:
    """Return every digit: "0.001234567 USD"."""
    return f"{usd_text(nano)} USD"


def per_million(nano_per_unit: Decimal) -> str:
    """Return a price per unit (nano-USD) as exact USD per million units: "$2.50"."""
    text = f"{nano_per_unit.normalize().scaleb(-3):f}"
    whole, _, fraction = text.partition(".")
    return f"${int(whole):,}.{fraction.rstrip('0').ljust(2, '0')}"


def count(number: int) -> str:
    """Return a whole number with thousands separators."""
    return f"{number:,}"


def short_count(number: int) -> str:
    """Return three digits and a unit, cut, not rounded up: "999", "12.3 K", "1.24 M"."""
    for power, unit in ((12, "T"), (9, "B"), (6, "M"), (3, "K")):
        if number >= 10**power:
            whole = number // 10**power
            fraction = f"{number % 10**power:0{power}}"[: max(0, 3 - len(str(whole)))]
            return f"{whole}.{fraction} {unit}" if fraction else f"{whole} {unit}"
    return str(number)


def percent(part: int, whole: int) -> str:
    """Return the share in whole per cent, "< 1 %" where it would vanish, "-" of nothing."""
    if whole <= 0:
        return "-"
    share = part * 100 // whole
    return "< 1 %" if share == 0 and part > 0 else f"{share} %"


def permille(part: int, whole: int) -> int:
    """Return the share in thousandths, between 0 and 1000; something is never nothing."""
    if part <= 0:
        return 0
    if whole <= 0:
        return 1000
    return min(1000, max(1, part * 1000 // whole))


def _step(size: Decimal) -> Decimal:
    if size == 0 or size >= _CENT:
        return _CENT
    return max(_SMALLEST, Decimal(1).scaleb(size.adjusted() - 1))


def _signed(amount: Decimal, step: Decimal) -> str:
    shown = amount.quantize(step, rounding=ROUND_HALF_EVEN)
    sign = "\N{MINUS SIGN}" if shown < 0 else ""
    return f"{sign}${abs(shown):,f}"
