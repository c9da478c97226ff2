"""One world by one seed: hosts, processes, budgets, customers, a database, a vendor, and what goes wrong."""

import json
import random
import shutil
import tempfile
from collections import deque
from pathlib import Path
from unittest import mock
from uuid import UUID

import msgspec

from governance.budgets.hot import BudgetPolicy
from governance.core.windows import Window, WindowKind
from governance.metering import journal
from governance.metering.attempt import Outcome
from governance.metering.texts import outcome_text
from tests.simulate import disk
from tests.simulate.agenda import Agenda
from tests.simulate.bank import LIVING, Bank
from tests.simulate.customers import Customers, Habits
from tests.simulate.faults import Faults
from tests.simulate.invariants import Invariants
from tests.simulate.line import Server
from tests.simulate.process import Process
from tests.simulate.refusals import LOOK_SECONDS, Refusals
from tests.simulate.vendor import Charge, Vendor

REST_SECONDS = 40
TIDY_SECONDS = 5
MIDNIGHT = 1_796_083_200.0
"""2026-12-01T00:00:00Z: a minute, an hour, a day and a month begin."""
TRACE_LINES = 25


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a world."""

    seed: int
    events: int
    calls: int
    crashes: int
    refusals: dict[str, int]
    violations: list[str]
    trace: list[str]


class World:
    """See the module. `run` lives it to its end, or to the first violation."""

    def __init__(self, seed: int, *, longest_seconds: float = 90) -> None:
        self.seed = seed
        self.longest_seconds = longest_seconds
        self.chance = random.Random(seed)
        self.agenda = Agenda()
        self.violations: list[str] = []
        self.crashes = 0
        self.events = 0
        self.processes: list[Process] = []
        self._begins_at = MIDNIGHT - self.chance.uniform(5, 100)
        self._trace: deque[str] = deque(maxlen=TRACE_LINES)
        self.folder = Path(tempfile.mkdtemp(prefix="bursar-simulation-", dir=_memory()))
        self.bank = Bank(lambda: self._begins_at + self.agenda.now, self.report)
        self.vendor = Vendor()
        self.invariants = Invariants(self.bank, self.vendor, self.report)
        self.bank.on_booked = self.vendor.booked
        self.server = Server(self.bank, self.agenda, self.chance, self.invariants.after_transaction)
        self.refusals = Refusals(self.bank, self.report, self.processes)
        self.bank.on_more_left = self.refusals.will_have_more
        habits = self._habits()
        paths = self._paths(habits.size)
        self.customers = Customers(habits, paths, self.vendor, self.refusals, self.chance)
        self.faults = Faults(self)

    def run(self) -> Result:
        """Live it."""
        random.seed(self.seed)
        try:
            with mock.patch.object(journal, "_write", disk.write):
                self._live()
        finally:
            for process in self.processes:
                process.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
        return Result(
            seed=self.seed,
            events=self.events,
            calls=self.customers.calls,
            crashes=self.crashes,
            refusals=dict(self.refusals.counts),
            violations=self.violations,
            trace=list(self._trace),
        )

    def report(self, violation: str) -> None:
        """An invariant is broken."""
        self.violations.append(f"{self.agenda.now:.3f} {violation}")

    def note(self, text: str) -> None:
        """Something happened that a reader of the trace should know."""
        self._trace.append(f"{self.agenda.now:9.3f} {text}")

    def watch(self, process: Process) -> None:
        """A process has made a step."""
        self.invariants.process(process)

    def charge(self, charge: Charge, nano: int) -> None:
        """The vendor charges for an attempt."""
        self.invariants.covered(self.vendor.charge(charge, nano))

    def resolve(self, attempt_id: UUID, outcome: Outcome) -> None:
        """A person resolves an attempt in suspense."""
        self.bank.resolve(attempt_id, json.loads(outcome_text(outcome)))
        self.invariants.after_transaction()

    def start(self, host: str) -> None:
        """A process starts on a host."""
        process = Process(self, host, self.customers.come_to)
        self.note(f"{process} starts")
        self.processes.append(process)

    def kill(self, process: Process, *, back_after: float) -> None:
        """A process dies, and another one takes its place some time later."""
        self.crashes += 1
        self.note(f"{process} is killed")
        process.kill()
        self.agenda.after(back_after, lambda: self.start(process.host))

    def lose(self, host: str) -> None:
        """The journals of a host are gone: what its processes sent, and is not booked yet, cannot be proved.

        That is so of those that live, whatever the books think of their epochs, and of the dead that nobody recovered,
        which the books may have forgotten in a fail-over.
        """
        for process in self.processes:
            worker = self.bank.workers.get(process.books._session.epoch)
            is_unrecovered = worker is None or worker.state in LIVING
            if process.host == host and (process.is_alive or is_unrecovered):
                process.is_lost = True

    def forget(self) -> None:
        """The database has forgotten what it knew last: what no journal is there to tell it again cannot be proved."""
        for process in self.processes:
            lock, worker = process.books._session._lock, self.bank.workers.get(process.books._session.epoch)
            is_unrecovered = worker is None or worker.state in LIVING
            if lock is not None and is_unrecovered and not lock.journal_path.exists():
                process.is_lost = True

    def _live(self) -> None:
        self._look()
        hosts = [f"host{number}" for number in range(self.chance.randint(1, 4))]
        for _ in range(self.chance.randint(1, 8)):
            self.start(self.chance.choice(hosts))
        self.faults.begin(is_calm=self.chance.random() < 0.25)
        self._go_on(self.chance.uniform(0.2, 1) * self.longest_seconds)
        self.faults.is_over = True
        self.customers.is_open = False
        for host in hosts:
            self.start(host)
        self._go_on(REST_SECONDS)
        self._tidy()
        if self.violations:
            return
        for process in self.processes:
            for charge in process.sent:
                charge.is_excused = process.is_lost
        self.note(f"at rest: {len(self.bank.suspense)} in suspense")
        self.invariants.at_rest()
        for attempt_id in list(self.bank.suspense):
            self.faults.resolve(attempt_id, only_final=False)
        for worker in self.bank.workers.values():
            self.bank.release_lost(worker.epoch)
        self.bank.touched.clear()
        for account in self.bank.accounts.values():
            if account.held:
                self.report(f"I18 with everything resolved account {account.id} still holds {account.held}")

    def _tidy(self) -> None:
        """Let a minute of the files' own clock pass: what the books forgot in a fail-over is taken up from journals."""
        for process in {process.host: process for process in self.processes if process.is_alive}.values():
            process.loop.create_task(process.books._recover(kept_seconds=0))
        self._go_on(TIDY_SECONDS)

    def _look(self) -> None:
        self.refusals.look()
        self.agenda.after(LOOK_SECONDS, self._look)

    def _go_on(self, seconds: float) -> None:
        until = self.agenda.now + seconds
        while not self.violations and self.agenda.step(until):
            self.events += 1

    def _habits(self) -> Habits:
        chance = self.chance
        return Habits(
            size=chance.choice((10, 1_000, 10**6, 10**11)),
            longest_seconds=chance.choice((0.05, 1, 8)),
            pause_seconds=chance.choice((0.01, 0.1, 1)),
            endings=(
                chance.uniform(5, 20),
                chance.choice((0, 1)),
                chance.choice((0, 1)),
                chance.choice((0, 1)),
                chance.choice((0, 0, 0.5)),
                chance.choice((0, 0, 0.2)),
            ),
            clampable=chance.choice((0, 0.3)),
            impatient=chance.choice((0, 0, 0.1)),
        )

    def _paths(self, size: int) -> list[tuple[BudgetPolicy, ...]]:
        """An organisation with units, teams and keys: every path is one budget of each level, or none."""
        levels = [[self._budget(level, size) for _ in range(count)] for level, count in enumerate((1, 2, 3, 5))]
        paths = []
        for _ in range(self.chance.randint(1, 8)):
            path = [self.chance.choice(level) for level in levels if self.chance.random() < 0.8]
            paths.append(tuple(sorted(path or levels[0], key=lambda budget: budget.id)))
        return paths

    def _budget(self, level: int, size: int) -> BudgetPolicy:
        number = len(self.bank.budgets) + 1
        budget = BudgetPolicy(
            id=number,
            name=f"budget {number}",
            scope=f"level {level}",
            window=Window(kind=self.chance.choice((*_WINDOWS, WindowKind.MONTH, WindowKind.TOTAL))),
            is_hard=self.chance.random() < 0.8,
        )
        self.bank.budgets[number] = budget
        times = self.chance.choice((0, 0.5, 3, 30, 300, 3_000, 100_000)) * 3 ** (3 - level)
        self.bank.limits[number] = int(size * times)
        return budget


_WINDOWS = (WindowKind.MINUTE, WindowKind.HOUR, WindowKind.DAY)


def _memory() -> str | None:
    """Return a folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
