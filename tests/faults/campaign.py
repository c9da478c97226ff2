"""One campaign: a machine under load is struck again and again; then the books are held against the invoice.

Everything is looked at from outside: HTTP in front, SQL behind, and what the vendor wrote down.
"""

import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from governance.config.processes import start_process
from tests.faults.checker import Findings, Suspended, Verdict, check_at_rest, check_settled, verdicts
from tests.faults.clients import Tally, callers
from tests.faults.host import ROOT, Host
from tests.faults.invoice import Invoice, InvoiceLine
from tests.faults.resolver import Resolver
from tests.faults.scene import Scene, build_scene
from tests.faults.settings import Settings
from tests.faults.strikes import Strike, Striker
from tests.faults.watch import Sampler, install_watch, overspend_nano, read_books, read_old_suspense
from tests.gateway.world import World

_TICK_SECONDS = 0.1
_STUCK_SECONDS = 90.0
_OLD_SECONDS = 20.0
_REST_SECONDS = 60.0
_TRIES = 3
"""The first order after a restart of the database may meet a connection that is gone."""


class Result(msgspec.Struct, kw_only=True):
    """What a campaign did and found. `calls` reached the vendor; `events` are the usage records they left."""

    seed: int
    strikes: Counter[Strike]
    calls: int = 0
    events: int = 0
    resolved: int = 0
    samples: int = 0
    journals_torn: int = 0
    journals_copied: int = 0
    recovery_seconds: list[float] = msgspec.field(default_factory=list)
    answers: dict[str, int] = msgspec.field(default_factory=dict)
    overspend_nano: int = 0
    lost: list[str] = msgspec.field(default_factory=list)
    violations: list[str] = msgspec.field(default_factory=list)
    seconds: float = 0

    @property
    def is_clean(self) -> bool:
        """Nothing overspent, nothing lost, nothing else wrong."""
        return not (self.overspend_nano or self.lost or self.violations)

    def figures(self) -> dict[str, object]:
        """Return the last line of the campaign's output."""
        counts = {kind.value: self.strikes[kind] for kind in Strike}
        freezes = counts.pop(Strike.SHORT_FREEZE) + counts.pop(Strike.LONG_FREEZE)
        counts[Strike.RESTART] += counts.pop(Strike.OUTAGE)
        return {
            **counts,
            "freezes": freezes,
            "calls": self.calls,
            "events": self.events,
            "resolved": self.resolved,
            "samples": self.samples,
            "journals_torn": self.journals_torn,
            "journals_copied": self.journals_copied,
            "recovery_seconds": {
                "median": round(statistics.median(self.recovery_seconds or [0]), 1),
                "longest": round(max(self.recovery_seconds, default=0), 1),
            },
            "answers": self.answers,
            "overspend_nano": self.overspend_nano,
            "lost_events": len(self.lost),
            "violations": len(self.violations),
            "seed": self.seed,
            "seconds": round(self.seconds),
        }


