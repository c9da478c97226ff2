"""Why a rate limit refused, said to people, and remembered for a moment.

Without the memory, one key that is used up costs a transaction per request for as long as a client keeps asking.
"""

import math
from collections.abc import Hashable
from datetime import UTC, datetime
from typing import Final

import msgspec

from governance.core.errors import RateLimited, RequestBeyondRateLimit
from governance.metering.rates import RateClaim
from governance.policy.rate_limit import Counts, RateLimitPolicy

MEMORY_SECONDS: Final = 0.5
_MOST: Final = 10_000


class RateRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """The limit that could not admit. `resets_at` (seconds) is None where requests at the same time are counted."""

    limit: RateLimitPolicy
    remaining: int
    resets_at: float | None


class RateRefusalMemory:
    """Refusals of the last half second, by allowance: who asks for as much again is refused at once."""

    def __init__(self) -> None:
        self._refusals: dict[Hashable, tuple[float, int, RateRefusal]] = {}

    def recall(self, claim: RateClaim, *, at: float) -> RateRefusal | None:
        """Return the refusal that would be given again."""
        if not self._refusals:
            return None
        for limit in claim.limits:
            known = self._refusals.get(limit.allowance_key)
            if known and known[0] > at and known[1] <= claim.least(limit):
                return known[2]
        return None

    def remember(self, claim: RateClaim, refusal: RateRefusal, *, at: float) -> None:
        """Keep a refusal, but not into another window."""
        if len(self._refusals) >= _MOST:
            self._refusals.clear()
        until = min(at + MEMORY_SECONDS, refusal.resets_at if refusal.resets_at is not None else math.inf)
        self._refusals[refusal.limit.allowance_key] = (until, claim.least(refusal.limit), refusal)

    def forget(self, limit: RateLimitPolicy) -> None:
        """Something of it came back: it may be able to admit again."""
        self._refusals.pop(limit.allowance_key, None)


def refuse_impossible(claim: RateClaim) -> None:
    """Raise RequestBeyondRateLimit when the claim needs more than a whole window of some limit has."""
    for limit in claim.limits:
        if claim.least(limit) > limit.amount:
            raise RequestBeyondRateLimit(
                f"Rate limit '{limit.name}' ({limit.scope}) allows {limit.text}, and this request can use "
                f"{claim.least(limit):,}: shorten it, lower its maximum of output tokens, or ask for a higher limit."
            )


def refusal_error(claim: RateClaim, refusal: RateRefusal, *, at: float) -> RateLimited:
    """Return the error that names the limit, what is left, what was asked, and when it resets."""
    limit = refusal.limit
    named = f"Rate limit '{limit.name}' ({limit.scope}) allows {limit.text}"
    if refusal.resets_at is None:
        return RateLimited(
            f"{named}, and as many are running: try again when one of them has ended.",
            counts=limit.counts,
            retry_after_seconds=1,
        )
    asked = f"; this request can use up to {claim.least(limit):,}" if limit.counts is Counts.TOKENS else ""
    when = datetime.fromtimestamp(refusal.resets_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return RateLimited(
        f"{named}. {max(0, refusal.remaining):,} are left{asked}. "
        f"It resets at {when}: wait, or ask for a higher limit.",
        counts=limit.counts,
        retry_after_seconds=max(1, math.ceil(refusal.resets_at - at)),
    )
