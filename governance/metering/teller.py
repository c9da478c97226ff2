"""Serves claims that the leases in hand cannot pay: in the order of their arrival, many of them in one round trip."""

import asyncio
import bisect
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog

from governance.budgets.hot import open_accounts
from governance.core.errors import BudgetExceeded, BudgetHeld, GovernanceUnavailable
from governance.metering import bank, leases
from governance.metering.attempt import Claim
from governance.metering.bank import GrantLine
from governance.metering.leases import Lease, Pending
from governance.metering.refusals import Refusal, RefusalMemory, refusal_error, seconds_until_money
from governance.metering.session import Session, not_lent, unavailable
from governance.metering.slices import Ask

CLAIMS_AT_ONCE: Final = 64
WAITS_SECONDS: Final = (0.03, 0.06, 0.12)
"""How long a claim waits for money in flight before it is refused as held; each time holders are asked for theirs."""
TOP_UPS_AT_ONCE: Final = 256
"""More leases are not filled up in one go: claims wait meanwhile. The rest has its turn after the next flush."""
ANSWER_SECONDS: Final = 1.4
"""A claim that the books have not answered by then is refused: nothing piles up behind a database that hangs."""
NOBODY_IS_LENT: Final = ("paused", "unguarded")
_STALE_TRIES: Final = 4

log = structlog.get_logger("metering")

Paid = tuple[list[Lease], int, float]
"""The path, the amount reserved on each of its leases, and the instant of admission (the database's clock)."""


