"""A gateway process of a simulated world: the product's own books on a loop of virtual time, and customers at them."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from governance.core.errors import GovernanceUnavailable
from governance.metering.leased import LeasedBooks
from tests.simulate.agenda import ProcessLoop
from tests.simulate.disk import Disk, ProcessKilled
from tests.simulate.line import Line
from tests.simulate.vendor import Charge

if TYPE_CHECKING:
    from tests.simulate.world import World

RETRY_SECONDS = 1.0


class Process:
    """Lives from `__init__` until `kill` or the end of `close`. `is_lost`: its journal is gone."""

    def __init__(self, world: "World", host: str, customers: Callable[["Process"], None]) -> None:
        self.world = world
        self.host = host
        self.number = len(world.processes)
        self.is_open = False
        self.is_closing = False
        self.is_lost = False
        self.reserving = 0
        self.steps = 0
        self.sent: list[Charge] = []
        self._is_buried = False
        self.troubled_at = world.agenda.now
        self.line = Line(world.server)
        self.disk = Disk(world.chance)
        self.loop = ProcessLoop(world.agenda, watch=self._watch, report=world.report, write=self._write)
        offset = world.chance.uniform(0, 1e6)
        self.books = LeasedBooks(
            pool=self.line,  # type: ignore[arg-type]
            listen=self.line.listen,  # type: ignore[arg-type]
            host=host,
            folder=self.folder,
            monotonic=lambda: world.agenda.now + offset,
        )
        self._customers = customers
        self.loop.create_task(self._open())

    def __str__(self) -> str:
        return f"process {self.number} of {self.host}"

    @property
    def folder(self) -> Path:
        """Where its host keeps journals."""
        return self.world.folder / self.host

    @property
    def is_alive(self) -> bool:
        """Whether it will ever run again."""
        return not self.loop.is_dead

    def freeze(self, seconds: float) -> None:
        """Stop it, as SIGSTOP does."""
        self.loop.frozen_until = max(self.loop.frozen_until, self.world.agenda.now + seconds)
        self.troubled_at = self.loop.frozen_until

    def kill(self) -> None:
        """End it, as SIGKILL does: its memory is gone, its locks are free, its journal lies there."""
        if self._is_buried:
            return
        self._is_buried = True
        self.loop.die()
        session = self.books._session
        if session._journal is not None:
            _close_own(session._journal._file, session.journal._path)
        if session._lock is not None:
            session._lock.release(is_over=False)

    def close(self) -> None:
        """End it, as SIGTERM does."""
        if self.is_open and not self.is_closing:
            self.is_closing = True
            self.loop.create_task(self._close())

    async def _open(self) -> None:
        while True:
            try:
                await self.books.open()
                break
            except GovernanceUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
        self.is_open = True
        self._customers(self)

    async def _close(self) -> None:
        while self.books._session.open_reservations:  # noqa: ASYNC110 - virtual time costs nothing
            await asyncio.sleep(0.1)
        with contextlib.suppress(GovernanceUnavailable):
            await self.books.close()
        self.world.agenda.after(0, self.kill)

    def _write(self, file: int, content: bytes) -> None:
        try:
            self.disk.write(file, content)
        except ProcessKilled:
            self.loop.is_dead = True
            self.world.crashes += 1
            self.world.note(f"{self} dies while it writes its journal")
            self.world.agenda.after(0, self.kill)
            self.world.agenda.after(1, lambda: self.world.start(self.host))
            raise

    def _watch(self) -> None:
        self.world.watch(self)
        if not self.is_closing and any(task.done() for task in self.books._tasks):
            self.world.report(f"a background task of a process ended: {[t for t in self.books._tasks if t.done()]}")


def _close_own(file: int, path: Path) -> None:
    """Close a journal's file, unless its number means another file by now."""
    with contextlib.suppress(OSError):
        if os.fstat(file).st_ino == path.stat().st_ino:
            os.close(file)
