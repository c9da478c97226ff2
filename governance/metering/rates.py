"""Rate limits in the memory of one process, as a pure state machine: no I/O, no clock, no randomness.

A process takes slices of an allowance from the database and admits from them. A slice counts as taken from the moment
it is granted, so that whatever becomes of it, no window ever admits more than the amount: what a crash or a lost answer
leaves untold is lost until the window ends. Permits of requests at the same time are stated as a whole each time
instead, because they have no end of their own. `rate_books.py` drives this with a database behind, the tests with a
pretended one. Instants are seconds of the database's clock; there is no guard second, since no money is at stake.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from governance.metering.slices import PACE_SECONDS, TYPICAL_TIMES, Pace
from governance.policy.rate_limit import Counts, RateLimitPolicy

SLICE_SECONDS: Final = 10
"""A slice should last about this long at the pace of its own use."""
IDLE_SECONDS: Final = 1.0
"""A share that admitted nothing for so long is given back whole."""
FORGET_SECONDS: Final = 120.0
_GROWTH: Final = 4
"""Of permits a quarter of those in use is worth having besides."""


class RateClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A request that wants to be admitted by all of these limits (ascending by id).

    `want_tokens` is its worst case, `least_tokens` what must at least be granted (equal where nothing can be lowered).
    """

    limits: tuple[RateLimitPolicy, ...]
    want_tokens: int
    least_tokens: int

    def want(self, limit: RateLimitPolicy) -> int:
        """Return what this limit would be asked for."""
        return self.want_tokens if limit.counts is Counts.TOKENS else 1

    def least(self, limit: RateLimitPolicy) -> int:
        """Return what this limit must at least grant."""
        return self.least_tokens if limit.counts is Counts.TOKENS else 1


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is said to the database of one allowance; see `metering_take`."""

    allowance_id: int
    back: int
    window: datetime | None
    keeps: int | None
    need: int = 0
    want: int = 0
    slice: int = 0
    typical: int = 0


class Share:
    """What this process has of one allowance.

    `in_hand` can be admitted from; `in_use` counts requests that run; `left` is what the database had left for
    everybody when it last answered.
    """

    __slots__ = (
        "allowance_id",
        "ends_at",
        "in_hand",
        "in_use",
        "is_exact",
        "is_untold",
        "left",
        "limit",
        "pace",
        "typical",
        "unneeded",
        "used_at",
        "window",
    )

    def __init__(self, allowance_id: int, limit: RateLimitPolicy, *, at: float) -> None:
        self.allowance_id = allowance_id
        self.limit = limit
        self.window: datetime | None = None
        self.ends_at = math.inf if limit.window is None else at
        self.in_hand = 0
        self.in_use = 0
        self.left = limit.amount
        self.unneeded = 0
        """Of permits: the fewest that were in hand since the last look, which nobody would have missed."""
        self.typical = 0
        self.is_exact = False
        self.is_untold = False
        """An answer was lost: the database must be told anew how many permits are kept."""
        self.used_at = at
        self.pace = Pace(at)

    @property
    def is_windowed(self) -> bool:
        """Whether it is of a window, and not of requests at the same time."""
        return self.limit.window is not None

    def worth_having(self, at: float) -> int:
        """Return how much this process should have: for a few seconds at its pace, or room to grow."""
        if not self.is_windowed:
            return self.in_use // _GROWTH
        return max(self.pace.nano(at=at) * SLICE_SECONDS // PACE_SECONDS, TYPICAL_TIMES * self.typical)

    def hand_over(self) -> tuple[int, int | None]:
        """Take everything out of hand, for the database: what is handed back, and the permits that are kept."""
        back, self.in_hand, self.unneeded = self.in_hand, 0, 0
        self.left += back
        return (back, 0) if self.is_windowed else (0, self.in_use)

    def receive(self, granted: int, *, window: datetime | None, ends_at: float, left: int) -> None:
        """Add what the database granted; what is here of another window lapses."""
        if window != self.window:
            self.window, self.ends_at, self.in_hand = window, ends_at, 0
        self.in_hand += granted
        self.left = left
        self.is_untold = False

    def put_away(self, at: float) -> Line | None:
        """Return what is to be said to the database now: what lies idle goes back; None when there is nothing."""
        if self.is_windowed:
            surplus = self._surplus(at)
            self.in_hand -= surplus
            keeps = 0
        else:
            surplus, self.unneeded = self.unneeded, self.in_hand - self.unneeded
            self.in_hand = self.unneeded
            keeps = self.in_use + self.in_hand
        if not surplus and not self.is_untold:
            return None
        back = surplus if self.is_windowed else 0
        return Line(allowance_id=self.allowance_id, back=back, window=self.window, keeps=keeps, typical=self.typical)

    def is_over(self, at: float) -> bool:
        """Return whether nothing of it is worth remembering."""
        return not (self.in_hand or self.in_use or self.is_untold) and at - self.used_at > FORGET_SECONDS

    def _surplus(self, at: float) -> int:
        if at >= self.ends_at:
            self.in_hand = 0  # its window is over: nobody could use it
        if self.is_exact or at - self.used_at >= IDLE_SECONDS:
            return self.in_hand
        target = self.worth_having(at)
        return self.in_hand - target if self.in_hand > 2 * target else 0


class Admission:
    """What one request took, until it ends. `tokens` is what it may use; None where no limit counts them."""

    __slots__ = ("parts", "tokens")

    def __init__(self, parts: list[tuple[Share, datetime | None, int]], tokens: int | None) -> None:
        self.parts = parts
        self.tokens = tokens


def slice_size(line: Line, *, remaining: int, users: int) -> tuple[int, bool] | None:
    """Return what is granted, and whether nothing is to be kept for later; None when it is refused.

    This is the arithmetic of `metering_take`. A fair share leaves as much for each other process that took lately.
    """
    if line.need > 0 and remaining < line.need:
        return None
    wanted = max(line.need, min(line.want, remaining))
    fair = max(0, remaining) // (2 * users)
    if fair < TYPICAL_TIMES * line.typical:
        return wanted, True
    return max(wanted, min(fair, line.slice)), False


def admit(path: Sequence[Share], claim: RateClaim, *, at: float) -> Admission | None:
    """Admit from what is in hand, or not at all: the fast path."""
    for share in path:
        if share.in_hand < claim.want(share.limit) or at >= share.ends_at:
            return None
    return _take(path, claim, tokens=claim.want_tokens, at=at)


def ask(path: Sequence[Share], claim: RateClaim, *, at: float, asked: set[int]) -> list[Line]:
    """Return what is asked of the database for a claim; everything in hand goes back with it, to be granted anew.

    `asked` are the allowances that the same question asks for already: of those nothing more is handed back.
    """
    lines = []
    for share in path:
        want, back, keeps = claim.want(share.limit), 0, None
        slice_ = 0
        if share.allowance_id not in asked:
            asked.add(share.allowance_id)
            slice_ = want + share.worth_having(at)
            back, keeps = share.hand_over()
        lines.append(
            Line(
                allowance_id=share.allowance_id,
                back=back,
                window=share.window,
                keeps=keeps,
                need=claim.least(share.limit),
                want=want,
                slice=slice_,
                typical=share.typical or want,
            )
        )
    return lines


def admit_granted(path: Sequence[Share], claim: RateClaim, *, granted: Sequence[int], at: float) -> Admission:
    """Admit a claim that the database granted this much on each share of the path."""
    tokens = claim.want_tokens
    for share, amount in zip(path, granted, strict=True):
        if share.limit.counts is Counts.TOKENS:
            tokens = min(tokens, amount)
    return _take(path, claim, tokens=tokens, at=at)


def settle(admission: Admission, *, tokens: int | None, was_sent: bool) -> list[Share]:
    """End an admission; return the shares with permits that others may be waiting for.

    `tokens` is what the vendor reported, None when nobody knows: then all stays taken. A request that was never sent
    gives everything back.
    """
    awaited = []
    for share, window, amount in admission.parts:
        share.in_use -= 1
        if not share.is_windowed:
            share.in_hand += amount
            if share.is_exact:
                share.unneeded = share.in_hand
                awaited.append(share)
        elif share.window == window:
            share.in_hand += _unused(share, amount, tokens, was_sent=was_sent)
    return awaited


def lose(shares: Iterable[Share]) -> None:
    """An answer was lost. Of a window, what it granted is lost; permits are stated anew as soon as possible."""
    for share in shares:
        share.is_untold = share.is_untold or not share.is_windowed


def put_away(shares: Iterable[Share], *, at: float) -> Iterator[tuple[Share, Line]]:
    """Yield what goes back to the database now."""
    for share in shares:
        line = share.put_away(at)
        if line is not None:
            yield share, line


def _take(path: Sequence[Share], claim: RateClaim, *, tokens: int, at: float) -> Admission:
    parts = []
    has_tokens = False
    for share in path:
        amount = 1
        if share.limit.counts is Counts.TOKENS:
            amount, has_tokens = tokens, True
        share.in_hand -= amount
        share.in_use += 1
        if share.is_windowed:
            share.pace.add(amount, at=at)
        else:
            share.unneeded = min(share.unneeded, share.in_hand)
        share.used_at = at
        share.typical = share.typical + ((amount - share.typical) >> 3) if share.typical else amount
        parts.append((share, share.window, amount))
    return Admission(parts, tokens if has_tokens else None)


def _unused(share: Share, amount: int, tokens: int | None, *, was_sent: bool) -> int:
    if not was_sent:
        return amount
    if share.limit.counts is Counts.REQUESTS or tokens is None:
        return 0
    return amount - min(amount, tokens)
