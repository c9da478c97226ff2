"""A rate limit as plain values: what it counts, per which window, for whom. Pure, and no Django."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from governance.budgets.hot import Member
from governance.budgets.narrowing import Narrowing


class Counts(StrEnum):
    """What a rate limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    """Input and output tokens together, as the vendor reports them."""
    CONCURRENT = "concurrent"
    """Requests at the same time."""


class LimitWindow(StrEnum):
    """What an amount is per. Windows begin at the full minute, hour or day of UTC and are half-open."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def seconds(self) -> int:
        """How long it lasts."""
        return _SECONDS[self]


_SECONDS: Final = {LimitWindow.MINUTE: 60, LimitWindow.HOUR: 3600, LimitWindow.DAY: 86400}


class RateLimitPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One live rate limit, as one key meets it. `window` is None where requests at the same time are counted.

    `scope` says whose it is, for error messages: "team default". Without `narrowing` it counts all calls, without
    `member` everybody shares the amount.
    """

    id: int
    name: str
    scope: str
    counts: Counts
    amount: int
    window: LimitWindow | None = None
    narrowing: Narrowing | None = None
    member: Member | None = None

    @property
    def allowance_key(self) -> tuple[int, Member | None]:
        """What the share of a process is remembered by: limits per member have several."""
        return self.id, self.member

    @property
    def text(self) -> str:
        """The limit in words: "60 requests per minute"."""
        return limit_text(counts=self.counts, amount=self.amount, window=self.window)

    def applies_to(self, *, alias: str, providers: Iterable[str]) -> bool:
        """Return whether a call to this alias, which one of these providers may answer, is counted."""
        narrowing = self.narrowing
        return narrowing is None or any(narrowing.covers(alias=alias, provider=each, tags={}) for each in providers)


def limit_text(*, counts: str, amount: int, window: str | None) -> str:
    """Say what is allowed: "60 requests per minute", "2 requests at the same time"."""
    if counts == Counts.CONCURRENT:
        return f"{amount:,} request{'s' * (amount != 1)} at the same time"
    noun = counts if amount != 1 else counts.removesuffix("s")
    return f"{amount:,} {noun} per {window}"
