"""What a gateway process shares with the books: its epoch, lock and journal, its leases, and a way back after doubt.

After a lost answer nothing in memory is trusted until the books were asked (money.md 5.5): which flush was the last one
they took, and what they know as leases. After a fail-over it is the other way round (5.6): the database may have
forgotten, and the process says what is so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from governance.core.errors import GovernanceUnavailable
from governance.metering import bank
from governance.metering.assertion import assert_all
from governance.metering.bank import Timeline
from governance.metering.database_clock import DatabaseClock
from governance.metering.epoch import LifeLock, register
from governance.metering.errors import NoRoomForJournal
from governance.metering.journal import Journal, JournalForeign, read_journal
from governance.metering.leases import Lease, LeasesInHand, correct
from governance.metering.outgoing import Outgoing
from governance.metering.recovery import end_epoch
from governance.metering.reservation import Reservation

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[TupleRow]]

log = structlog.get_logger("metering")


class Session:
    """One process at the books. `open_reservations` are those whose attempts have not ended, by the attempt's number
    (`UUID.int`: the hash of a UUID is made in Python). Leases that pay for nothing go back after `idle_seconds`.
    """

    def __init__(
        self, *, pool: Pool, host: str, folder: Path, monotonic: Callable[[], float], idle_seconds: float
    ) -> None:
        self.host = host
        self.idle_seconds = idle_seconds
        self.folder = folder
        self.clock = DatabaseClock(monotonic)
        self.in_hand = LeasesInHand()
        self.open_reservations: dict[int, Reservation] = {}
        self.granting = asyncio.Lock()
        self.flushing = asyncio.Lock()
        self.epoch = 0
        self.timeline: Timeline | None = None
        """The timeline of the database that this process's leases are from."""
        self.is_in_doubt = False
        self._pool = pool
        self._lock: LifeLock | None = None
        self._journal: Journal | None = None
        self._outgoing: Outgoing | None = None

    @property
    def journal(self) -> Journal:
        """The journal. Raises GovernanceUnavailable before `open`."""
        if self._journal is None:
            raise unavailable()
        return self._journal

    @property
    def outgoing(self) -> Outgoing:
        """The outcomes on their way. Raises GovernanceUnavailable before `open`."""
        if self._outgoing is None:
            raise unavailable()
        return self._outgoing

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection. Whatever goes wrong with it leaves doubt, and comes out as GovernanceUnavailable.

        What the database refuses in itself (psycopg.IntegrityError, DataError) comes out as it is, and leaves none.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.IntegrityError, psycopg.DataError):
            raise
        except (psycopg.Error, PoolTimeout, OSError) as error:
            self.is_in_doubt = True
            log.warning("books_not_reached", reason=type(error).__name__, message=str(error))
            raise unavailable() from error
        except asyncio.CancelledError:
            self.is_in_doubt = True
            raise

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection for work that moves none of this process's money, so that its failure leaves no doubt."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout, OSError) as error:
            raise unavailable() from error

    async def open(self) -> None:
        """Lock, journal, epoch. Raises GovernanceUnavailable; then it may be tried again."""
        lock, journal = self._begin_files()
        try:
            async with self.connection() as connection:
                sent = self.clock.monotonic()
                self.clock.hear(await bank.clock(connection), sent=sent)
                self.timeline = await bank.timeline(connection)
                self.epoch = await register(connection, host=self.host, lock=lock)
        except GovernanceUnavailable:
            # The next try takes another lock: whether this one was registered is not known.
            journal.close()
            lock.release(is_over=True)
            raise
        self._lock, self._journal, self._outgoing = lock, journal, Outgoing(self.in_hand, journal)
        self.is_in_doubt = False

    def is_on(self, timeline: Timeline) -> bool:
        """Return whether this process's leases are from this database."""
        return self.timeline is not None and timeline.token == self.timeline.token

    async def resolve_doubt(self) -> None:
        """Ask the books where this process stands, and take their word. Raises GovernanceUnavailable."""
        async with self.granting, self.flushing:
            if not self.is_in_doubt:
                return
            await self._pool.check()
            try:
                async with self.connection() as connection:
                    await self._resolve(connection)
            except (psycopg.IntegrityError, psycopg.DataError) as error:
                # Somebody gave this epoch up between two of the questions: asked anew, the books will say so.
                log.exception("doubt_not_resolved", epoch=self.epoch)
                raise unavailable() from error
            self.is_in_doubt = False

    async def end(self) -> None:
        """End the epoch with whatever the journal still says. Raises GovernanceUnavailable; then the files stay."""
        if self._lock is None or self._journal is None:
            return
        self._journal.close()
        try:
            _, entries = read_journal(self._lock.journal_path, lock=self._lock.name)
            async with self.aside() as connection:
                await end_epoch(connection, self.epoch, entries)
        except (FileNotFoundError, JournalForeign) as error:
            self._lock.release(is_over=False)
            raise GovernanceUnavailable(
                f"The journal of this process is gone, so its epoch {self.epoch} cannot be ended: {error}"
            ) from error
        except BaseException:
            self._lock.release(is_over=False)
            raise
        self._lock.leave()

    @property
    def _held_lock(self) -> LifeLock:
        if self._lock is None:
            raise unavailable()
        return self._lock

    def _begin_files(self) -> tuple[LifeLock, Journal]:
        try:
            lock = LifeLock.make(self.folder)
            try:
                return lock, Journal(lock.journal_path, lock=lock.name, host=self.host)
            except OSError:
                lock.release(is_over=True)
                raise
        except OSError as error:
            raise NoRoomForJournal(
                f"The journal cannot be written in {self.folder}: make room, or let the gateway write there.",
                retry_after_seconds=2,
            ) from error

    async def _resolve(self, connection: AsyncConnection[TupleRow]) -> None:
        sent = self.clock.monotonic()
        self.clock.hear(await bank.clock(connection), sent=sent)
        timeline = await bank.timeline(connection)
        if not self.is_on(timeline):
            await self._go_over(connection, timeline)
            return
        known = await bank.standing(connection, epoch=self.epoch)
        if known is not None and self.outgoing.is_confirmed_by(known.last_sequence):
            self.outgoing.confirm(at=self.clock.now())
        if known is None or known.state in ("dead", "lost"):
            await self._begin_anew(connection)
            return
        if known.state == "fenced":
            epoch = await bank.succeed(connection, epoch=self.epoch)
            if epoch is None:
                raise unavailable()
            log.warning("epoch_succeeded", epoch=epoch, fenced=self.epoch)
            self.epoch = epoch
            self.outgoing.begin_epoch()
        self._take_word(known.leases)

    async def _go_over(self, connection: AsyncConnection[TupleRow], timeline: Timeline) -> None:
        """Another database took over: assert what is in hand, and tell again what it may have lost."""
        if self.timeline is not None and timeline.number < self.timeline.number:
            log.error("database_is_of_the_past", timeline=timeline.number, known=self.timeline.number)
            raise unavailable()
        epochs = await bank.epochs_of(connection, lock_name=self._held_lock.name)
        living = next((each for each in epochs if each.state in ("alive", "fenced")), None)
        if living is None and epochs:
            await self._begin_anew(connection)
        elif living is not None and living.epoch == self.epoch and self.outgoing.is_confirmed_by(living.last_sequence):
            self.outgoing.confirm(at=self.clock.now())
        said = await assert_all(
            connection,
            host=self.host,
            lock_name=self._held_lock.name,
            in_hand=self.in_hand,
            recent=self.outgoing.recent,
        )
        log.warning("leases_asserted", epoch=said.epoch, former=self.epoch, timeline=timeline.number)
        self.epoch, self.timeline = said.epoch, timeline
        self.outgoing.begin_epoch()
        for account_id in said.strays:
            log.error("account_replaced", account_id=account_id)
            self.in_hand.give_up(account_id)

    def _take_word(self, known: Mapping[int, int]) -> None:
        at = self.clock.now()
        for account_id in known:
            if self.in_hand.of_account(account_id) is None:
                # A grant whose answer was lost, on an account that nothing was opened for since: it goes back at once.
                self.in_hand.adopt(Lease(account_id, starts_at=at, ends_at=at, at=at))
        for lease in self.in_hand:
            found = correct(lease, known.get(lease.account_id, 0))
            if found:
                log.warning("lease_corrected", account_id=lease.account_id, found_nano=found)

    async def _begin_anew(self, connection: AsyncConnection[TupleRow]) -> None:
        """Somebody gave this epoch up while its process lived: nothing is leased any more, and facts stay facts.

        Its files may be gone, and its lock's name stays with the old epoch: the new one has files of its own.
        """
        former = self._held_lock
        log.error("epoch_given_up", epoch=self.epoch, open=len(self.open_reservations), unbooked=len(self.outgoing))
        lock, journal = self._begin_files()
        try:
            self.epoch = await register(connection, host=self.host, lock=lock)
        except BaseException:
            journal.close()
            lock.release(is_over=True)
            raise
        self.journal.close()
        former.release(is_over=True)
        self._lock, self._journal = lock, journal
        self.outgoing.come_late(journal)
        self.outgoing.begin_epoch()
        for reservation in self.open_reservations.values():
            reservation.come_late()
        self.in_hand.clear()


def not_lent(why: str) -> GovernanceUnavailable:
    """Return what a caller is told while the database lends nothing, for a reason that `metering_grant` gives."""
    if why == "unguarded":
        return GovernanceUnavailable(
            "The budget database has no synchronous standby, and BURSAR_SYNCHRONOUS_STANDBY asks for one: have its "
            "administrator set synchronous_standby_names, or unset the variable.",
            retry_after_seconds=10,
        )
    return GovernanceUnavailable(
        "The budget database was replaced by its standby, and lends again when every gateway process has said what it "
        "holds: try again in a few seconds.",
        retry_after_seconds=5,
    )


def unavailable() -> GovernanceUnavailable:
    """Return what a caller is told while the books cannot be asked."""
    return GovernanceUnavailable(
        "The budget database cannot be reached, so the request was not sent: try again shortly.",
        retry_after_seconds=2,
    )
