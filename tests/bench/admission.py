"""`python -m tests.bench.admission`: what admission and settlement cost alone, without HTTP, in a process of their own.

Reads an order from standard input and answers on standard output, both as JSON. Reserves and books with the books that
the gateway has, over the same database and journal, and counts every statement that it sends.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import uvloop
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from governance.budgets.hot import BudgetPolicy, load_path
from governance.catalog.rating import Rated, RatedLine
from governance.core.environment import read_environment
from governance.metering.attempt import Attribution, Claim, Ending, Outcome
from governance.metering.leased import LeasedBooks
from governance.plugin.usage import TokenClass, Usage

ALIAS: Final = "bench-admission"
_AT_ONCE = 64
_WARM_UP_CALLS = 2_000
_WORST_NANO = 50_000_000
# As many as a gateway has under way at most: beyond that the bench would measure a queue, not a call.
_MOST_PENDING = 2_000
_COST = Decimal("2137500.25")
_OUTCOME = Outcome(
    ending=Ending.SETTLED,
    reason="ok",
    http_status=200,
    usage=Usage(input_tokens=255, output_tokens=150),
    rated=Rated(
        lines=(
            RatedLine(TokenClass.INPUT, 255, 1, Decimal("637500.25")),
            RatedLine(TokenClass.OUTPUT, 150, 2, Decimal("1500000")),
        ),
        cost_nano=_COST,
        charge_nano=2_137_501,
        is_assumed=False,
    ),
    served_model="bench",
    raw_usage=b'{"prompt_tokens":255,"completion_tokens":150,"total_tokens":405}',
    first_byte_milliseconds=210,
    total_milliseconds=1840,
)


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls they are: ids of the rows that a call is booked on."""

    organisation_id: int
    unit_id: int
    cost_centre_id: int
    team_id: int
    key_id: int
    model_id: int
    deployment_id: int
    connection_id: int


class AdmissionOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure, on which installation, for how long, and on which cores."""

    home: str
    payer: Payer
    seconds: float
    cores: set[int]


class AdmissionResult(msgspec.Struct, frozen=True, kw_only=True):
    """`calls` and what follows are of the measured time; `all_calls` has those that warmed up, too."""

    levels: int
    all_calls: int
    calls: int
    requests_per_second: float
    cpu_us: float
    round_trips: float


class _Counted(AsyncConnection[TupleRow]):
    """A connection that counts what it sends."""

    sent = 0

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        _Counted.sent += 1
        return await super().execute(*arguments, **options)


async def measure(order: AdmissionOrder) -> AdmissionResult:
    """Warm up, measure, and wait until everything is booked."""
    url = read_environment({"BURSAR_HOME": order.home}).database_url("gateway")
    pool = AsyncConnectionPool(
        url, connection_class=_Counted, min_size=2, max_size=8, open=False, kwargs={"autocommit": True}
    )
    await pool.open(wait=True)
    with tempfile.TemporaryDirectory(prefix="bursar-bench-journal-") as folder:
        books = LeasedBooks(
            pool=pool,
            listen=lambda: AsyncConnection.connect(url, autocommit=True),
            host="bench",
            folder=Path(folder),
            monotonic=time.monotonic,
        )
        await books.open()
        async with pool.connection() as connection:
            payer = order.payer
            budgets = await load_path(
                connection, organisation_id=payer.organisation_id, unit_id=payer.unit_id, team_id=payer.team_id,
                key_id=payer.key_id, user_id=None,
            )  # fmt: skip
        attempt = _attempt(books, _attribution(payer), budgets)
        warmed = await _run(attempt, books, calls=_WARM_UP_CALLS)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)
        sent, cpu, started = _Counted.sent, time.process_time(), time.monotonic()
        calls = await _run(attempt, books, until=started + order.seconds)
        cpu, seconds, sent = time.process_time() - cpu, time.monotonic() - started, _Counted.sent - sent
        await books.close()
    await pool.close()
    return AdmissionResult(
        levels=len(budgets),
        all_calls=warmed + calls,
        calls=calls,
        requests_per_second=calls / seconds,
        cpu_us=cpu / calls * 1e6,
        round_trips=sent / calls,
    )


def _attempt(
    books: LeasedBooks, attribution: Attribution, budgets: tuple[BudgetPolicy, ...]
) -> Callable[[], Awaitable[None]]:
    async def attempt() -> None:
        hold = await books.reserve(
            Claim(
                attempt_id=uuid.uuid4(),
                request_id=uuid.uuid4(),
                attribution=attribution,
                budgets=budgets,
                want_nano=_WORST_NANO,
                least_nano=_WORST_NANO,
            )
        )
        await asyncio.sleep(0)
        books.book(hold, _OUTCOME)

    return attempt


async def _run(
    attempt: Callable[[], Awaitable[None]], books: LeasedBooks, *, calls: int = sys.maxsize, until: float = float("inf")
) -> int:
    """Keep so many attempts open at once; return how many there were, all of them booked."""
    made = 0

    async def customer() -> None:
        nonlocal made
        while made < calls and time.monotonic() < until:
            made += 1
            await attempt()
            while books.pending() > _MOST_PENDING:  # noqa: ASYNC110 - the books set no event
                await asyncio.sleep(0.005)

    await asyncio.gather(*(customer() for _ in range(_AT_ONCE)))
    while books.pending():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return made


def _attribution(payer: Payer) -> Attribution:
    ids = msgspec.structs.asdict(payer)
    return Attribution(**ids, user_id=None, alias=ALIAS, wire="openai.chat", is_stream=False, tags={"feature": "bench"})


def main() -> int:
    """Measure what standard input orders."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=AdmissionOrder)
    os.sched_setaffinity(0, order.cores)
    # Standard output is for the answer alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(measure(order))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
