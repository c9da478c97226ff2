"""Timeouts for thousands of requests at the price of one timer.

`asyncio.timeout` costs two timer operations whenever a deadline moves, and a stream's deadline moves with every event.
Here moving a deadline is one assignment, and one task looks at all of them a few times a second.
"""

import asyncio
import time
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, Self


class Waiting(StrEnum):
    """What an overdue request was waiting for."""

    BODY = "the client's body"
    FIRST_BYTE = "the vendor's first byte"
    NEXT_BYTE = "the vendor's next byte"
    CLIENT = "the client to read"


class Overdue(Exception):
    """A deadline passed, or the wait was given up. `waiting` says what for."""

    def __init__(self, waiting: Waiting) -> None:
        super().__init__(f"Waited too long for {waiting}.")
        self.waiting = waiting


class Watched(Protocol):
    """Something with deadlines, in seconds of `time.monotonic`."""

    expires_at: float
    ends_at: float

    def end(self) -> None:
        """A deadline passed. Called again and again until the deadlines move, or it is removed."""


class Patience:
    """The deadlines of one request: `expires_at` for what it waits for now, `ends_at` for all of it.

    A context manager around the wait, which raises Overdue when a deadline passes or `end` is called. Deadlines are in
    seconds of `time.monotonic`: unlike asking for the running loop, it costs no system call.
    """

    __slots__ = ("_is_over", "_task", "_watched", "ends_at", "expires_at", "waiting")

    def __init__(self, task: asyncio.Task[Any], *, ends_at: float, watched: set[Watched]) -> None:
        self._task = task
        self._watched = watched
        self._is_over = False
        self.ends_at = ends_at
        self.expires_at = ends_at
        self.waiting = Waiting.FIRST_BYTE

    def __enter__(self) -> Self:
        self._watched.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watched.discard(self)
        if self._is_over and kind is asyncio.CancelledError and self._task.uncancel() == 0:
            # Nobody else cancelled the task: the cancellation that `end` asked for is taken back.
            raise Overdue(self.waiting) from None
        self._is_over = True

    def until(self, expires_at: float, waiting: Waiting) -> None:
        """Begin to wait for something else."""
        self.expires_at = expires_at
        self.waiting = waiting

    def end(self) -> None:
        """Give up waiting now. Once the wait is over this cancels nothing."""
        if not self._is_over:
            self._is_over = True
            self._task.cancel()


class Watchdog:
    """Looks at everything it watches, every `interval_seconds`."""

    def __init__(self, *, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._watched: set[Watched] = set()

    async def run(self) -> None:
        """Look around until cancelled."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            now = time.monotonic()
            for watched in tuple(self._watched):
                if now >= watched.expires_at or now >= watched.ends_at:
                    watched.end()

    def add(self, watched: Watched) -> None:
        """Watch this from now on."""
        self._watched.add(watched)

    def remove(self, watched: Watched) -> None:
        """Watch it no more."""
        self._watched.discard(watched)

    def watch(self, task: asyncio.Task[Any], *, ends_at: float) -> Patience:
        """Return a guard of the task, which is the running one, to be entered."""
        return Patience(task, ends_at=ends_at, watched=self._watched)
