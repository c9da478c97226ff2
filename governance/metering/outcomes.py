"""How an attempt ended, for the books. Pure: vendors' words come in, and only what the books can keep comes out."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from governance.catalog.rating import STANDARD, NoPrice, RateCard, Rated, RatedLine
from governance.core.money import MAX_NANO, NANO_PER_USD
from governance.metering.attempt import Ending, Outcome
from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import TokenClass, Usage, UsageReport

UNSENT = Outcome(ending=Ending.RELEASED, reason="not_sent")
DOUBTFUL = "usage_doubtful"
"""What was reported is what is billed, so it is what is booked; but the reply shows more output than that."""
NO_CHARGE = Rated(lines=(), cost_nano=Decimal(0), charge_nano=0, is_assumed=False)

_LONGEST_NAME = 256
_LONGEST_RAW = 16 * 1024
_LARGEST_VENDOR_COST = Decimal(10) ** 18
_VENDOR_COST_STEP = Decimal(1).scaleb(-18)
_SHAPES = bytes.maketrans(b"123456789E-", b"000000000e+")
_LONG_NUMBERS = (b"0" * 60, b"0e000", b"0e+000")
"""What a JSON column cannot hold, numbers without end, as `_SHAPES` shows them: every digit a zero."""


def suspense(reason: str, *, http_status: int = 0) -> Outcome:
    """Nobody can prove what the attempt cost: the money stays held."""
    return Outcome(ending=Ending.SUSPENSE, reason=reason, http_status=http_status)


LOST = suspense("answer_lost")
"""Sent, and nothing is known of an answer yet."""


@lru_cache(maxsize=1024)
def lost(http_status: int) -> Outcome:
    """An answer has begun with this status, and nothing is known of its end yet."""
    return suspense(LOST.reason, http_status=http_status)


def unbilled(*, http_status: int, reason: str = "vendor_error") -> Outcome:
    """The vendor refused, and documents that it charges nothing for that: recorded, at no cost."""
    return Outcome(
        ending=Ending.SETTLED,
        reason=reason,
        http_status=http_status,
        usage=Usage(input_tokens=0, output_tokens=0),
        rated=NO_CHARGE,
    )


def settled(report: UsageReport, card: RateCard, *, reason: str, http_status: int) -> Outcome:
    """Rate what the vendor reported. A report that cannot be rated or kept leaves the attempt in suspense.

    One that is smaller than the reply itself is booked as reported, and marked by its reason. Raises UsageUnreadable
    where its counts are no `Usage`, which lets no count through that is none.
    """
    if type(report.usage) is not Usage:
        raise UsageUnreadable("The provider's plugin reports a usage that nobody has checked.")
    tier = _name(report.service_tier) or STANDARD
    try:
        rated = card.rate(report.usage, service_tier=tier)
    except NoPrice:
        return suspense("price_missing", http_status=http_status)
    if rated.charge_nano > MAX_NANO:
        return suspense("usage_absurd", http_status=http_status)
    return Outcome(
        ending=Ending.SETTLED,
        reason=DOUBTFUL if report.is_doubtful else reason,
        http_status=http_status,
        usage=report.usage,
        rated=rated,
        served_model=_name(report.served_model),
        service_tier=tier,
        vendor_cost_nano=_vendor_cost(report.vendor_cost),
        raw_usage=_raw(report.raw),
        is_estimated=rated.is_assumed,
    )


def uncharged(outcome: Outcome, *, because: TokenClass) -> Outcome:
    """Return how an attempt ended that nobody is charged for: its lines say what it would have cost, and one takes that
    off. Where its usage is not known it is settled all the same, as an estimate: no money waits for it.
    """
    if outcome.ending is Ending.RELEASED:
        return outcome
    if outcome.rated is None:
        return msgspec.structs.replace(
            outcome,
            ending=Ending.SETTLED,
            usage=Usage(input_tokens=0, output_tokens=0),
            rated=NO_CHARGE,
            is_estimated=True,
        )
    return msgspec.structs.replace(outcome, ending=Ending.SETTLED, rated=_taken_off(outcome.rated, because=because))


def _taken_off(rated: Rated, *, because: TokenClass) -> Rated:
    if not rated.lines:
        return rated
    line = RatedLine(token_class=because, quantity=1, price_id=None, cost_nano=rated.cost_nano.copy_negate())
    return Rated(lines=(*rated.lines, line), cost_nano=Decimal(0), charge_nano=0, is_assumed=rated.is_assumed)


def _name(text: str | None) -> str | None:
    """A vendor's word, as far as it is printable: a database keeps no NUL."""
    if text is None or text.isprintable():
        return text and text[:_LONGEST_NAME]
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_NAME]


def _raw(raw: bytes) -> bytes | None:
    """Keep a vendor's own words, unless a JSON column refuses them: escapes may stand for no character."""
    if len(raw) > _LONGEST_RAW or not raw.isascii() or b"\\u" in raw:
        return None
    shape = raw.translate(_SHAPES)
    return None if True in [number in shape for number in _LONG_NUMBERS] else raw


def _vendor_cost(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        nano = Decimal(text) * NANO_PER_USD
        if not nano.is_finite() or not 0 <= nano < _LARGEST_VENDOR_COST:
            return None
        return nano.quantize(_VENDOR_COST_STEP)
    except InvalidOperation:
        return None
