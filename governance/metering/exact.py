"""Exact mode: one database round trip reserves the money and inserts the attempt.

Nothing about money is kept in this process except outcomes on their way to the database, and an attempt whose outcome
dies with the process is found in the database and goes to suspense.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from governance.budgets.hot import BudgetPolicy
from governance.budgets.periods import OpenAccounts, PeriodMoved
from governance.core.errors import GovernanceUnavailable
from governance.metering.attempt import Claim, Ending, Hold, Outcome
from governance.metering.epoch import LifeLock, recover_dead, register, retire
from governance.metering.flush import OutcomeRow, encode_rows, outcome_row
from governance.metering.refusals import Refusal, RefusalMemory, refusal_error

Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]

FLUSH_EVENTS: Final = 200
FLUSH_SECONDS: Final = 1.0
WAITS_SECONDS: Final = (0.03, 0.06, 0.12)
"""How long a claim waits for money in flight before it is refused as held; each wait begins with a flush."""
RECOVERY_SECONDS: Final = 5.0
DOUBT_SECONDS: Final = 10.0
"""A reservation whose answer was lost is released this much later, when the statement timeout has surely ended it."""

_RESERVE = """
    SELECT outcome, granted_nano, admitted_at, budget_id, limit_nano, settled_nano, held_nano, resets_at
      FROM metering_reserve(%s, %s::bigint[], %s, %s, %s::json)
