"""Virtual time: what happens next in a world, and the event loop of each process in it.

A process of the simulator runs the product's own coroutines. Its loop puts every callback on the one agenda of the
world, which runs them one by one in an order that the seed alone decides. A frozen process's callbacks wait until it
thaws; those of a dead one never run.
"""

import asyncio
import contextvars
import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any


class Agenda:
    """All that is to happen, by virtual time and then by the order in which it was entered."""

    def __init__(self) -> None:
        self.now = 0.0
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Enter what is to happen at an instant, or now when that is over."""
        heapq.heappush(self._entries, (max(when, self.now), next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Enter what is to happen in so many seconds."""
        self.at(self.now + seconds, act)

    def step(self, until: float) -> bool:
        """Let the next thing happen; False when there is none before the instant."""
        if not self._entries or self._entries[0][0] > until:
            self.now = until
            return False
        self.now, _, act = heapq.heappop(self._entries)
        act()
        return True


class ProcessLoop(asyncio.AbstractEventLoop):
    """The event loop of one simulated process. `watch` is called after each of its callbacks."""

    def __init__(
        self,
        agenda: Agenda,
        *,
        watch: Callable[[], None],
        report: Callable[[str], None],
        write: Callable[[int, bytes], None],
    ) -> None:
        self.is_dead = False
        self.frozen_until = 0.0
        self.write = write
        self._agenda = agenda
        self._watch = watch
        self._report = report

    def time(self) -> float:
        return self._agenda.now

    def get_debug(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_at(self._agenda.now, callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_at(self._agenda.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._agenda.at(when, lambda: self._run(handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **named: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **named)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An exception that nobody took note of is a defect of the product."""
        if not self.is_dead:
            self._report(f"unhandled in a process: {context.get('message')} {context.get('exception')!r}")

    def die(self) -> None:
        """Run nothing any more. What the kernel would close is closed by unwinding the coroutines."""
        self.is_dead = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False
            coroutine = task.get_coro()
            if coroutine is not None and getattr(coroutine, "cr_running", False) is False:
                coroutine.close()

    def _run(self, handle: asyncio.Handle) -> None:
        if self.is_dead or handle.cancelled():
            return
        if self.frozen_until > self._agenda.now:
            self._agenda.at(self.frozen_until, lambda: self._run(handle))
            return
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)
        if not self.is_dead:
            self._watch()
