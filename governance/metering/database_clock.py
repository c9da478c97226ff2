"""The database's clock, known from the answers of the last round trips and carried on by the machine's monotonic one.

Two gateways never compare their own clocks, and a wall clock that is set moves nothing.
"""

from collections.abc import Callable
from datetime import datetime

LONGEST_TRIP_SECONDS = 0.5
"""A slower answer says too little about when the database read its clock."""


class DatabaseClock:
    """Tells the database's time in seconds since the epoch."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._offset: float | None = None

    @property
    def monotonic(self) -> Callable[[], float]:
        """The machine's clock beneath it."""
        return self._monotonic

    def hear(self, at: datetime, *, sent: float) -> None:
        """Take the time of an answer whose question was sent then (monotonic seconds)."""
        received = self._monotonic()
        if self._offset is None or received - sent <= LONGEST_TRIP_SECONDS:
            self._offset = at.timestamp() - (sent + received) / 2

    def now(self) -> float:
        """Return the database's time. Raises RuntimeError before the first answer."""
        if self._offset is None:
            raise RuntimeError("The database's clock was not heard yet.")
        return self._monotonic() + self._offset
