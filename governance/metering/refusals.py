"""Why a reservation was refused, said to people, and remembered for a moment.

Without the memory, one exhausted key costs a transaction per request for as long as a client keeps asking.
"""

import math
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from governance.budgets.hot import BudgetPolicy
from governance.core.errors import BudgetExceeded, BudgetHeld
from governance.core.money import usd_text
from governance.core.windows import END
from governance.metering.attempt import Claim
from governance.metering.leases import Lease
from governance.metering.reservation import Reservation

LONGEST_RETRY_SECONDS: Final = 60
MEMORY: Final = timedelta(seconds=0.5)
_MOST: Final = 10_000


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The budget that could not pay. `is_final`: no money in flight could change that in this period.

    `retry_after_seconds`: when money in flight may be back.
    """

    is_final: bool
    budget: BudgetPolicy
    limit_nano: int
    settled_nano: int
    held_nano: int
    resets_at: datetime
    retry_after_seconds: int = 1


class RefusalMemory:
    """Final refusals of the last half second, by budget: who asks for as much again is refused at once."""

    def __init__(self) -> None:
        self._refusals: dict[Hashable, tuple[datetime, int, Refusal]] = {}

    def recall(self, claim: Claim, *, at: datetime) -> Refusal | None:
        """Return the refusal that would be given again."""
        if not self._refusals:
            return None
        for budget in claim.budgets:
            known = self._refusals.get(budget.account_key)
            if known and known[0] > at and known[1] <= claim.least_nano and known[2].resets_at > at:
                return known[2]
        return None

    def remember(self, claim: Claim, refusal: Refusal, *, at: datetime) -> None:
        """Keep a final refusal; one of money in flight may be untrue a moment later."""
        if not refusal.is_final:
            return
        if len(self._refusals) >= _MOST:
            self._refusals.clear()
        self._refusals[refusal.budget.account_key] = (at + MEMORY, claim.least_nano, refusal)


def seconds_until_money(reservations: Iterable[Reservation], lease: Lease, *, at: float) -> int:
    """Return when the oldest reservation of this process on the account is expected to end, in whole seconds.

    It is expected to last as long as others of the account lately did; one that has lasted longer may end at any time.
    What other processes have in flight is not known here.
    """
    oldest = next((each for each in reservations if lease in each.path), None)
    if oldest is None:
        return 1
    left = oldest.hold.admitted_at.timestamp() + lease.lasting - at
    return min(max(1, math.ceil(left)), LONGEST_RETRY_SECONDS)


def refusal_error(claim: Claim, refusal: Refusal) -> BudgetExceeded | BudgetHeld:
    """Return the error that names the budget, what is left, what was asked, and when it resets."""
    left = max(0, refusal.limit_nano - refusal.settled_nano - refusal.held_nano)
    facts = (
        f"Budget '{refusal.budget.name}' ({refusal.budget.scope}) has {usd_text(left)} USD left of "
        f"{usd_text(refusal.limit_nano)} USD; this request can cost up to {usd_text(claim.least_nano)} USD. "
    )
    if not refusal.is_final:
        held = f"{usd_text(refusal.held_nano)} USD are held for requests in flight: try again in a moment."
        return BudgetHeld(facts + held, retry_after_seconds=refusal.retry_after_seconds)
    if refusal.resets_at >= END:
        return BudgetExceeded(facts + "It never resets: ask for a higher limit, or a request that costs less.")
    when = refusal.resets_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return BudgetExceeded(
        facts + f"It resets at {when}: wait, ask for a higher limit, or lower the request's maximum output tokens."
    )
