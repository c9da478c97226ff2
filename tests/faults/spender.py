"""A process that spends as gateways do, and notes how long each admission took. Its argument is a JSON file.

One line per claim goes into `notes` when it ends: when it was made (monotonic seconds, the same in every process of the
machine), how long the books took, and what they said. It ends on SIGTERM, or when its budgets can pay no more.
"""

import asyncio
import contextlib
import itertools
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from governance.budgets.hot import BudgetPolicy
from governance.core.errors import BudgetExceeded, BudgetHeld, GovernanceUnavailable
from governance.core.windows import Window, WindowKind
from governance.gateway.process import RECONNECT_SECONDS
from governance.metering.attempt import Attribution, Claim
from governance.metering.leased import LeasedBooks
from tests.faults.bookkeeper import settled


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What to spend. `paths` are budget ids that pay together, taken in turn by the callers of every set of books.

    A call is reserved at `want_nano`, costs a random part of it and takes up to `longest_seconds`; a caller pauses
    about `pause_seconds` between two. `ends_when_spent`: the process ends when each caller was refused for good.
    """

    paths: list[list[int]]
    callers: int
    want_nano: int
    books: int = 1
    window: str = "total"
    longest_seconds: float = 0.02
    pause_seconds: float = 0.02
    ends_when_spent: bool = False


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Where to spend, and where to note it."""

    url: str
    locks: str
    notes: str
    attribution: Attribution
    seed: int
    spending: Spending


class Spender:
    """The callers of one process."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.notes: list[str] = []
        self.is_over = asyncio.Event()
        self._chance = random.Random(orders.seed)
        self._paths = itertools.cycle([self._path(path) for path in self._shuffled()])

    async def run(self) -> None:
        """Open the books, spend, and close them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.is_over.set)
        async with contextlib.AsyncExitStack() as stack:
            every = [
                await stack.enter_async_context(_open_books(self.orders)) for _ in range(self.orders.spending.books)
            ]
            print("open", flush=True)
            await asyncio.gather(
                *(self._call_on(books) for books in every for _ in range(self.orders.spending.callers))
            )

    def write_notes(self) -> None:
        """Write everything down, when it is over."""
        Path(self.orders.notes).write_text("".join(self.notes), encoding="utf-8")

    def _shuffled(self) -> list[list[int]]:
        return self._chance.sample(self.orders.spending.paths, len(self.orders.spending.paths))

    def _path(self, ids: list[int]) -> tuple[BudgetPolicy, ...]:
        window = Window(kind=WindowKind(self.orders.spending.window))
        return tuple(
            BudgetPolicy(id=number, name="b", scope="s", window=window, is_hard=True) for number in sorted(ids)
        )

    async def _call_on(self, books: LeasedBooks) -> None:
        spending = self.orders.spending
        while not self.is_over.is_set():
            claim = Claim(
                attempt_id=uuid4(),
                request_id=uuid4(),
                attribution=self.orders.attribution,
                budgets=next(self._paths),
                want_nano=spending.want_nano,
                least_nano=spending.want_nano,
            )
            said = await self._spend(books, claim)
            if said == "exceeded" and spending.ends_when_spent:
                return
            await asyncio.sleep(self._chance.random() * 2 * spending.pause_seconds)

    async def _spend(self, books: LeasedBooks, claim: Claim) -> str:
        began, said = time.monotonic(), "ok"
        try:
            hold = await books.reserve(claim)
        except BudgetExceeded:
            said = "exceeded"
        except BudgetHeld:
            said = "held"
        except GovernanceUnavailable:
            said = "unavailable"
        path = claim.budgets[-1].id
        self.notes.append(f"{began:.6f} {time.monotonic() - began:.6f} {said} {path}\n")
        if said == "ok":
            await asyncio.sleep(self._chance.random() * self.orders.spending.longest_seconds)
            books.book(hold, settled(self._chance.randint(claim.want_nano // 4, claim.want_nano)))
        return said


@contextlib.asynccontextmanager
async def _open_books(orders: Orders) -> AsyncIterator[LeasedBooks]:
    pool = AsyncConnectionPool(
        orders.url,
        min_size=1,
        max_size=4,
        open=False,
        timeout=2,
        reconnect_timeout=RECONNECT_SECONDS,
        kwargs={"autocommit": True},
    )
    async with pool:
        books = LeasedBooks(
            pool=pool,
            listen=lambda: AsyncConnection.connect(orders.url, autocommit=True),
            host="here",
            folder=Path(orders.locks),
            monotonic=time.monotonic,
        )
        await books.open()
        yield books
        await books.close()


if __name__ == "__main__":
    spender = Spender(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Orders))
    asyncio.run(spender.run())
    spender.write_notes()
