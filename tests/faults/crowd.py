"""Processes that spend together from budgets of one database, and what they noted."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import dict_row

from governance.metering.attempt import Attribution
from tests.faults.host import ROOT, Host, open_host
from tests.faults.spender import Orders, Spending
from tests.faults.watch import install_watch, overspend_nano
from tests.gateway.world import World

_END_SECONDS = 120
_LOOK_SECONDS = 0.02
_SETTLED = "SELECT coalesce(sum(settled_nano), 0)::bigint AS nano FROM budgets_account WHERE budget_id = %s"
_DIFFERS = """
    SELECT a.id, a.settled_nano, a.held_nano, r.nano AS recorded, t.nano AS suspense
      FROM budgets_account a
      LEFT JOIN (SELECT account_id, sum(charge_nano) AS nano FROM ledger_usagerecord, unnest(account_ids) AS account_id
                  GROUP BY account_id) r ON r.account_id = a.id
      LEFT JOIN (SELECT account_id, sum(held_nano) AS nano FROM metering_attempt, unnest(account_ids) AS account_id
                  GROUP BY account_id) t ON t.account_id = a.id
     WHERE a.budget_id IN (SELECT budget_id FROM faults_limit)
       AND (a.settled_nano <> coalesce(r.nano, 0) OR a.held_nano <> coalesce(t.nano, 0))
"""


class Note(NamedTuple):
    """One claim: when it was made, how long the books took, what they said, and the last budget of its path."""

    at: float
    seconds: float
    said: str
    budget: int


class Crowd:
    """Starts spenders on a database of its own. Figures are in milliseconds."""

    def __init__(self, host: Host, world: World, folder: Path) -> None:
        self.host = host
        self.world = world
        self.url = host.environment.database_url("gateway")
        self.folder = folder
        key, _ = world.add_key(name="spender")
        self.attribution = Attribution(
            organisation_id=world.organisation, unit_id=world.unit, cost_centre_id=1, team_id=world.team, key_id=key,
            user_id=None, model_id=1, deployment_id=1, connection_id=world.connection, alias="tiny",
            wire="openai.chat", is_stream=False, tags={},
        )  # fmt: skip
        self._started: list[tuple[subprocess.Popen[bytes], Path]] = []

    def budget(self, limit_nano: int, *, window: str = "total") -> int:
        """Add a hard budget, and watch it."""
        made = self.world.add_budget(limit_nano, team_id=None, window=window)
        self.world.execute("INSERT INTO faults_limit VALUES (%s, %s)", made, limit_nano)
        return made

    def settled_nano(self, budget: int) -> int:
        """Return what is settled on a budget."""
        (row,) = self.world.rows(_SETTLED, budget)
        return int(row["nano"])

    def wrong(self) -> list[str]:
        """Return what is wrong when everybody has ended: overspent, lost, or still held."""
        over = overspend_nano(self.host.environment.database_url("owner"))
        found = [f"Accounts were over their limits by {over} nano-USD."] if over else []
        return found + [f"Account {row['id']}: {row}" for row in self.world.rows(_DIFFERS)]

    def start(self, count: int, spending: Spending) -> list[subprocess.Popen[bytes]]:
        """Start so many processes, and return when they spend."""
        started = []
        for _ in range(count):
            number = len(self._started)
            orders = Orders(
                url=self.url,
                locks=str(self.folder / "locks"),
                notes=str(self.folder / f"notes-{number}"),
                attribution=self.attribution,
                seed=number,
                spending=spending,
            )
            file = self.folder / f"orders-{number}.json"
            file.write_bytes(msgspec.json.encode(orders))
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.spender", str(file)],
                stdout=subprocess.PIPE,
                stderr=(self.folder / "errors").open("ab"),
                cwd=ROOT,
            )
            self._started.append((process, Path(orders.notes)))
            started.append(process)
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline() != b"open\n":
                raise RuntimeError((self.folder / "errors").read_text(encoding="utf-8")[-2000:])
        return started

    def end(self, processes: Iterable[subprocess.Popen[bytes]], *, ask: bool = True) -> list[Note]:
        """Wait until these end, asked or by themselves; return what they noted. One that was killed noted nothing."""
        processes = list(processes)
        for process in processes:
            if ask:
                process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(_END_SECONDS if ask else None)
        files = [notes for process, notes in self._started if process in processes and notes.exists()]
        return sorted(note for file in files for note in map(_note, file.read_text(encoding="utf-8").splitlines()))

    def look_again(self) -> None:
        """Connect to the database anew, after it was away."""
        self.world.owner.close()
        self.world.owner = _owner(self.host)

    def await_flushes(self) -> float:
        """Return when every living process was heard of by the database since now."""
        (row,) = self.world.rows("SELECT clock_timestamp() AS now")
        silent = "SELECT 1 FROM metering_worker WHERE state IN ('alive', 'fenced') AND last_seen_at < %s"
        while self.world.rows(silent, row["now"]):
            time.sleep(_LOOK_SECONDS)
        return time.monotonic()

    def kill_all(self) -> None:
        """End whatever still runs."""
        for process, _ in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextlib.contextmanager
def open_crowd(*, is_durable: bool = True) -> Iterator[Crowd]:
    """Prepare a database with one organisation, in which every budget is watched."""
    with open_host(gateways=1, is_durable=is_durable) as host, tempfile.TemporaryDirectory() as folder:
        world = World(owner=_owner(host), environment=host.environment)
        world.found("http://127.0.0.1:9/v1")
        install_watch(host.environment.database_url("owner"), {})
        crowd = Crowd(host, world, Path(folder))
        try:
            yield crowd
        finally:
            crowd.kill_all()
            world.owner.close()


def _owner(host: Host) -> "psycopg.Connection[dict[str, Any]]":
    return psycopg.connect(host.environment.database_url("owner"), autocommit=True, row_factory=dict_row)


def milliseconds(notes: Iterable[Note], share: int) -> float:
    """Return the percentile of how long admissions took; 0 without any."""
    seconds = [note.seconds for note in notes]
    if len(seconds) < 2:
        return 0.0
    return round(1000 * statistics.quantiles(seconds, n=1000)[share * 10 - 1], 2)


def said(notes: Iterable[Note]) -> dict[str, int]:
    """Return how many claims had which answer."""
    return dict(Counter(note.said for note in notes))


def between(notes: Iterable[Note], begin: float, end: float, *, only: str = "ok") -> list[Note]:
    """Return the notes of claims made in this time, with this answer."""
    return [note for note in notes if begin <= note.at < end and note.said == only]


def _note(line: str) -> Note:
    at, seconds, answer, budget = line.split()
    return Note(float(at), float(seconds), answer, int(budget))


def load() -> float:
    """Return how busy the machine was in the last minute, in runnable processes per core."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 1)
