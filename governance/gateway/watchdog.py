"""Timeouts for thousands of requests at the price of one timer.

`asyncio.timeout` costs two timer operations whenever a deadline moves, and a stream's deadline moves with every event.
Here moving a deadline is one assignment, and one task looks at all of them a few times a second.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Protocol


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

    Both in seconds of `time.monotonic`: unlike asking for the running loop, it costs no system call.
    """

    __slots__ = ("_is_over", "_task", "ends_at", "expires_at", "waiting")

    def __init__(self, task: asyncio.Task[Any], ends_at: float) -> None:
        self._task = task
        self._is_over = False
        self.ends_at = ends_at
        self.expires_at = ends_at
        self.waiting = Waiting.FIRST_BYTE

    def until(self, expires_at: float, waiting: Waiting) -> None:
        """Begin to wait for something else."""
        self.expires_at = expires_at
        self.waiting = waiting

    def end(self) -> None:
        """Give up waiting now."""
        if not self._is_over:
            self._is_over = True
            self._task.cancel()

    def take_back(self) -> bool:
        """Take back the cancellation that `end` asked for; False when there was none, or somebody cancelled too."""
        return self._is_over and self._task.uncancel() == 0

    def close(self) -> None:
        """The wait is over: `end` no longer cancels anything."""
        self._is_over = True


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

    @contextlib.contextmanager
    def watch(self, task: asyncio.Task[Any], *, ends_at: float) -> Iterator[Patience]:
        """Guard the task, which is the running one. Raises Overdue in it when a deadline passes or `end` is called."""
        patience = Patience(task, ends_at)
        self._watched.add(patience)
        try:
            yield patience
        except asyncio.CancelledError:
            if patience.take_back():
                raise Overdue(patience.waiting) from None
            raise
        finally:
            patience.close()
            self._watched.discard(patience)