"""

log = structlog.get_logger("metering")


class _Fenced(Exception):
    """The epoch was ended by somebody else: this process must take a new one."""


class ExactBooks:
    """Books over a connection pool (autocommit; statement and lock timeouts set by the caller)."""

    def __init__(self, *, pool: Pool, host: str, lock_folder: Path, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._host = host
        self._lock_folder = lock_folder
        self._clock = clock
        self._accounts = OpenAccounts()
        self._refusals = RefusalMemory()
        self._queue: list[OutcomeRow] = []
        self._unsent: list[OutcomeRow] = []
        self._has_work = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._sequence = 0
        self._epoch = 0
        self._lock: LifeLock | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take an epoch, and recover what dead processes of this host left. Raises GovernanceUnavailable."""
        try:
            await self._take_epoch()
            await self._recover()
        except (psycopg.Error, PoolTimeout) as error:
            raise _unavailable() from error
        self._start(self._flush_forever())
        self._start(self._recover_forever())

    async def reserve(self, claim: Claim) -> Hold:
        """See `governance.metering.hot.Books.reserve`."""
        for wait_seconds in (*WAITS_SECONDS, None):
            answer = self._refusals.recall(claim, at=self._clock()) or await self._ask(claim)
            if isinstance(answer, Hold):
                return answer
            if answer.is_final or wait_seconds is None:
                raise refusal_error(claim, answer)
            with contextlib.suppress(GovernanceUnavailable):
                await self._flush()
            await asyncio.sleep(wait_seconds)
        raise AssertionError("unreachable: the last round raises")

    def book(self, hold: Hold, outcome: Outcome) -> None:
        """See `governance.metering.hot.Books.book`."""
        self._enqueue(outcome_row(hold.attempt_id, outcome))

    async def close(self) -> None:
        """Write everything queued and give the epoch up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._queue or self._unsent:
            await self._flush()
        try:
            async with self._pool.connection() as connection:
                await retire(connection, epoch=self._epoch)
        except (psycopg.Error, PoolTimeout) as error:
            raise _unavailable() from error
        if self._lock is not None:
            self._lock.release()

    def pending(self) -> int:
        """Return how many outcomes are on their way to the database."""
        return len(self._queue) + len(self._unsent)

    async def _ask(self, claim: Claim) -> Hold | Refusal:
        """Try to reserve, once more where a period has moved or the epoch was fenced meanwhile."""
        at = self._clock()
        for _ in range(3):
            try:
                answer = await self._ask_database(claim, at=at)
            except _Fenced:
                await self._flush()
                continue
            except PeriodMoved:
                at = await self._database_clock()
                self._accounts.forget(claim.budgets)
                continue
            if isinstance(answer, Refusal):
                self._refusals.remember(claim, answer, at=self._clock())
            return answer
        raise GovernanceUnavailable("The budgets' periods are changing just now: try again.", retry_after_seconds=1)

    async def _ask_database(self, claim: Claim, *, at: datetime) -> Hold | Refusal:
        if not self._epoch:
            raise _Fenced
        is_sent = False
        try:
            async with self._pool.connection() as connection:
                accounts = self._accounts.known(claim.budgets, at=at)
                if accounts is None:
                    accounts = await self._accounts.open(connection, claim.budgets, at=at)
                is_sent = True
                cursor = await connection.execute(_RESERVE, self._reserve_arguments(claim, accounts), prepare=True)
                row = await cursor.fetchone()
        except (PeriodMoved, _Fenced):
            raise
        except (psycopg.Error, PoolTimeout) as error:
            self._doubt(claim.attempt_id, is_sent=is_sent)
            raise _unavailable() from error
        except BaseException:
            self._doubt(claim.attempt_id, is_sent=is_sent)
            raise
        if row is None:
            raise RuntimeError("metering_reserve returned no row.")
        return self._answer(claim, accounts, row)

    def _answer(self, claim: Claim, accounts: tuple[int, ...], row: TupleRow) -> Hold | Refusal:
        outcome, granted, admitted_at, budget_id, limit, settled, held, resets_at = row
        if outcome == "granted":
            return Hold(
                attempt_id=claim.attempt_id,
                request_id=claim.request_id,
                granted_nano=granted,
                admitted_at=admitted_at,
                account_ids=accounts,
            )
        if outcome == "stale":
            raise PeriodMoved("A period ended between two looks at the clock.")
        if outcome == "fenced":
            self._epoch = 0
            raise _Fenced
        return Refusal(
            is_final=outcome == "exceeded",
            budget=_budget(claim, budget_id),
            limit_nano=limit,
            settled_nano=settled,
            held_nano=held,
            resets_at=resets_at,
        )

    def _reserve_arguments(self, claim: Claim, accounts: tuple[int, ...]) -> tuple[object, ...]:
        attempt = {
            "id": claim.attempt_id,
            "request_id": claim.request_id,
            **msgspec.structs.asdict(claim.attribution),
        }
        text = msgspec.json.encode(attempt).decode()
        return (self._epoch, list(accounts), claim.want_nano, claim.least_nano, text)

    def _doubt(self, attempt_id: UUID, *, is_sent: bool) -> None:
        """The answer was lost: nothing was sent to a vendor, so whatever was reserved is released a little later."""
        if is_sent:
            released = outcome_row(attempt_id, Outcome(ending=Ending.RELEASED, reason="answer_lost"))
            asyncio.get_running_loop().call_later(DOUBT_SECONDS, self._enqueue, released)

    def _enqueue(self, row: OutcomeRow) -> None:
        self._queue.append(row)
        if len(self._queue) >= FLUSH_EVENTS:
            self._has_work.set()

    async def _flush_forever(self) -> None:
        while True:
            jittered = FLUSH_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311  (spreads load; no secret)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_work.wait(), jittered)
            try:
                await self._flush()
            except GovernanceUnavailable:
                log.warning("flush_failed", pending=self.pending())
                await asyncio.sleep(FLUSH_SECONDS)

    async def _flush(self) -> None:
        """Write everything queued so far. Raises GovernanceUnavailable; then it stays queued."""
        async with self._flushing:
            self._has_work.clear()
            self._unsent += self._queue
            self._queue = []
            try:
                if not self._epoch:
                    await self._take_epoch()
                await self._send()
            except (psycopg.Error, PoolTimeout) as error:
                raise _unavailable() from error

    async def _send(self) -> None:
        while self._unsent:
            batch = self._unsent[:FLUSH_EVENTS]
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT metering_flush(%s, %s, %s::json)",
                    (self._epoch, self._sequence + 1, encode_rows(batch)),
                    prepare=True,
                )
                row = await cursor.fetchone()
            if row is None or row[0] == -1:
                log.error("epoch_fenced", epoch=self._epoch, pending=self.pending())
                await self._take_epoch()
                continue
            self._sequence += 1
            del self._unsent[: len(batch)]

    async def _take_epoch(self) -> None:
        """Take a new epoch. Outcomes of an earlier one are sent again: each is booked by its attempt, once."""
        if self._lock is None:
            self._lock = LifeLock(self._lock_folder)
        else:
            self._lock.release()
            self._lock = LifeLock(self._lock_folder)
        async with self._pool.connection() as connection:
            self._epoch = await register(connection, host=self._host, lock=self._lock)
        self._sequence = 0

    async def _recover_forever(self) -> None:
        while True:
            await asyncio.sleep(RECOVERY_SECONDS)
            try:
                await self._recover()
            except (psycopg.Error, PoolTimeout):
                log.warning("recovery_postponed")

    async def _recover(self) -> None:
        async with self._pool.connection() as connection:
            recovered = await recover_dead(connection, host=self._host, folder=self._lock_folder)
        for epoch, attempts in recovered.items():
            log.warning("epoch_recovered", epoch=epoch, attempts_in_suspense=attempts)

    async def _database_clock(self) -> datetime:
        try:
            async with self._pool.connection() as connection:
                row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
        except (psycopg.Error, PoolTimeout) as error:
            raise _unavailable() from error
        if row is None:
            raise RuntimeError("The database has no clock.")
        return row[0]  # type: ignore[no-any-return]  # psycopg returns timestamptz as datetime

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)


def _budget(claim: Claim, budget_id: int) -> BudgetPolicy:
    return next(budget for budget in claim.budgets if budget.id == budget_id)


def _unavailable() -> GovernanceUnavailable:
    return GovernanceUnavailable(
        "The budget database cannot be reached, so the request was not sent: try again shortly.",
        retry_after_seconds=2,
    )
