"""One reservation in the memory of its process, from its admission to its booked outcome."""

from collections.abc import Sequence

from governance.metering.attempt import Hold
from governance.metering.leases import Lease


class Reservation:
    """Money reserved on every lease of a path. `is_late`: its epoch was given up, and its leases are gone."""

    __slots__ = ("amount", "hold", "is_late", "path", "text")

    def __init__(self, hold: Hold, path: Sequence[Lease], text: bytes) -> None:
        self.hold = hold
        self.path = path
        self.text = text
        self.amount = hold.granted_nano
        self.is_late = False

    def come_late(self) -> None:
        """Its leases are gone: its outcome is booked as a fact, which no lease pays for."""
        self.is_late = True
        self.path = ()
