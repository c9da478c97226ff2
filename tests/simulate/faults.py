"""What goes wrong in a world, and when: each kind of fault comes again and again at random intervals."""

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from tests.simulate.bank import PAUSE_SECONDS, Account
from tests.simulate.customers import settled
from tests.simulate.process import Process

if TYPE_CHECKING:
    from tests.simulate.world import World


FAIL_OVER_SHARE = 0.2
"""In so many worlds PostgreSQL fails over, now and then."""


class Faults:
    """The faults of one world; `is_over` lets it come to rest."""

    def __init__(self, world: "World") -> None:
        self.is_over = False
        self._world = world
        self._chance = world.chance

    def begin(self, is_calm: bool) -> None:
        """Enter the faults into the agenda. In a calm world only what a normal day brings happens."""
        self._again(self._change_limit, self._chance.uniform(2, 30))
        self._again(self._resolve, self._chance.uniform(1, 10))
        if self._chance.random() < FAIL_OVER_SHARE:
            self._again(self._fail_over, self._chance.uniform(5, 40))
        if is_calm:
            return
        self._world.invariants.are_all_alive = False
        for fault in (
            self._kill,
            self._kill,
            self._tear,
            self._freeze,
            self._outage,
            self._slow,
            self._lose_host,
            self._sweep,
            self._fill_disk,
            self._stop,
        ):
            if self._chance.random() < 0.5:
                self._again(fault, self._chance.uniform(2, 40))

    def _again(self, fault: Callable[[], None], mean_seconds: float) -> None:
        def act() -> None:
            if not self.is_over:
                fault()
                self._again(fault, mean_seconds)

        self._world.agenda.after(self._chance.expovariate(1 / mean_seconds), act)

    def _process(self) -> Process | None:
        alive = [process for process in self._world.processes if process.is_alive and not process.is_closing]
        return self._chance.choice(alive) if alive else None

    def _kill(self) -> None:
        process = self._process()
        if process is not None:
            self._world.kill(process, back_after=self._chance.choice((0.1, 1, 8)))

    def _tear(self) -> None:
        process = self._process()
        if process is not None:
            process.disk.kills_at_write = True

    def _freeze(self) -> None:
        process = self._process()
        if process is not None:
            seconds = self._chance.choice((0.2, 2, 7, 20))
            self._world.note(f"{process} freezes for {seconds} s")
            process.freeze(seconds)

    def _stop(self) -> None:
        process = self._process()
        if process is not None and process.is_open:
            self._world.note(f"{process} is stopped")
            process.close()
            self._world.start(process.host)

    def _outage(self) -> None:
        weather, seconds = self._world.server.weather, self._chance.uniform(0.05, 9)
        weather.is_down = True
        weather.loses_answers = self._chance.random() < 0.5
        self._trouble(f"the database is away for {seconds:.1f} s, and loses answers: {weather.loses_answers}", seconds)
        self._world.agenda.after(seconds, self._calm_down)

    def _fail_over(self) -> None:
        """A standby that stopped hearing some time ago takes over in the end."""
        standby, lag = self._world.bank.standby(), self._chance.choice((0.05, 0.5, 3))

        def take_over() -> None:
            self._world.bank.fail_over(standby)
            self._world.forget()
            self._trouble(f"the database fails over to what it was {lag} s ago", PAUSE_SECONDS)

        self._world.agenda.after(lag, take_over)

    def _slow(self) -> None:
        seconds = self._chance.uniform(0.5, 5)
        self._world.server.weather.slowest_seconds = self._chance.choice((0.05, 0.5, 2.0))
        self._trouble(f"the database is slow for {seconds:.1f} s", seconds)
        self._world.agenda.after(seconds, self._calm_down)

    def _calm_down(self) -> None:
        weather = self._world.server.weather
        weather.is_down = weather.loses_answers = False
        weather.slowest_seconds = 0.004

    def _fill_disk(self) -> None:
        process, seconds = self._process(), self._chance.uniform(0.1, 5)
        if process is None:
            return
        self._trouble(f"the disk of {process} is full for {seconds:.1f} s", seconds)
        process.disk.is_full = True

        def make_room() -> None:
            process.disk.is_full = False

        self._world.agenda.after(seconds, make_room)

    def _lose_host(self) -> None:
        process = self._process()
        if process is None:
            return
        self._world.note(f"{process.host} burns down")
        self._world.lose(process.host)
        for each in [each for each in self._world.processes if each.host == process.host and each.is_alive]:
            self._world.kill(each, back_after=self._chance.uniform(1, 5))
        shutil.rmtree(process.folder, ignore_errors=True)

    def _sweep(self) -> None:
        process = self._process()
        if process is None:
            return
        self._world.note(f"somebody deletes the files of {process.host} while its processes live")
        self._world.lose(process.host)
        self._trouble("the journals of a host are gone", 10)
        shutil.rmtree(process.folder, ignore_errors=True)

    def _change_limit(self) -> None:
        accounts = [account for account in self._world.bank.accounts.values() if account.budget.is_hard]
        if not accounts:
            return
        account: Account = self._chance.choice(accounts)
        self._world.refusals.will_have_more(account)
        self._world.bank.change_limit(account, int(account.limit * self._chance.choice((0.3, 0.9, 1.2, 3))))

    def _resolve(self) -> None:
        """Somebody resolves an attempt in suspense by the vendor's report, when the vendor is done with it."""
        if self._world.bank.suspense:
            self.resolve(self._chance.choice(list(self._world.bank.suspense)), only_final=True)

    def resolve(self, attempt_id: UUID, *, only_final: bool) -> None:
        """Book what the vendor says of an attempt in suspense."""
        charge = self._world.vendor.charges.get(attempt_id)
        if charge is None:
            outcome = settled(0, "never sent")
        elif only_final and charge.charged < charge.final:
            return
        else:
            charge.final = charge.charged
            outcome = settled(charge.charged, "ok")
        self._world.resolve(attempt_id, outcome)

    def _trouble(self, text: str, seconds: float) -> None:
        self._world.note(text)
        refusals = self._world.refusals
        refusals.troubled_at = max(refusals.troubled_at, self._world.agenda.now + seconds)
