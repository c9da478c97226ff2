"""What is done to a machine while it works: processes killed and frozen, the database restarted, cut off, locked."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from enum import StrEnum

import psycopg

from tests.faults.host import Host
from tests.faults.journals import duplicate, filled, smuggle, tear
from tests.faults.standby import hanging

FENCE_SECONDS = 5.0
"""A process that was silent for longer is fenced: what it holds stays held, and it may grant nothing more."""

_LOOK_SECONDS = 0.1
_RECOVERY_SECONDS = 60.0
_MASSACRE_SHARE = 0.1
_TORN_SHARE = 0.5
_COPIED_SHARE = 0.2
_IS_RECOVERED = "SELECT 1 FROM metering_worker WHERE process_id = %s AND state <> 'dead'"
_TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name LIKE 'bursar-gateway%%' AND random() < %s
"""


class Strike(StrEnum):
    """One fault. The value is what the campaign's last line counts it as."""

    KILL = "kills"
    SHORT_FREEZE = "short_freezes"
    LONG_FREEZE = "long_freezes"
    RESTART = "database_restarts"
    FAIL_OVER = "database_fail_overs"
    DEAF_STANDBY = "standbys_deaf"
    OUTAGE = "database_outages"
    CUT_OFF = "connections_terminated"
    LOCK = "accounts_locked"
    STOP = "graceful_stops"
    FULL_DISK = "disks_filled"


class Striker:
    """Carries out strikes; `counts` says how many were, `recovery_seconds` how long each death went unnoticed."""

    def __init__(self, host: Host, *, seed: int) -> None:
        self._host = host
        self._chance = random.Random(f"{seed} strikes")
        self._database = asyncio.Lock()
        self._disk = asyncio.Lock()
        self.counts: Counter[Strike] = Counter()
        self.journals_torn = 0
        self.journals_copied = 0
        self.recovery_seconds: list[float] = []
        self.violations: list[str] = []

    async def strike(self, kind: Strike) -> None:
        """Carry one out; returns when what was stopped goes on."""
        ways = {
            Strike.KILL: self._kill,
            Strike.SHORT_FREEZE: lambda: self._freeze(self._chance.uniform(0.3, FENCE_SECONDS - 1)),
            Strike.LONG_FREEZE: lambda: self._freeze(self._chance.uniform(FENCE_SECONDS + 1, FENCE_SECONDS + 4)),
            Strike.RESTART: lambda: self._restart(0),
            Strike.FAIL_OVER: self._fail_over,
            Strike.DEAF_STANDBY: self._deafen,
            Strike.OUTAGE: lambda: self._restart(self._chance.uniform(2, 6)),
            Strike.CUT_OFF: self._cut_off,
            Strike.LOCK: self._lock,
            Strike.STOP: self._stop,
            Strike.FULL_DISK: self._fill_disk,
        }
        await ways[kind]()
        self.counts[kind] += 1

    async def _kill(self) -> None:
        """Kill one process, or now and then all of them; then wait until somebody has recovered what they held."""
        living = [process for process in self._host.gateways if process.poll() is None]
        while not living:
            await asyncio.sleep(_LOOK_SECONDS)
            living = [process for process in self._host.gateways if process.poll() is None]
        victims = living if self._chance.random() < _MASSACRE_SHARE else [self._chance.choice(living)]
        for victim in victims:
            self._host.signal_gateway(victim, signal.SIGKILL)
        self._damage_files()
        self.counts[Strike.KILL] += len(victims) - 1
        for victim in victims:
            await self._await_recovery(victim.pid)

    def _damage_files(self) -> None:
        """Tear, copy, or carry to another machine what the dead left."""
        folders = self._host.journal_folders
        if self._chance.random() < _TORN_SHARE:
            self.journals_torn += sum(map(tear, folders))
        if self._chance.random() < _COPIED_SHARE:
            with contextlib.suppress(OSError):  # a disk may be full just now
                self.journals_copied += sum(len(duplicate(folder)) for folder in folders)
                self.journals_copied += sum(
                    smuggle(folder, folders[number - 1]) for number, folder in enumerate(folders)
                )

    async def _await_recovery(self, process_id: int) -> None:
        died_at = time.monotonic()
        url = self._host.environment.database_url("owner")
        while time.monotonic() - died_at < _RECOVERY_SECONDS:
            with contextlib.suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(url) as session:
                    if await (await session.execute(_IS_RECOVERED, (process_id,))).fetchone() is None:
                        self.recovery_seconds.append(time.monotonic() - died_at)
                        return
            await asyncio.sleep(_LOOK_SECONDS)
        self.violations.append(f"Process {process_id} was killed and not recovered in {_RECOVERY_SECONDS:.0f} s.")

    async def _freeze(self, seconds: float) -> None:
        victim = self._chance.choice(self._host.gateways)
        self._host.signal_gateway(victim, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._host.signal_gateway(victim, signal.SIGCONT)

    async def _stop(self) -> None:
        victim = self._chance.choice(self._host.gateways)
        self._host.signal_gateway(victim, signal.SIGTERM)

    async def _fill_disk(self) -> None:
        """Leave no room for journals, where they have a disk of their own."""
        folder = self._host.journal_folders[0]
        async with self._disk:
            if folder.is_mount():
                with filled(folder):
                    await asyncio.sleep(self._chance.uniform(0.5, 3))

    async def _restart(self, seconds_away: float) -> None:
        async with self._database:
            await self._host.stop_database()
            await asyncio.sleep(seconds_away)
            await self._host.start_database()

    async def _fail_over(self) -> None:
        """Let the standby take the place of a primary that is gone; it is followed again a moment later."""
        async with self._database:
            await self._host.fail_over()
            await asyncio.sleep(self._chance.uniform(0, 2))
            await asyncio.to_thread(self._host.add_standby, is_synchronous=True)

    async def _deafen(self) -> None:
        """Commits wait for a standby that does not hear them."""
        async with self._database:
            assert self._host.standby is not None
            with hanging(self._host.standby):
                await asyncio.sleep(self._chance.uniform(0.5, 4))

    async def _cut_off(self) -> None:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self._host.server.url()) as session:
            session.execute(_TERMINATE, (self._chance.choice((0.3, 1.0)),))

    async def _lock(self) -> None:
        """Hold every account for longer than a statement of ours may wait."""
        url = self._host.environment.database_url("owner")
        with contextlib.suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(url) as session:
                await session.execute("SELECT 1 FROM budgets_account ORDER BY id FOR UPDATE")
                await asyncio.sleep(self._chance.uniform(1, 4))
                await session.rollback()