class Waiter:
    """A claim in the line. `answer` becomes what it was paid, or an error."""

    __slots__ = ("answer", "claim", "held", "held_times", "number", "stale_times")

    def __init__(self, claim: Claim, number: int) -> None:
        self.claim = claim
        self.number = number
        self.held: Refusal | None = None
        self.held_times = 0
        self.stale_times = 0
        self.answer: asyncio.Future[Paid] = asyncio.get_running_loop().create_future()

    def give_up(self) -> None:
        """Nobody waits any more: what was paid in the meantime is available to others."""
        if self.answer.done() and not self.answer.cancelled() and self.answer.exception() is None:
            path, amount, _ = self.answer.result()
            leases.release(path, amount)

    def refuse(self, error: BudgetExceeded | BudgetHeld | GovernanceUnavailable) -> None:
        """Answer with an error, unless nobody listens any more."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Teller:
    """The line of waiting claims and the one task that serves it. `hurry` asks for a flush: it gives money back."""

    def __init__(self, session: Session, *, hurry: Callable[[], None]) -> None:
        self._session = session
        self._hurry = hurry
        self._line: list[Waiter] = []
        self._numbers = itertools.count()
        self._has_waiters = asyncio.Event()
        self._refusals = RefusalMemory()

    async def pay(self, claim: Claim) -> Paid:
        """Reserve for a claim, with the database's help. Raises BudgetExceeded, BudgetHeld, GovernanceUnavailable."""
        known = self._refusals.recall(claim, at=_instant(self._session.clock.now()))
        if known is not None:
            raise refusal_error(claim, known)
        waiter = Waiter(claim, next(self._numbers))
        self._queue(waiter)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await waiter.answer
        except TimeoutError as error:
            waiter.give_up()
            # The books answered already that the money is in flight: that is the truer refusal.
            raise refusal_error(claim, waiter.held) if waiter.held else unavailable() from error
        except asyncio.CancelledError:
            waiter.give_up()
            raise

    async def run(self) -> None:
        """Serve the line until cancelled."""
        while True:
            await self._has_waiters.wait()
            batch, self._line = self._line[:CLAIMS_AT_ONCE], self._line[CLAIMS_AT_ONCE:]
            if not self._line:
                self._has_waiters.clear()
            try:
                if self._session.is_in_doubt:
                    await self._session.resolve_doubt()
                async with self._session.granting:
                    await self._serve([waiter for waiter in batch if not waiter.answer.done()])
            except GovernanceUnavailable as error:
                for waiter in batch:
                    waiter.refuse(error)
            except psycopg.Error:
                log.exception("grant_failed")
                for waiter in batch:
                    waiter.refuse(unavailable())

    async def top_up(self) -> None:
        """Fill leases up that have run low, before a claim must wait for it: a database that goes away leaves most of a
        minute. Raises GovernanceUnavailable.
        """
        session = self._session
        async with session.granting:
            if session.is_in_doubt:
                return
            low = leases.low_leases(session.in_hand, at=session.clock.now())[:TOP_UPS_AT_ONCE]
            if not low:
                return
            async with session.connection() as connection:
                # One claim, for nothing of it can be refused: claims are served one after the other, its lines at once.
                lines = await bank.grant(connection, epoch=session.epoch, asks=[(0, ask) for _, ask in low])
            by_account = {lease.account_id: lease for lease, _ in low}
            for line in lines:
                if line.outcome == "fenced":
                    session.is_in_doubt = True
                elif line.outcome == "stale":
                    session.in_hand.forget(by_account[line.account_id])
                elif line.outcome == "granted":
                    leases.top_up(by_account[line.account_id], line.granted_nano, is_exact=line.is_exact)

    def _queue(self, waiter: Waiter) -> None:
        if not waiter.answer.done():
            bisect.insort(self._line, waiter, key=lambda each: each.number)
            self._has_waiters.set()

    async def _serve(self, waiters: list[Waiter]) -> None:
        """Answer these claims, or put them back into the line."""
        async with self._session.connection() as connection:
            await self._open_missing(connection, waiters)
            paths = [self._path(waiter) for waiter in waiters]
            served = [
                (waiter, Pending(path, want=waiter.claim.want_nano, least=waiter.claim.least_nano))
                for waiter, path in zip(waiters, paths, strict=True)
                if path is not None
            ]
            try:
                asks = self._asks([pending for _, pending in served])
                lines: dict[int, list[GrantLine]] = {}
                if asks:
                    sent = self._session.clock.monotonic()
                    for line in await bank.grant(connection, epoch=self._session.epoch, asks=asks):
                        lines.setdefault(line.claim, []).append(line)
                        self._session.clock.hear(line.at, sent=sent)
                        if line.outcome == "fenced":
                            self._session.is_in_doubt = True
                        elif line.outcome in NOBODY_IS_LENT:
                            raise not_lent(line.outcome)
            except BaseException:
                for _, pending in served:
                    leases.put_back(pending)
                raise
        for number, (waiter, pending) in enumerate(served):
            self._answer(waiter, pending, lines.get(number, []))

    def _asks(self, pendings: list[Pending]) -> list[tuple[int, Ask]]:
        """Put aside what the leases have, and return what is to be asked; the first to ask a lease asks for a slice."""
        at = self._session.clock.now()
        asked: set[int] = set()
        asks: list[tuple[int, Ask]] = []
        for pending in pendings:
            leases.put_aside(pending)
            leases.queue_up(pending)
        for number, pending in enumerate(pendings):
            is_first = [lease.account_id not in asked for lease in pending.path]
            mine = leases.asks_of(pending, at=at, is_first=is_first)
            asked.update(ask.account_id for ask in mine)
            asks += [(number, ask) for ask in mine]
        for pending in pendings:
            leases.stand_down(pending)
        return asks

    async def _open_missing(self, connection: bank.Connection, waiters: list[Waiter]) -> None:
        """Open the accounts that these claims are the first to need in this process, all in one round trip.

        Not on a database that is yet to hear of accounts that it lost. Raises GovernanceUnavailable.
        """
        session, at = self._session, self._session.clock.now()
        budgets = {budget.account_key: budget for waiter in waiters for budget in waiter.claim.budgets}
        missing = [budget for key, budget in budgets.items() if session.in_hand.current(key, at=at) is None]
        if not missing:
            return
        timeline = await bank.timeline(connection)
        if not session.is_on(timeline):
            session.is_in_doubt = True
            raise unavailable()
        if timeline.pause_seconds > 0:
            raise not_lent("paused")
        missing.sort(key=lambda budget: budget.id)
        wanted = [(budget, budget.window.period_at(_instant(at))) for budget in missing]
        opened = await open_accounts(connection, wanted)
        for (budget, period), account_id in zip(wanted, opened, strict=True):
            if account_id is not None:
                starts_at, ends_at = period.starts_at.timestamp(), period.ends_at.timestamp()
                lease = Lease(
                    account_id, starts_at=starts_at, ends_at=ends_at, at=at, idle_seconds=session.idle_seconds
                )
                session.in_hand.take_up(budget.account_key, lease)
        if None in opened:
            sent = session.clock.monotonic()
            session.clock.hear(await bank.clock(connection), sent=sent)

    def _path(self, waiter: Waiter) -> list[Lease] | None:
        """Return the leases that pay; None when the periods will not settle: the claim is in the line again."""
        keys = [budget.account_key for budget in waiter.claim.budgets]
        path = self._session.in_hand.path(keys, at=self._session.clock.now())
        if path is None:
            self._try_again(waiter)
        return path

    def _answer(self, waiter: Waiter, pending: Pending, lines: list[GrantLine]) -> None:
        refused = next((line for line in lines if line.outcome != "granted"), None)
        if refused is not None or self._session.is_in_doubt:
            leases.put_back(pending)
            self._refuse(waiter, pending, refused)
            return
        for line in lines:
            lease = next(lease for lease in pending.path if lease.account_id == line.account_id)
            leases.take_grant(pending, lease, line.granted_nano, is_exact=line.is_exact)
        at = lines[0].at.timestamp() if lines else self._session.clock.now()
        amount = leases.complete(pending, at=at)
        if any(lease.is_exact and lease.available for lease in pending.path):
            self._hurry()
        if waiter.answer.done():
            leases.release(pending.path, amount)
        else:
            waiter.answer.set_result((list(pending.path), amount, at))

    def _refuse(self, waiter: Waiter, pending: Pending, line: GrantLine | None) -> None:
        if line is None or line.outcome in ("stale", "fenced"):
            if line is not None and line.outcome == "stale":
                for lease in pending.path:
                    if lease.account_id == line.account_id:
                        self._session.in_hand.forget(lease)
            self._try_again(waiter)
            return
        refusal = self._refusal(waiter.claim, pending, line)
        if refusal.is_final:
            self._refusals.remember(waiter.claim, refusal, at=_instant(self._session.clock.now()))
        elif waiter.held_times < len(WAITS_SECONDS):
            self._hurry()
            waiter.held = refusal
            asyncio.get_running_loop().call_later(WAITS_SECONDS[waiter.held_times], self._queue, waiter)
            waiter.held_times += 1
            return
        waiter.refuse(refusal_error(waiter.claim, refusal))

    def _try_again(self, waiter: Waiter) -> None:
        waiter.stale_times += 1
        if waiter.stale_times < _STALE_TRIES:
            self._queue(waiter)
            return
        waiter.refuse(
            GovernanceUnavailable("The budgets' periods are changing just now: try again.", retry_after_seconds=1)
        )

    def _refusal(self, claim: Claim, pending: Pending, line: GrantLine) -> Refusal:
        index = next(number for number, lease in enumerate(pending.path) if lease.account_id == line.account_id)
        return Refusal(
            is_final=line.outcome == "exceeded",
            budget=claim.budgets[index],
            limit_nano=line.limit_nano,
            settled_nano=line.settled_nano,
            held_nano=line.held_nano,
            resets_at=line.resets_at,
            retry_after_seconds=seconds_until_money(
                self._session.open_reservations.values(), pending.path[index], at=self._session.clock.now()
            ),
        )


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
