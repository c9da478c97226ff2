"""Rate limits over a database: admitted from memory, and slices fetched in one round trip for all that lack.

Each process has the slices and permits of its epoch. One that was silent so long that it was fenced goes on under a new
epoch with nothing in hand; what it had running counts no more.
"""

import asyncio
import contextlib
import random
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

import msgspec

from governance.core.errors import GovernanceUnavailable, RateLimited
from governance.core.tasks import end_tasks
from governance.metering import rate_bank, rates
from governance.metering.rate_bank import TakeLine
from governance.metering.rate_refusals import RateRefusal, RateRefusalMemory, refusal_error, refuse_impossible
from governance.metering.rates import Admission, Line, RateClaim, Share
from governance.metering.session import Session, unavailable
from governance.policy.rate_limit import Counts

CLAIMS_AT_ONCE: Final = 64
LINES_AT_ONCE: Final = 256
ANSWER_SECONDS: Final = 1.4
"""A claim that the database has not answered by then is refused: nothing piles up behind one that hangs."""
TEND_SECONDS: Final = 0.5


class RateFigure(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is told of the tightest limit of its kind: as the database last said, and this process since."""

    counts: Counts
    amount: int
    remaining: int
    resets_in_seconds: float


class _Waiter:
    """A claim in the line. `answer` becomes its admission, or an error."""

    __slots__ = ("answer", "claim")

    def __init__(self, claim: RateClaim) -> None:
        self.claim = claim
        self.answer: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()

    def refuse(self, error: RateLimited | GovernanceUnavailable) -> None:
        """Answer with an error, unless nobody listens any more."""
        if not self.answer.done():
            self.answer.set_exception(error)


class RateBooks:
    """Admits requests by their rate limits. Shares the epoch and the clock of the process's session at the books."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shares: dict[Hashable, Share] = {}
        self._epoch = 0
        self._sequence = 0
        self._line: list[_Waiter] = []
        self._has_waiters = asyncio.Event()
        self._awaited: list[Share] = []
        self._has_awaited = asyncio.Event()
        self._asking = asyncio.Lock()
        self._refusals = RateRefusalMemory()
        self._tasks: list[asyncio.Task[None]] = []

    async def admit(self, claim: RateClaim) -> Admission:
        """Admit a request by all of its limits, or by none.

        Raises RateLimited, RequestBeyondRateLimit or GovernanceUnavailable; then nothing is taken.
        """
        if not self._session.epoch:
            raise unavailable()
        at = self._session.clock.now()
        path = self._path(claim)
        admission = rates.admit(path, claim, at=at) if path is not None else None
        return admission if admission is not None else await self._wait(claim, at=at)

    def settle(self, admission: Admission, *, tokens: int | None, was_sent: bool) -> None:
        """End an admission: `tokens` is what was used, None when nobody knows. What was not used is free again."""
        for share, _, _ in admission.parts:
            self._refusals.forget(share.limit)
        awaited = rates.settle(admission, tokens=tokens, was_sent=was_sent)
        if awaited:
            self._awaited += awaited
            self._has_awaited.set()

    def figures(self, claim: RateClaim) -> list[RateFigure]:
        """Return what is left of the tightest limit of requests and of tokens, as far as this process knows."""
        at = self._session.clock.now() if self._session.epoch else 0.0
        tightest: dict[Counts, RateFigure] = {}
        for limit in claim.limits:
            share = self._shares.get(limit.allowance_key)
            if share is None or not share.is_windowed or at >= share.ends_at:
                continue
            left = max(0, share.in_hand + share.left)
            known = tightest.get(limit.counts)
            if known is None or left < known.remaining:
                tightest[limit.counts] = RateFigure(
                    counts=limit.counts, amount=limit.amount, remaining=left, resets_in_seconds=share.ends_at - at
                )
        return list(tightest.values())

    async def close(self) -> None:
        """Give everything back. Called once, after the last request has ended. Raises GovernanceUnavailable."""
        await end_tasks(*self._tasks)
        if self._epoch != self._session.epoch:
            return
        lines = []
        for share in self._shares.values():
            window = share.window
            back, keeps = share.hand_over()
            lines.append(Line(allowance_id=share.allowance_id, back=back, window=window, keeps=keeps))
        await self._give_back(lines)
        self._shares.clear()

    def _path(self, claim: RateClaim) -> list[Share] | None:
        """Return the shares of the claim's limits; None when one of them is not known yet."""
        if self._epoch != self._session.epoch:
            self._epoch = self._session.epoch
            self._shares.clear()
        path = []
        for limit in claim.limits:
            share = self._shares.get(limit.allowance_key)
            if share is None:
                return None
            path.append(share)
        return path

    async def _wait(self, claim: RateClaim, *, at: float) -> Admission:
        refuse_impossible(claim)
        known = self._refusals.recall(claim, at=at)
        if known is not None:
            raise refusal_error(claim, known, at=at)
        if not self._tasks:  # where nothing is limited, nothing runs
            self._tasks = [asyncio.create_task(self._serve_forever()), asyncio.create_task(self._tend_forever())]
        waiter = _Waiter(claim)
        self._line.append(waiter)
        self._has_waiters.set()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await waiter.answer
        except TimeoutError as error:
            self._give_up(waiter)
            raise unavailable() from error
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise

    def _give_up(self, waiter: _Waiter) -> None:
        """Nobody waits any more: what was admitted in the meantime was not sent."""
        answer = waiter.answer
        if answer.done() and not answer.cancelled() and answer.exception() is None:
            self.settle(answer.result(), tokens=None, was_sent=False)

    async def _serve_forever(self) -> None:
        while True:
            await self._has_waiters.wait()
            batch, self._line = self._line[:CLAIMS_AT_ONCE], self._line[CLAIMS_AT_ONCE:]
            if not self._line:
                self._has_waiters.clear()
            try:
                await self._serve([waiter for waiter in batch if not waiter.answer.done()])
            except GovernanceUnavailable as error:
                for waiter in batch:
                    waiter.refuse(error)

    async def _tend_forever(self) -> None:
        """Give back what lies idle: every moment, and at once where others may wait for a permit."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._has_awaited.wait()
            is_due = loop.time() >= due
            if is_due:
                due = loop.time() + TEND_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311  (spreads load; no secret)
            try:
                await self._put_away(is_due=is_due)
            except GovernanceUnavailable:
                await asyncio.sleep(TEND_SECONDS)

    async def _serve(self, waiters: Sequence[_Waiter]) -> None:
        """Answer these claims: from what is in hand where that is enough by now, else with the database's help."""
        async with self._asking:
            if self._session.is_in_doubt:
                await self._session.resolve_doubt()
            await self._open_shares(waiters)
            at = self._session.clock.now()
            asking: list[tuple[_Waiter, list[Share]]] = []
            for waiter in waiters:
                if waiter.answer.done():
                    continue
                path = self._path(waiter.claim)
                if path is None:  # the process goes on under another epoch since its shares were opened
                    waiter.refuse(unavailable())
                    continue
                admission = rates.admit(path, waiter.claim, at=at)
                if admission is None:
                    asking.append((waiter, path))
                else:
                    waiter.answer.set_result(admission)
            if asking:
                await self._take(asking, at=at)

    async def _open_shares(self, waiters: Iterable[_Waiter]) -> None:
        unknown = [waiter.claim for waiter in waiters if self._path(waiter.claim) is None]
        if not unknown:
            return
        async with self._session.aside() as connection:
            for limit in (limit for claim in unknown for limit in claim.limits):
                if limit.allowance_key not in self._shares:
                    allowance_id = await rate_bank.open_allowance(connection, limit)
                    at = self._session.clock.now()
                    self._shares[limit.allowance_key] = Share(allowance_id, limit, at=at)

    async def _take(self, asking: Sequence[tuple[_Waiter, list[Share]]], *, at: float) -> None:
        asked: set[int] = set()
        lines: list[tuple[int, Line]] = []
        for number, (waiter, path) in enumerate(asking):
            lines += [(number, line) for line in rates.ask(path, waiter.claim, at=at, asked=asked)]
        answers: dict[int, list[TakeLine]] = {}
        for answer in await self._ask(lines):
            answers.setdefault(answer.claim, []).append(answer)
        for number, (waiter, path) in enumerate(asking):
            self._answer(waiter, path, answers.get(number, []))

    async def _ask(self, lines: Sequence[tuple[int, Line]]) -> list[TakeLine]:
        """Ask the database, and take what it grants into hand. Raises GovernanceUnavailable."""
        session = self._session
        by_id = {share.allowance_id: share for share in self._shares.values()}
        self._sequence += 1
        try:
            async with session.aside() as connection:
                sent = session.clock.monotonic()
                answers = await rate_bank.take(connection, epoch=session.epoch, sequence=self._sequence, lines=lines)
        except BaseException:
            rates.lose(by_id[line.allowance_id] for _, line in lines if line.allowance_id in by_id)
            raise
        for answer in answers:
            session.clock.hear(answer.at, sent=sent)
            if answer.outcome == "fenced":
                session.is_in_doubt = True
                raise unavailable()
            share = by_id.get(answer.allowance_id)
            if share is not None:
                ends_at = answer.ends_at.timestamp() if answer.ends_at is not None else share.ends_at
                share.receive(answer.granted, window=answer.starts_at, ends_at=ends_at, left=answer.remaining)
                share.is_exact = answer.is_exact if answer.outcome == "granted" else share.is_exact
        return answers

    def _answer(self, waiter: _Waiter, path: Sequence[Share], answers: Sequence[TakeLine]) -> None:
        if waiter.answer.done():
            return
        at = self._session.clock.now()
        refused = next((answer for answer in answers if answer.outcome == "refused"), None)
        if refused is not None:
            limit = next(
                limit
                for limit, share in zip(waiter.claim.limits, path, strict=True)
                if share.allowance_id == refused.allowance_id
            )
            refusal = RateRefusal(
                limit=limit,
                remaining=refused.remaining,
                resets_at=refused.ends_at.timestamp() if refused.ends_at is not None else None,
            )
            self._refusals.remember(waiter.claim, refusal, at=at)
            waiter.refuse(refusal_error(waiter.claim, refusal, at=at))
            return
        granted = {answer.allowance_id: answer.granted for answer in answers}
        if len(granted) != len(path):
            waiter.refuse(unavailable())
            return
        amounts = [granted[share.allowance_id] for share in path]
        waiter.answer.set_result(rates.admit_granted(path, waiter.claim, granted=amounts, at=at))

    async def _put_away(self, *, is_due: bool) -> None:
        """Give back what lies idle: of every share where it is due, else of those that others may wait for."""
        self._has_awaited.clear()
        awaited, self._awaited = self._awaited, []
        session = self._session
        if not session.epoch or session.epoch != self._epoch:
            return
        async with self._asking:
            at = session.clock.now()
            if is_due:
                self._shares = {key: share for key, share in self._shares.items() if not share.is_over(at)}
            # What belongs to a former epoch, or was forgotten, is nobody's business any more.
            known = self._shares.values() if is_due else {id(share): share for share in awaited}.values()
            current = [share for share in known if self._shares.get(share.limit.allowance_key) is share]
            await self._give_back([line for _, line in rates.put_away(current, at=at)])

    async def _give_back(self, lines: Sequence[Line]) -> None:
        """Tell the database, as one claim that wants nothing; it locks the allowances, so not for too many at once."""
        for start in range(0, len(lines), LINES_AT_ONCE):
            await self._ask([(0, line) for line in lines[start : start + LINES_AT_ONCE]])
