"""The vendor keeps its own book: what it charged for each attempt, whatever the gateway knows of it."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from governance.metering.attempt import Hold


@dataclass
class Charge:
    """One attempt at the vendor. `final` is what it costs if nobody stops it. `is_excused`: its journal was lost."""

    hold: Hold
    final: int
    charged: int = 0
    is_booked: bool = False
    is_excused: bool = False

    @property
    def owed(self) -> int:
        """What the books must cover now: beyond a reservation (an overrun) only what they were told of."""
        return self.charged if self.is_booked else min(self.charged, self.hold.granted_nano)


class Vendor:
    """All attempts that reached the vendor. `owed` by account, in nano-USD, kept along."""

    def __init__(self) -> None:
        self.charges: dict[UUID, Charge] = {}
        self.owed: dict[int, int] = defaultdict(int)

    def accept(self, hold: Hold, final: int) -> Charge:
        """Take a request that will cost so much in the end."""
        charge = self.charges[hold.attempt_id] = Charge(hold, final)
        return charge

    def charge(self, charge: Charge, nano: int) -> tuple[int, ...]:
        """Charge so much in all for an attempt; return the accounts concerned."""
        before = charge.owed
        charge.charged = max(charge.charged, min(nano, charge.final))
        self._move(charge, before)
        return charge.hold.account_ids

    def booked(self, attempt_id: UUID) -> None:
        """The books know of the attempt."""
        charge = self.charges.get(attempt_id)
        if charge is not None:
            before = charge.owed
            charge.is_booked = True
            self._move(charge, before)

    def _move(self, charge: Charge, before: int) -> None:
        for account_id in charge.hold.account_ids:
            self.owed[account_id] += charge.owed - before