class Campaign:
    """A prepared machine with its vendor, and what is known about both."""

    def __init__(self, host: Host, scene: Scene, invoice_file: Path, settings: Settings) -> None:
        self.host = host
        self.scene = scene
        self.settings = settings
        self.invoice = Invoice(invoice_file)
        self.owner_url = host.environment.database_url("owner")
        self.tally = Tally()
        self.striker = Striker(host, seed=settings.seed)
        self.sampler = Sampler(self.owner_url, Invoice(invoice_file), scene, seed=settings.seed)
        self.violations: list[str] = []

    async def run(self) -> Result:
        """Work, strike, come to rest, settle, and compare."""
        began = time.monotonic()
        resolver = await Resolver.start(self.host.variables("console"))
        self.host.start_gateways()
        await self.host.ready()
        async with _running(self.sampler.run()):
            async with _running(self._resolve_now_and_then(resolver)):
                await self._work()
            await self._come_to_rest()
        findings = await self._settle(resolver)
        await resolver.stop()
        self.violations += self._proof()
        return Result(
            seed=self.settings.seed,
            strikes=self.striker.counts,
            calls=len(self.invoice.lines),
            events=len(read_books(self.owner_url).records),
            resolved=resolver.resolved,
            samples=self.sampler.samples,
            journals_torn=self.striker.journals_torn,
            journals_copied=self.striker.journals_copied,
            recovery_seconds=self.striker.recovery_seconds,
            answers=dict(self.tally.answers),
            overspend_nano=overspend_nano(self.owner_url),
            lost=findings.lost,
            violations=[
                *self.violations, *self.striker.violations, *self.tally.violations, *self.sampler.violations,
                *findings.violations,
            ],
            seconds=time.monotonic() - began,
        )  # fmt: skip

    async def _work(self) -> None:
        """Let clients call until every strike has struck and enough calls have reached the vendor."""
        seed, per_key = self.settings.seed, self.settings.clients_per_key
        clients = callers(self.scene, url=self.host.url, tally=self.tally, seed=seed, per_key=per_key)
        tasks = [asyncio.create_task(client.run()) for client in clients]
        try:
            await self._strike_by_schedule()
        finally:
            clients[0].stop.set()
            await asyncio.gather(*tasks)

    async def _strike_by_schedule(self) -> None:
        schedule = self.settings.schedule()
        progress = _Progress(self.invoice)
        async with asyncio.TaskGroup() as strikes:
            while schedule or progress.calls < self.settings.calls:
                self.host.tend()
                progress.look()
                while schedule and progress.calls >= schedule[0][0]:
                    strikes.create_task(self.striker.strike(schedule.pop(0)[1]))
                if progress.is_stuck:
                    self.violations.append(f"No call reached the vendor for {_STUCK_SECONDS:.0f} s.")
                    break
                await asyncio.sleep(_TICK_SECONDS)
        self.host.tend()

    async def _resolve_now_and_then(self, resolver: Resolver) -> None:
        """Settle what has long been over, so that suspense and settling by hand are under fire too."""
        while True:
            await asyncio.sleep(_OLD_SECONDS / 4)
            with contextlib.suppress(psycopg.OperationalError):
                old = await asyncio.to_thread(read_old_suspense, self.owner_url, older_than_seconds=_OLD_SECONDS)
                await resolver.resolve(_plain_verdicts(old, self.invoice.lines))

    async def _come_to_rest(self) -> None:
        """Stop every process in good order; let new ones recover what the dead left, and stop them too."""
        codes = await self.host.drain()
        self.invoice.read()
        self.host.start_gateways(len(self.host.homes))
        await self.host.ready()
        await self._await_recovery()
        codes += await self.host.drain()
        if any(codes):
            self.violations.append(f"Gateway processes that were asked to stop ended with {codes}.")

    async def _await_recovery(self) -> None:
        """Wait until nothing is held but for attempts in suspense."""
        deadline = time.monotonic() + _REST_SECONDS
        while complaints := check_at_rest(self.invoice.lines, read_books(self.owner_url), self.scene).violations:
            if time.monotonic() > deadline:
                self.violations.append(f"The books did not come to rest: {complaints[0]}")
                return
            await asyncio.sleep(1)

    async def _settle(self, resolver: Resolver) -> Findings:
        """Compare at rest, resolve all suspense by the invoice, and compare again."""
        books = read_books(self.owner_url)
        before = check_at_rest(self.invoice.lines, books, self.scene)
        for _ in range(_TRIES):
            await resolver.resolve(verdicts(self.invoice.lines, read_books(self.owner_url)))
        after = check_settled(self.invoice.lines, read_books(self.owner_url), self.scene)
        return Findings(
            lost=list(dict.fromkeys(before.lost + after.lost)),
            violations=list(dict.fromkeys(before.violations + after.violations)),
        )

    def _proof(self) -> list[str]:
        done = self.host.run_module("console", "governance.config.command_line", "ledger", "prove", "--json")
        if done.returncode == 0 and json.loads(done.stdout)["balanced"]:
            return []
        return [f"`bursar ledger prove` says: {done.stdout}{done.stderr}"]


class _Progress:
    """How far the calls have come, and since when they have not moved."""

    def __init__(self, invoice: Invoice) -> None:
        self._invoice = invoice
        self._moved_at = time.monotonic()

    @property
    def calls(self) -> int:
        return len(self._invoice.lines)

    @property
    def is_stuck(self) -> bool:
        return time.monotonic() - self._moved_at > _STUCK_SECONDS

    def look(self) -> None:
        if self._invoice.read():
            self._moved_at = time.monotonic()


def _plain_verdicts(old: list[Suspended], lines: list[InvoiceLine]) -> list[Verdict]:
    """Return verdicts where they are beyond doubt: one attempt, and at most one line of its call."""
    attempts = Counter(attempt.call for attempt in old)
    wanted = {call for call, count in attempts.items() if count == 1}
    found: dict[str, list[InvoiceLine]] = {call: [] for call in wanted}
    for line in lines:
        if line.call in wanted:
            found[line.call].append(line)
    return [
        Verdict(attempt_id=attempt.attempt_id, line=next(iter(found[attempt.call]), None))
        for attempt in old
        if attempt.call in wanted and len(found[attempt.call]) <= 1
    ]


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run this beside the block. A fault of its own is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def running_vendor(invoice_file: Path, *, seed: int, log: Path) -> Iterator[str]:
    """Run the vendor until the block ends. Yields its base URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, log.open("ab") as output:
        port = int(listener.getsockname()[1])
        arguments = (str(listener.fileno()), str(invoice_file), str(seed))
        process = start_process(
            [sys.executable, "-m", "tests.faults.vendor_process", *arguments],
            variables={"PATH": os.defpath},
            output=output,
            folder=ROOT,
            inherited_descriptors=(listener.fileno(),),
        )
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def prepared_campaign(host: Host, settings: Settings, *, is_followed: bool = False) -> Iterator[Campaign]:
    """Put an organisation and its vendor on this machine; with `is_followed` also a synchronous standby."""
    invoice_file = host.home / "invoice"
    if is_followed:
        host.add_standby(is_synchronous=True)
    host.skews = settings.skews
    with running_vendor(invoice_file, seed=settings.seed, log=host.log_file) as vendor_url:
        owner_url = host.environment.database_url("owner")
        with psycopg.connect(owner_url, autocommit=True, row_factory=dict_row) as owner:
            scene = build_scene(World(owner=owner, environment=host.environment), vendor_url)
        install_watch(owner_url, scene.limits)
        yield Campaign(host, scene, invoice_file, settings)
