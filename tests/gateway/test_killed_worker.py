"""F12: a worker that is killed amid the results of a batch. Its task is delivered again, and each line is paid once."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from governance.config.broker import broker_settings
from governance.config.celery import app
from governance.core.database_url import DatabaseRole
from governance.jobs.looking import LINES_AT_ONCE
from tests.gateway.batches import LINE_COST, MessageBatches, add_batch_prices, succeeded
from tests.gateway.claude import add_claude, sdk
from tests.gateway.test_message_batches import requests
from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import Served, World, eventually

LINES = LINES_AT_ONCE + 50
TASK = "governance.jobs.tasks.look_at_jobs"
SECONDS = 60


class Halting(MessageBatches):
    """The first who asks for results gets all but the last few, and then waits in vain."""

    has_halted = False

    async def _send_results(self, call: VendorCall, results: bytes) -> None:
        if self.has_halted:
            await super()._send_results(call, results)
            return
        self.has_halted = True
        lines = results.splitlines(keepends=True)
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-jsonl\r\ntransfer-encoding: chunked\r\n\r\n")
        await call.chunk(b"".join(lines[:-10]))
        await call.closed()


@pytest.fixture
def batches(world: World, vendor: Vendor) -> Halting:
    add_claude(world, vendor.base_url)
    add_batch_prices(world, "claude")
    made = Halting()
    vendor.answer = made.answer
    return made


@pytest.fixture
async def worker(database_urls: dict[DatabaseRole, str], tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real Celery worker on the test's database, with one process that runs tasks."""
    variables = {
        **os.environ,
        **{f"BURSAR_{role.upper()}_DATABASE_URL": url for role, url in database_urls.items()},
        "DATABASE_URL": database_urls["owner"],
        "DJANGO_SETTINGS_MODULE": "governance.config.settings",
        "BURSAR_DATABASE_ROLE": "worker",
        "BURSAR_HOME": str(tmp_path / "worker"),
    }
    words = ["-m", "celery", "--app=governance.config.celery:app", "--quiet", "worker", "--concurrency=1"]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, env=variables, start_new_session=True)
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def deliver(url: str) -> None:
    """Put the task into the queue, as the beat does."""
    broker = broker_settings(None, url)
    with Connection(broker.url, transport=broker.transport, transport_options=broker.options) as connection:
        app.send_task(TASK, connection=connection)


def runners(worker: asyncio.subprocess.Process) -> list[int]:
    """Return the processes in which the worker runs its tasks."""
    return [int(word) for word in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()]


async def test_each_line_is_paid_once_though_the_worker_was_killed_amid_them(
    world: World,
    served: Served,
    batches: Halting,
    key: str,
    worker: asyncio.subprocess.Process,
    database_urls: dict[DatabaseRole, str],
) -> None:
    budget = world.add_budget(10**12)
    await served.catch_up(world)
    names = [f"line-{number}" for number in range(LINES)]
    async with sdk(served, key) as client:
        made = await client.messages.batches.create(requests=requests(*names))
    batches.end(made.id, *[(name, succeeded()) for name in names])

    def due() -> None:
        world.execute("UPDATE jobs_job SET next_look_at = now() WHERE state <> 'ended'")

    def booked() -> list[dict[str, Any]]:
        return world.rows("SELECT attempt_id, charge_nano FROM ledger_usagerecord")

    due()
    deliver(database_urls["worker"])
    await eventually(lambda: len(booked()) >= LINES_AT_ONCE or None, seconds=SECONDS)
    account = world.account(budget)
    assert account["settled_nano"] == LINES_AT_ONCE * LINE_COST and account["held_nano"] > 0
    (first,) = runners(worker)
    due()
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: len(booked()) >= LINES or None, seconds=SECONDS)
    await eventually(lambda: True if not world.account(budget)["held_nano"] else None)

    records = booked()
    assert len(records) == len({record["attempt_id"] for record in records}) == LINES
    assert {record["charge_nano"] for record in records} == {LINE_COST}
    assert world.account(budget)["settled_nano"] == LINES * LINE_COST
    assert batches.asked.count(f"GET /v1/messages/batches/{made.id}/results") == 2
    assert first not in runners(worker)
    assert world.rows("SELECT state FROM jobs_job") == [{"state": "ended"}]
    assert world.rows("SELECT 1 FROM metering_durableline") == []
