"""Outcomes that the books confirmed a moment ago: a standby that was behind when it took over may not have them.

They are kept for a minute, or as many as fit into a few megabytes, in memory to be told again and in the journal, where
whoever recovers a dead process finds them.
"""

from collections import deque
from typing import Final, NamedTuple
from uuid import UUID

from governance.metering.texts import batch_text, fact_text, suspense_text

RECENT_SECONDS: Final = 60.0
MOST_RECENT_BYTES: Final = 8 * 1024 * 1024
LOST_AND_UNBOOKABLE: Final = "outcome_lost_in_fail_over"


class Told(NamedTuple):
    """One confirmed outcome: the two texts it is made of, and what was reserved for it in nano-USD."""

    attempt_id: UUID
    attempt: bytes
    outcome: bytes
    reserved_nano: int


class Recent:
    """The latest confirmed outcomes, oldest first. Instants are seconds of the database's clock."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, Told]] = deque()
        self._bytes = 0

    def add(self, told: Told, *, at: float) -> None:
        """Keep an outcome that was confirmed now."""
        self._told.append((at, told))
        self._bytes += len(told.attempt) + len(told.outcome)

    def drop_old(self, *, at: float) -> list[UUID]:
        """Let go of what every standby has by now, or of what does not fit; return its attempts."""
        gone = []
        while self._told and (self._bytes > MOST_RECENT_BYTES or at - self._told[0][0] > RECENT_SECONDS):
            _, told = self._told.popleft()
            self._bytes -= len(told.attempt) + len(told.outcome)
            gone.append(told.attempt_id)
        return gone

    def text(self) -> str:
        """Return all of them as `metering_reassert` takes them: facts, for which nothing stands in any lease."""
        return batch_text(
            fact_text(each.attempt, each.outcome, reserved_nano=each.reserved_nano) for _, each in self._told
        )

    def text_as_suspense(self) -> str:
        """Return them as unknown: the database cannot keep some of them any more, because what they name is gone."""
        unknown = suspense_text(LOST_AND_UNBOOKABLE, leased_nano=0)
        return batch_text(fact_text(each.attempt, unknown, reserved_nano=each.reserved_nano) for _, each in self._told)
