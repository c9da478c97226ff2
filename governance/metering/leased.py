"""Books over leases: a request is admitted from memory, and the database hears of it about once a second.

`reserve` asks nobody while the leases in hand can pay; what a crash would leave unsaid stands in the journal. Money
that comes free here is lent here again; what is not needed goes back to its account with the next flush.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from governance.core.errors import GovernanceUnavailable
from governance.core.tasks import end_tasks
from governance.metering import bank, leases
from governance.metering.attempt import Claim, Hold, Outcome
from governance.metering.errors import NoRoomForJournal
from governance.metering.journal import JournalFull
from governance.metering.leases import KEPT_SECONDS, RECALL_SECONDS, Lease
from governance.metering.rate_books import RateBooks
from governance.metering.recovery import fence_silent, recover_dead, tidy_folder
from governance.metering.reservation import Reservation
from governance.metering.session import Pool, Session
from governance.metering.teller import Teller
from governance.metering.texts import attempt_text

FLUSH_SECONDS: Final = 1.0
RECOVERY_SECONDS: Final = 2.0
RECALL_CHANNEL: Final = "bursar_recall"

log = structlog.get_logger("metering")


class LeasedBooks:
    """See `governance.metering.hot.Books`. `listen` opens a connection of its own, on which recalls are heard.

    `rates` are the process's books of rate limits, which share its epoch. What is booked reaches the database within
    `flush_seconds`, or earlier when it is much; a lease that pays for nothing goes back after `idle_seconds`.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        listen: Callable[[], Coroutine[Any, Any, AsyncConnection[TupleRow]]],
        host: str,
        folder: Path,
        monotonic: Callable[[], float],
        flush_seconds: float = FLUSH_SECONDS,
        idle_seconds: float = leases.IDLE_SECONDS,
    ) -> None:
        self._flush_seconds = flush_seconds
        self._session = Session(pool=pool, host=host, folder=folder, monotonic=monotonic, idle_seconds=idle_seconds)
        self._teller = Teller(self._session, hurry=self._hurry)
        self.rates = RateBooks(self._session)
        self._listen = listen
        self._has_work = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take an epoch, and recover what dead processes of this host left. Raises GovernanceUnavailable."""
        try:
            await self._session.open()
        except NoRoomForJournal:
            # The disk may be full of what dead processes left, and nobody else alive: make room for the next try.
            with contextlib.suppress(GovernanceUnavailable):
                await self._recover(kept_seconds=0)
            raise
        await self._recover()
        for work in (self._flush_forever(), self._recover_forever(), self._hear_recalls(), self._teller.run()):
            self._tasks.add(asyncio.get_running_loop().create_task(work))

    async def reserve(self, claim: Claim) -> Hold:
        """See `governance.metering.hot.Books.reserve`."""
        session = self._session
        at = session.clock.now()
        path = session.in_hand.path([budget.account_key for budget in claim.budgets], at=at)
        amount = claim.want_nano
        if path is None or not leases.reserve(path, amount, at=at):
            path, amount, at = await self._teller.pay(claim)
        hold = Hold(
            attempt_id=claim.attempt_id,
            request_id=claim.request_id,
            granted_nano=amount,
            admitted_at=datetime.fromtimestamp(at, UTC),
            account_ids=tuple([lease.account_id for lease in path]),
        )
        text = attempt_text(hold, claim.attribution)
        try:
            session.journal.intend(claim.attempt_id, text)
        except JournalFull as error:
            leases.release(path, amount)
            raise GovernanceUnavailable(
                "The gateway cannot write its journal, so the request was not sent: its disk is full or broken.",
                retry_after_seconds=2,
            ) from error
        session.open_reservations[claim.attempt_id.int] = Reservation(hold, path, text)
        return hold

    def book(self, hold: Hold, outcome: Outcome) -> None:
        """See `governance.metering.hot.Books.book`."""
        reservation = self._session.open_reservations.pop(hold.attempt_id.int, None)
        if reservation is None:
            log.error("outcome_told_twice", attempt_id=str(hold.attempt_id))
            return
        outgoing = self._session.outgoing
        at = self._session.clock.now()
        outgoing.end(reservation, outcome, at=at)
        leases.remember_lasting(reservation.path, at - hold.admitted_at.timestamp())
        if outgoing.is_pressing or leases.is_wanted_back(reservation.path):
            self._hurry()

    def shrink(self, hold: Hold, amount_nano: int) -> None:
        """See `governance.metering.hot.Books.shrink`."""
        reservation = self._session.open_reservations.get(hold.attempt_id.int)
        if reservation is not None:
            self._session.outgoing.shrink(reservation, amount_nano)

    async def close(self) -> None:
        """Write everything queued, give every lease back, and end the epoch. Raises GovernanceUnavailable."""
        await end_tasks(*self._tasks)
        with contextlib.suppress(GovernanceUnavailable):
            await self.rates.close()
        with contextlib.suppress(GovernanceUnavailable):
            await self._flush()
            while self.pending():
                await self._flush()
        await self._session.end()

    def gauges(self) -> dict[str, float]:
        """Return what metrics show of the books in this process. Amounts in nano-USD."""
        in_hand = self._session.in_hand
        return {
            "bursar_outcomes_pending": len(self._session.outgoing),
            "bursar_leases": len(in_hand),
            "bursar_leased_nano_usd": sum(lease.total for lease in in_hand),
            "bursar_leased_idle_nano_usd": sum(lease.available for lease in in_hand),
            "bursar_journal_bytes": self._session.journal.size_bytes,
        }

    def pending(self) -> int:
        """Return how many outcomes are on their way to the database."""
        return len(self._session.outgoing)

    def _hurry(self) -> None:
        self._has_work.set()

    async def _flush_forever(self) -> None:
        while True:
            jittered = self._flush_seconds * random.uniform(0.8, 1.2)  # noqa: S311  (spreads load; no secret)
            with contextlib.suppress(TimeoutError):
                # Not wait_for, which in Python 3.11 can lose the cancellation when the event is set at the same moment.
                async with asyncio.timeout(jittered):
                    await self._has_work.wait()
            try:
                await self._flush()
                await self._teller.top_up()
            except GovernanceUnavailable:
                log.warning("flush_failed", pending=self.pending())
                await asyncio.sleep(FLUSH_SECONDS)

    async def _flush(self) -> None:
        """Send what the books do not know. Raises GovernanceUnavailable; then it is sent again.

        What is booked meanwhile waits for the next time: to send it at once would flush without end, a few outcomes
        at a time, as long as calls come.
        """
        session = self._session
        self._has_work.clear()
        if session.is_in_doubt:
            await session.resolve_doubt()
        async with session.flushing:
            is_due = True
            while (batch := session.outgoing.next_batch(at=session.clock.now(), is_due=is_due)) is not None:
                is_due = False
                try:
                    async with session.connection() as connection:
                        sent = session.clock.monotonic()
                        at = await bank.flush(connection, epoch=session.epoch, batch=batch)
                except (psycopg.IntegrityError, psycopg.DataError) as error:
                    session.outgoing.refuse(str(error))
                    continue
                if at is None:
                    session.is_in_doubt = True
                    break
                session.clock.hear(at, sent=sent)
                session.outgoing.confirm(at=session.clock.now())
                if not session.outgoing.is_pressing:
                    break
            session.in_hand.drop_empty(at=session.clock.now())
        if session.is_in_doubt:
            await self._flush()

    async def _recover_forever(self) -> None:
        while True:
            await asyncio.sleep(RECOVERY_SECONDS)
            with contextlib.suppress(GovernanceUnavailable):
                await self._recover()

    async def _recover(self, *, kept_seconds: float = KEPT_SECONDS) -> None:
        session = self._session
        async with session.aside() as connection:
            recovered = await recover_dead(connection, host=session.host, folder=session.folder)
            await fence_silent(connection)
            over = time.time() - kept_seconds
            await tidy_folder(connection, host=session.host, folder=session.folder, before=over)
        for epoch, attempts in recovered.items():
            log.warning("epoch_recovered", epoch=epoch, attempts_in_suspense=attempts)

    async def _hear_recalls(self) -> None:
        while True:
            try:
                async with await self._listen() as connection:
                    await connection.execute(f"LISTEN {RECALL_CHANNEL}")
                    async for notice in connection.notifies():
                        self._recall(notice.payload)
            except (psycopg.Error, PoolTimeout, OSError) as error:
                log.warning("recalls_not_heard", reason=type(error).__name__)
            await asyncio.sleep(FLUSH_SECONDS)

    def _recall(self, payload: str) -> None:
        """Money is wanted elsewhere, or ("ID over") the account's limit went down: what lies idle here goes back."""
        number, _, what = payload.partition(" ")
        lease: Lease | None = self._session.in_hand.of_account(int(number)) if number.isdecimal() else None
        if lease is None:
            return
        at = self._session.clock.now()
        lease.recalled_until = at + RECALL_SECONDS
        if what == "over":
            lease.lower()
        if lease.available > 0:
            self._hurry()
