"""The door of metering on the request path.

`Books` is the seam: leases and a journal stand behind it (`leased.py`).
"""

from typing import Protocol

from governance.metering.attempt import Attribution, Claim, Ending, Hold, Outcome

__all__ = ["Attribution", "Books", "Claim", "Ending", "Hold", "Outcome"]


class Books(Protocol):
    """Reserves money before an attempt and books its outcome after."""

    async def open(self) -> None:
        """Take an epoch and recover what dead processes of this host left. Raises GovernanceUnavailable."""

    async def reserve(self, claim: Claim) -> Hold:
        """Hold money on every budget of the path, all or none, and write the intent down.

        Raises BudgetExceeded, BudgetHeld or GovernanceUnavailable; then nothing is held and nothing may be sent.
        """

    def shrink(self, hold: Hold, amount_nano: int) -> None:
        """Lower what an attempt still holds to what it can still cost; it never grows."""

    def book(self, hold: Hold, outcome: Outcome) -> None:
        """Queue the outcome; it is written within about a second. Exactly one outcome per hold; never blocks."""

    def gauges(self) -> dict[str, float]:
        """Return what metrics show of the books in this process."""

    async def close(self) -> None:
        """Write everything queued, give the epoch up. Called once, after the last request has ended."""
