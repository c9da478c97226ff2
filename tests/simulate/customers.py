"""Customers at the books: claims of all sizes, and every way in which an attempt can end."""

import asyncio
from decimal import Decimal
from random import Random
from uuid import UUID

import msgspec

from governance.budgets.hot import BudgetPolicy
from governance.catalog.rating import Rated
from governance.core.errors import BudgetExceeded, BudgetHeld, GovernanceUnavailable
from governance.metering.attempt import Attribution, Claim, Ending, Hold, Outcome
from tests.simulate.bank import POISON
from tests.simulate.process import Process
from tests.simulate.refusals import Refusals
from tests.simulate.vendor import Charge, Vendor

ATTRIBUTION = Attribution(
    organisation_id=1,
    unit_id=1,
    cost_centre_id=1,
    team_id=1,
    key_id=1,
    user_id=None,
    model_id=1,
    deployment_id=1,
    connection_id=1,
    alias="sandbox-1",
    wire="openai.chat",
    is_stream=True,
    tags={},
)


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How customers of one world behave. `endings` weighs ok, cancelled, unknown, unreached, overrun, unbookable."""

    size: int
    longest_seconds: float
    pause_seconds: float
    endings: tuple[float, float, float, float, float, float]
    clampable: float
    impatient: float


class Customers:
    """All customers of one world."""

    def __init__(
        self, habits: Habits, paths: list[tuple[BudgetPolicy, ...]], vendor: Vendor, refusals: Refusals, chance: Random
    ) -> None:
        self.habits = habits
        self.paths = paths
        self.vendor = vendor
        self.refusals = refusals
        self.chance = chance
        self.is_open = True
        self.calls = 0

    def come_to(self, process: Process) -> None:
        """Let a few of them call through this process until it closes."""
        for _ in range(self.chance.randint(1, 6)):
            process.loop.create_task(self._stay(process))

    async def _stay(self, process: Process) -> None:
        while self.is_open and not process.is_closing:
            await self._call(process)
            await asyncio.sleep(self.chance.expovariate(1 / self.habits.pause_seconds))

    async def _call(self, process: Process) -> None:
        claim = self._claim()
        self.calls += 1
        started = process.world.agenda.now
        process.reserving += 1
        try:
            if self.chance.random() < self.habits.impatient:
                async with asyncio.timeout(self.chance.uniform(0, 0.3)):
                    hold = await process.books.reserve(claim)
            else:
                hold = await process.books.reserve(claim)
        except TimeoutError:
            self.refusals.counts["impatient"] += 1
        except BudgetExceeded:
            self.refusals.exceeded(claim, started)
        except BudgetHeld:
            self.refusals.held(claim, process)
        except GovernanceUnavailable as error:
            self.refusals.unavailable(str(error), process)
        else:
            process.reserving -= 1
            await self._attempt(process, hold)
            return
        process.reserving -= 1

    def _claim(self) -> Claim:
        want = self.chance.randint(0 if self.chance.random() < 0.02 else 1, self.habits.size)
        is_clampable = self.chance.random() < self.habits.clampable
        return Claim(
            attempt_id=UUID(int=self.chance.getrandbits(128)),
            request_id=UUID(int=self.chance.getrandbits(128)),
            attribution=ATTRIBUTION,
            budgets=self.chance.choice(self.paths),
            want_nano=want,
            least_nano=self.chance.randint(0, want) if is_clampable else want,
        )

    async def _attempt(self, process: Process, hold: Hold) -> None:
        ending = self.chance.choices(
            ("ok", "cancelled", "unknown", "unreached", "overrun", "unbookable"), self.habits.endings
        )[0]
        if ending == "unreached":
            await asyncio.sleep(self.chance.uniform(0, 0.1))
            process.books.book(hold, Outcome(ending=Ending.RELEASED, reason="provider_unavailable"))
            return
        final = self.chance.choice((0, hold.granted_nano, self.chance.randint(0, hold.granted_nano)))
        if ending == "overrun":
            final = hold.granted_nano + self.chance.randint(1, hold.granted_nano + 1)
        charge = self.vendor.accept(hold, final)
        process.sent.append(charge)
        await self._stream(process, charge, stops_early=ending == "cancelled")
        if ending == "unknown" or (ending == "cancelled" and self.chance.random() < 0.3):
            process.books.book(hold, Outcome(ending=Ending.SUSPENSE, reason="provider_timed_out"))
            return
        if ending == "cancelled" and self.chance.random() < 0.5:
            # Whatever is thought to have been used: settled and held cover the reservation all the same.
            seen = settled(self.chance.randint(0, hold.granted_nano), "client_gone")
            process.books.book(hold, msgspec.structs.replace(seen, ending=Ending.ESTIMATED))
            return
        charge.final = charge.charged if ending == "cancelled" else charge.final
        process.world.charge(charge, charge.final)
        process.books.book(hold, settled(charge.final, POISON if ending == "unbookable" else "ok"))

    async def _stream(self, process: Process, charge: Charge, *, stops_early: bool) -> None:
        """Let the vendor charge bit by bit, whatever happens to the process, and shrink the reservation meanwhile."""
        world, seconds = process.world, self.chance.uniform(0.001, self.habits.longest_seconds)
        steps = self.chance.randint(1, 4)
        for step in range(1, steps + 1):
            nano = charge.final * step // steps
            world.agenda.after(seconds * step / steps, lambda nano=nano: world.charge(charge, nano))  # type: ignore[misc]
        amount = charge.hold.granted_nano
        for _ in range(self.chance.randint(1, steps) if stops_early else steps):
            await asyncio.sleep(seconds / steps)
            if charge.final < amount and self.chance.random() < 0.5:
                amount = self.chance.randint(charge.final, amount)
                process.books.shrink(charge.hold, amount)


def settled(nano: int, reason: str) -> Outcome:
    """Return the outcome of an attempt that cost so much."""
    rated = Rated(lines=(), cost_nano=Decimal(nano), charge_nano=nano, is_assumed=False)
    return Outcome(ending=Ending.SETTLED, reason=reason, rated=rated)
