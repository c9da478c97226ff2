"""The line between one simulated process and the database: a pool and connections that psycopg's would be taken for.

A question travels, is answered by the model in one go, and the answer travels back. On the way the question or the
answer may be lost, or come late: what was asked is then done all the same, by a process that may be dead by now.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from tests.simulate.agenda import Agenda
from tests.simulate.bank import Bank

_FUNCTION = re.compile(r"\b(metering_grant|metering_flush|metering_standing|metering_succeed|metering_register|"
                       r"metering_take_timeline|metering_epochs_of|metering_reassert|"
                       r"metering_fence|metering_recover|metering_lose|budgets_open_account|clock_timestamp|"
                       r"metering_worker)\b")  # fmt: skip
_REPLAYED = ("metering_flush", "metering_recover", "metering_lose")


@dataclass
class Weather:
    """How the database does just now. `replays`: the part of transactions that are sent twice, to no effect (I12)."""

    is_down: bool = False
    loses_answers: bool = False
    slowest_seconds: float = 0.004
    replays: float = 0.02


class Server:
    """The database behind all lines. `after` is called when a transaction is done."""

    def __init__(self, bank: Bank, agenda: Agenda, chance: Random, after: Callable[[], None]) -> None:
        self.bank = bank
        self.agenda = agenda
        self.chance = chance
        self.after = after
        self.weather = Weather()
        self.listeners: list[Listener] = []
        bank.notify = self._notify

    def answer(self, query: str, arguments: Sequence[Any]) -> list[Any]:
        """Run one transaction and return its rows."""
        found = _FUNCTION.search(query)
        if found is None:
            raise AssertionError(f"The simulated database does not know this query: {query}")
        name = found[1]
        rows = self._rows(name, arguments)
        self.after()
        if name in _REPLAYED and self.chance.random() < self.weather.replays:
            before = self.bank.balances()
            self._rows(name, arguments)
            if before != self.bank.balances():
                self.bank.report(f"I12 {name}{tuple(arguments)!r} sent twice changed something")
        return rows

    def _rows(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        bank = self.bank
        single = {
            "metering_flush": bank.flush,
            "metering_succeed": bank.succeed,
            "metering_register": bank.register,
            "metering_fence": bank.fence,
            "metering_recover": bank.recover,
            "metering_lose": bank.lose,
            "clock_timestamp": bank.now,
        }
        if name == "metering_grant":
            return bank.grant(*arguments)
        if name == "budgets_open_account":
            return [(bank.open_account(*each),) for each in zip(*arguments, strict=True)]
        if name == "metering_epochs_of":
            return bank.epochs_of(*arguments)
        if name == "metering_take_timeline":
            return [bank.take_timeline()]
        if name == "metering_reassert":
            return [bank.reassert(*arguments)]
        if name == "metering_worker":
            return bank.workers_of(*arguments)
        if name == "metering_standing":
            known = bank.standing(*arguments)
            return [] if known is None else [known]
        return [(single[name](*arguments),)]

    def _notify(self, payload: str) -> None:
        for listener in self.listeners:
            listener.hear(payload, self.agenda.now + self.chance.uniform(0.0001, 0.002))


class Line:
    """What one process reaches the database by. `asked`: questions without an answer yet."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.asked = 0

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["Connection"]:
        """As psycopg_pool's."""
        if self.server.weather.is_down and self.server.chance.random() < 0.5:
            await asyncio.sleep(self.server.chance.uniform(0, 0.5))
            raise PoolTimeout("no connection")
        yield Connection(self)

    async def check(self) -> None:
        """As psycopg_pool's."""

    async def listen(self) -> "Listener":
        """Open a connection that hears recalls."""
        if self.server.weather.is_down:
            raise psycopg.OperationalError("connection refused")
        return Listener(self.server)

    async def ask(self, query: str, arguments: Sequence[Any]) -> list[Any]:
        """Ask the database, however long it takes."""
        server, loop = self.server, asyncio.get_running_loop()
        reply: asyncio.Future[list[Any]] = loop.create_future()
        self.asked += 1
        server.agenda.after(self._trip(), lambda: self._arrive(query, arguments, loop, reply))
        try:
            return await reply
        finally:
            self.asked -= 1

    def _arrive(
        self, query: str, arguments: Sequence[Any], loop: asyncio.AbstractEventLoop, reply: asyncio.Future[list[Any]]
    ) -> None:
        weather = self.server.weather
        answer: list[Any] | psycopg.Error
        if weather.is_down and not weather.loses_answers:
            answer = psycopg.OperationalError("the connection is closed")
        else:
            try:
                answer = self.server.answer(query, arguments)
            except psycopg.Error as error:
                answer = error
            if weather.loses_answers and self.server.chance.random() < 0.7:
                answer = psycopg.OperationalError("the answer is lost")
        loop.call_at(self.server.agenda.now + self._trip(), _deliver, reply, answer)

    def _trip(self) -> float:
        return self.server.chance.uniform(0.0002, self.server.weather.slowest_seconds)


class Connection:
    """As psycopg's, as far as metering uses it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def execute(self, query: str, arguments: Sequence[Any] = (), *, prepare: bool | None = None) -> "Cursor":
        return Cursor(await self._line.ask(query, arguments))


class Cursor:
    """The rows of an answer."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    async def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None

    async def fetchall(self) -> list[Any]:
        return self._rows


@dataclass
class Notice:
    """A notification."""

    payload: str


class Listener:
    """A connection that hears recalls."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> "Listener":
        self._server.listeners.append(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.listeners.remove(self)

    async def execute(self, query: str) -> None:
        """LISTEN: always heard here."""

    async def notifies(self) -> AsyncIterator[Notice]:
        while True:
            yield Notice(await self._heard.get())

    def hear(self, payload: str, when: float) -> None:
        self._loop.call_at(when, self._heard.put_nowait, payload)


def _deliver(reply: asyncio.Future[list[Any]], answer: list[Any] | psycopg.Error) -> None:
    if reply.done():
        return
    if isinstance(answer, psycopg.Error):
        reply.set_exception(answer)
    else:
        reply.set_result(answer)
