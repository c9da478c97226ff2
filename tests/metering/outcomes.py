"""Outcomes that tests book."""

from decimal import Decimal

from governance.catalog.rating import Rated, RatedLine
from governance.metering.attempt import Ending, Outcome
from governance.plugin.usage import TokenClass, Usage

UNKNOWN = Outcome(ending=Ending.SUSPENSE, reason="provider_timed_out")
RELEASED = Outcome(ending=Ending.RELEASED, reason="not_sent")


def settled(cost: str) -> Outcome:
    """Return an outcome that cost so many nano-USD (an exact decimal)."""
    exact = Decimal(cost)
    return Outcome(
        ending=Ending.SETTLED,
        reason="ok",
        http_status=200,
        usage=Usage(input_tokens=10, output_tokens=5),
        rated=Rated(
            lines=(RatedLine(TokenClass.INPUT, 10, 7, exact),),
            cost_nano=exact,
            charge_nano=int(exact.to_integral_value(rounding="ROUND_CEILING")),
            is_assumed=False,
        ),
        raw_usage=b'{"prompt_tokens":10}',
        total_milliseconds=12,
    )
