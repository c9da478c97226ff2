"""How large a lease should be: pure arithmetic in integers of nano-USD.

`grant` is what the database's `metering_grant` does for one account; a test holds the two against each other, and the
simulator runs this one. Source of the figures: quota slices of RFC 8506 and the measurements in docs/decisions.
"""

from typing import Final

import msgspec

PACE_SECONDS: Final = 60
"""A lease should last about this long at the pace of its own spending."""
TYPICAL_TIMES: Final = 4
"""It should hold at least this many typical reservations; an account that cannot give as many is in exact mode."""
LARGEST_SHARE: Final = 200
"""A grant brings a lease to at most limit / 200, beyond what waits: it bounds the idle money a lost host keeps."""


class Ask(msgspec.Struct, frozen=True):
    """What a claim asks of one account it lacks money on. All in nano-USD.

    `need` must be granted or the claim is refused; `short` is what it would like; `slice` the lease worth having;
    `typical` a usual reservation; `least` what the claim must hold in all, the money in hand included.
    """

    account_id: int
    need: int
    short: int
    slice: int
    typical: int
    least: int


class Standing(msgspec.Struct, frozen=True):
    """An account as the database sees it at the grant. `users`: processes that used it lately, this one included."""

    limit: int
    settled: int
    held: int
    is_hard: bool
    users: int

    @property
    def remaining(self) -> int:
        """What may still be held; negative after a fact or a lowered limit went beyond."""
        return self.limit - self.settled - self.held


def is_payable(ask: Ask, standing: Standing) -> bool:
    """Return whether the account can grant what is needed."""
    return not standing.is_hard or ask.need == 0 or standing.remaining >= ask.need


def is_spent(ask: Ask, standing: Standing) -> bool:
    """Return whether no money that comes back could make it payable in this period."""
    return standing.is_hard and standing.limit - standing.settled < ask.least


def grant(ask: Ask, standing: Standing) -> tuple[int, bool]:
    """Return the grant of a payable ask, and whether the account is in exact mode for this process.

    Exact mode is by ability: where a fair share is less than a few typical reservations, exactly what is wanted is
    granted, and what is left over comes back at settlement.
    """
    if not standing.is_hard:
        return max(ask.short, ask.slice), False
    wanted = max(ask.need, min(ask.short, standing.remaining))
    fair = max(0, standing.remaining // (2 * standing.users))
    if fair < TYPICAL_TIMES * ask.typical:
        return wanted, True
    return max(wanted, min(fair, standing.limit // LARGEST_SHARE, ask.slice)), False


class Pace:
    """What was spent in about the last minute: two buckets, the older one counted by the part still in sight."""

    __slots__ = ("_before", "_now", "_started")

    def __init__(self, at: float) -> None:
        self._started = at
        self._before = 0
        self._now = 0

    def add(self, nano: int, *, at: float) -> None:
        """Count money spent at this instant (seconds)."""
        if at - self._started >= PACE_SECONDS:
            self._turn(at)
        self._now += nano

    def nano(self, *, at: float) -> int:
        """Return the money spent in the last minute, roughly."""
        self._turn(at)
        left = PACE_SECONDS * 1000 - int((at - self._started) * 1000)
        return self._now + self._before * left // (PACE_SECONDS * 1000)

    def _turn(self, at: float) -> None:
        passed = at - self._started
        if passed < PACE_SECONDS:
            return
        self._before = self._now if passed < 2 * PACE_SECONDS else 0
        self._now = 0
        self._started = at
