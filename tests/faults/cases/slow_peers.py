"""F7 and F9: thousands of clients that send no more than half a head, and a stream of 100 MB; what memory they cost."""

import asyncio
import contextlib
import json
import statistics
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.faults.crowd import load
from tests.faults.host import Host, open_host
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, answer_plainly, chat_event
from tests.gateway.world import World, question
from tests.security.asking import COST_NANO

_SLOW_CLIENTS = 5000
_AT_ONCE = 250
_CALLS = 300
_ALL_CALLS = 3 * _CALLS + 2
_PATH = "/v1/chat/completions"
_EVENT = chat_event("x" * 100_000)
_EVENTS = 1000


def measure() -> dict[str, object]:
    """One gateway process; memory is what the kernel says it holds (RSS), and held at most (HWM)."""
    with open_host(gateways=1) as host:
        return asyncio.run(_measure(host))


async def _measure(host: Host) -> dict[str, object]:
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.port = server.sockets[0].getsockname()[1]
    owner: psycopg.Connection[dict[str, Any]] = psycopg.connect(
        host.environment.database_url("owner"), autocommit=True, row_factory=dict_row
    )
    world = World(owner=owner, environment=host.environment)
    world.found(vendor.base_url)
    key = world.add_key()[1]
    host.start_gateways()
    await host.ready()
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=host.url, headers=headers, timeout=120, trust_env=False) as client:
        await _p99_ms(client)
        alone_ms, before = await _p99_ms(client), _memory_kib(host, "VmRSS")
        async with contextlib.AsyncExitStack() as stack:
            await _hang_on(host, stack)
            among_ms, among = await _p99_ms(client), _memory_kib(host, "VmRSS")
        await _relay(client, vendor)
        _forget_peak(host)
        held = _memory_kib(host, "VmRSS")
        relayed = await _relay(client, vendor)
        peak = _memory_kib(host, "VmHWM")
    records = await world.recorded(_ALL_CALLS)
    owner.close()
    server.close()
    await vendor.stop()
    codes = await host.drain()
    unsettled = _ALL_CALLS - sum(record["charge_nano"] == COST_NANO for record in records)
    return {
        "slow_clients": {"count": _SLOW_CLIENTS, "memory_mib": round((among - before) / 1024, 1)},
        "others_p99_ms": {"alone": alone_ms, "among_slow_clients": among_ms},
        "stream": {"megabytes": relayed // 10**6, "peak_above_before_kib": peak - held},
        "load_per_core": load(),
        "wrong": [f"{unsettled} calls were not settled."] * bool(unsettled) + ["A process failed."] * any(codes),
    }


async def _hang_on(host: Host, stack: contextlib.AsyncExitStack) -> None:
    """Open every connection, and send half a head on each."""
    port = int(host.url.rpartition(":")[2])
    for _ in range(_SLOW_CLIENTS // _AT_ONCE):
        opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(_AT_ONCE)))
        for _, writer in opened:
            stack.callback(writer.transport.abort)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ")


async def _p99_ms(client: httpx.AsyncClient) -> float:
    seconds = []
    for _ in range(_CALLS):
        begun = time.perf_counter()
        (await client.post(_PATH, json=question())).raise_for_status()
        seconds.append(time.perf_counter() - begun)
    return round(1000 * statistics.quantiles(seconds, n=100)[98], 1)


async def _relay(client: httpx.AsyncClient, vendor: Vendor) -> int:
    """Have a large stream relayed; return its bytes."""

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        for _ in range(_EVENTS):
            await call.chunk(_EVENT)
        await call.chunk(chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    vendor.answer = answer
    size = 0
    async with client.stream("POST", _PATH, content=json.dumps(question(stream=True))) as reply:
        async for part in reply.aiter_raw():
            size += len(part)
    vendor.answer = answer_plainly
    return size


def _forget_peak(host: Host) -> None:
    """Have the kernel count the most memory held from now on."""
    (process,) = host.gateways
    Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="ascii")


def _memory_kib(host: Host, name: str) -> int:
    (process,) = host.gateways
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith(f"{name}:")).split()[1])
