"""Real gateway processes on one socket: what they load, log and count, and how they stop."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, chat_event
from tests.gateway.world import CREDENTIAL, World, question

T = TypeVar("T")

SAYS_ITS_MODULES = (
    "import atexit, runpy, sys;"
    "atexit.register(lambda: print(' '.join(sorted({name.split('.')[0] for name in sys.modules}))));"
    "sys.argv[0] = 'gateway'; runpy.run_module('governance.gateway', run_name='__main__')"
)


@dataclass
class Process:
    """One running gateway process."""

    started: asyncio.subprocess.Process
    log: Path

    async def stop(self) -> str:
        """Send SIGTERM and return what it printed."""
        self.started.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(self.started.communicate(), 30)
        return output.decode()

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@dataclass
class Processes:
    """Gateway processes that share a listening socket and a home."""

    url: str
    each: list[Process]
    start: Callable[[], Awaitable[Process]]
    listener: socket.socket

    def client(self, key: str | None) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False)


@pytest.fixture
async def processes(world: World, tmp_path: Path) -> AsyncIterator[Processes]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    variables = {
        **os.environ,
        "BURSAR_HOME": str(world.environment.home),
        "BURSAR_GATEWAY_DATABASE_URL": world.environment.database_url("gateway"),
    }
    each: list[Process] = []

    async def start() -> Process:
        log = tmp_path / f"gateway-{len(each)}.log"
        with log.open("wb") as errors:
            started = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", SAYS_ITS_MODULES, "--fd", str(listener.fileno())),
                pass_fds=[listener.fileno()],
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=variables,
            )
        each.append(Process(started, log))
        return each[-1]

    running = Processes(url, each, start, listener)
    try:
        await start()
        await start()
        await _until_all_serve(running)
        yield running
    finally:
        for process in each:
            with contextlib.suppress(ProcessLookupError):
                process.started.kill()
            await process.started.wait()
        listener.close()


async def _until_all_serve(running: Processes) -> None:
    await _until(lambda: _gauge(running, "bursar_processes"), 2.0)
    await _until(lambda: _status(running, "/readyz"), {200})


async def _until(look: Callable[[], Awaitable[T]], wanted: T) -> None:
    async with asyncio.timeout(30):
        while await look() != wanted:  # noqa: ASYNC110 - another process sets no event here
            await asyncio.sleep(0.1)


async def _status(running: Processes, path: str) -> set[int]:
    found = set()
    for _ in range(10):
        async with running.client(None) as client:
            found.add((await client.get(path)).status_code)
    return found


async def _gauge(running: Processes, name: str) -> float:
    try:
        async with running.client(None) as client:
            text = (await client.get("/metrics")).text
    except httpx.TransportError:
        return 0
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0


async def test_it_never_loads_django_and_stops_with_exit_code_zero(processes: Processes, key: str) -> None:
    async with processes.client(key) as client:
        assert (await client.post("/v1/chat/completions", json=question())).status_code == 200
    for process in processes.each:
        modules = (await process.stop()).split()
        assert "uvicorn" in modules
        # Nor a cache or a broker, so that nothing about money changes when one is away or flushed (F14).
        assert not {"django", "rest_framework", "allauth", "celery", "kombu", "redis", "amqp"} & set(modules)
        assert process.started.returncode == 0


async def test_a_process_that_joins_takes_no_call_before_it_can_serve_it(processes: Processes, key: str) -> None:
    await processes.start()
    statuses = set()
    async with asyncio.timeout(30):
        while await _gauge(processes, "bursar_processes") < 3:
            async with processes.client(key) as client:
                statuses.add((await client.get("/v1/models")).status_code)
    assert statuses == {200}


async def test_any_process_counts_for_all(processes: Processes, world: World, key: str) -> None:
    for _ in range(30):
        async with processes.client(key) as client:
            await client.post("/v1/chat/completions", json=question())
    async with processes.client("bsr_wrong") as client:
        await client.get("/v1/models")
    wanted = 'bursar_requests_total{route="/v1/chat/completions",status="200"}'
    await _until(lambda: _gauge(processes, wanted), 30.0)
    await _until(lambda: _gauge(processes, 'bursar_refusals_total{code="key_invalid"}'), 1.0)
    assert await _gauge(processes, "bursar_cost_nano_usd_total") == 30 * 15_000
    assert await _gauge(processes, 'bursar_tokens_total{kind="input"}') == 30 * 9
    assert await _gauge(processes, "bursar_added_seconds_count") == 30
    assert all(process.lines() for process in processes.each)
    first, *_ = processes.each
    await first.stop()
    assert await _gauge(processes, wanted) == 30


async def test_a_stopping_process_finishes_its_streams(
    processes: Processes, world: World, vendor: Vendor, key: str
) -> None:
    processes.listener.close()
    is_stopping = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello"))
        await is_stopping.wait()
        await call.chunk(chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    vendor.answer = answer
    asked = {"method": "POST", "url": "/v1/chat/completions", "json": question(stream=True)}
    async with processes.client(key) as client, client.stream(**asked) as reply:
        chunks = reply.aiter_raw()
        await anext(chunks)
        stops = [asyncio.create_task(process.stop()) for process in processes.each]
        async with asyncio.timeout(10):
            # Refused, or reset while it still waited in the socket's queue: either way nobody accepts any more.
            with contextlib.suppress(httpx.TransportError):
                while True:
                    async with processes.client(None) as other:
                        await other.get("/healthz")
        is_stopping.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert rest.endswith(DONE)
    await asyncio.gather(*stops)
    assert [process.started.returncode for process in processes.each] == [0, 0]
    (record,) = world.records()
    assert (record["outcome"], record["charge_nano"]) == ("completed", 15_000)


async def test_logs_say_what_happened_and_hold_no_secret_and_no_prompt(
    processes: Processes, world: World, vendor: Vendor, key: str
) -> None:
    async def refuse(call: VendorCall) -> None:
        await call.reply(b'{"error":{"message":"no ' + CREDENTIAL.encode() + b'"}}', status=401)

    async with processes.client(key) as client:
        await client.post("/v1/chat/completions", json=question("canary-prompt"), headers={"x-bursar-tags": "a=b"})
        await client.post("/v1/chat/completions", json=question("canary-prompt", stream=True))
        await client.post("/v1/chat/completions", json=question("canary-prompt", max_tokens=-1))
        await client.post(f"/v1/chat/completions?key={key}", content=b"canary-prompt")
        vendor.answer = refuse
        await client.post("/v1/chat/completions", json=question("canary-prompt"))
    for process in processes.each:
        await process.stop()
    written = "".join(process.log.read_text() for process in processes.each)
    assert not any(secret in written for secret in ("canary-prompt", CREDENTIAL, key, key.split("_")[2]))
    requests = [line for process in processes.each for line in process.lines() if line["event"] == "request"]
    assert len(requests) == 5
    first = next(line for line in requests if line["status"] == 200)
    assert {"request_id", "key_id", "team_id", "alias", "attempt_id", "milliseconds"} <= set(first)
    assert (first["cost_usd"], first["input_tokens"], first["outcome"]) == ("0.000015", 9, "settled:completed")


async def test_a_process_told_to_stop_while_it_still_imports_ends_with_exit_code_0(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "governance.gateway", "--port", "0",
        env={**os.environ, "BURSAR_HOME": str(tmp_path)},
    )  # fmt: skip
    status = Path(f"/proc/{process.pid}/status")
    # Python's signals are caught from the first line of the program on, long before anything listens.
    while not _caught_signals(status) & (1 << (signal.SIGTERM - 1)):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0


def _caught_signals(status: Path) -> int:
    return int(re.search(r"^SigCgt:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)[1], 16)  # type: ignore[index]
