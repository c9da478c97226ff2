"""When a budget runs out if spending goes on as it did in its period so far. Pure, in whole microseconds and nano-USD.

The method is the plainest one that can be checked by hand: what is settled was spent evenly from the beginning (of the
period, or of the budget if it is younger) until now, and goes on at that pace. What is held is not counted, for most of
it is given back. So early in a period, and after a single dear call, the forecast jumps; it knows no weekends.
"""

from datetime import datetime, timedelta

import msgspec

_TICK = timedelta(microseconds=1)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent of a limit from `since` until `at`, in a period that ends at `ends_at`."""

    limit_nano: int
    settled_nano: int
    since: datetime
    at: datetime
    ends_at: datetime


def runs_out_at(pace: Pace) -> datetime | None:
    """Return the first instant at which the limit is reached, never before `at`; None if it lasts to the period's end.

    Without any spending, or any time to measure it by, there is nothing that runs out.
    """
    elapsed = (pace.at - pace.since) // _TICK
    if pace.settled_nano <= 0 or elapsed <= 0:
        return None
    if pace.settled_nano >= pace.limit_nano:
        return pace.at
    ticks = -(-elapsed * pace.limit_nano // pace.settled_nano)
    if ticks >= (pace.ends_at - pace.since) // _TICK:
        return None
    return pace.since + ticks * _TICK
