"""Streams of absurd shapes: relayed whole, held in pieces, and their usage is read all the same."""

import asyncio
import resource
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import governance
from governance.gateway.limits import Limits
from governance.plugin.guards import Finding
from tests.gateway.test_guards import guard
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, chat_event
from tests.gateway.world import Served, World, question

TAIL = chat_event(finish="stop") + chat_event(usage=USAGE) + DONE
PATH = "/v1/chat/completions"
GOVERNANCE = Path(governance.__file__).parent
PER_STREAM_BYTES = 256 * 1024
"""F9's bar."""


class Looking:
    """A guard that finds nothing, and keeps nothing of what it looked at."""

    title = "looking"
    name = "looking"

    def __init__(self) -> None:
        self.characters = 0

    def find(self, text: str) -> Sequence[Finding]:
        self.characters += len(text)
        return []


@pytest.fixture
def limits() -> Limits:
    return Limits(watch_seconds=0.05, database_seconds=20, lease_idle_seconds=0.3)


async def _relayed(served: Served, key: str) -> int:
    """Read a stream to its end; return how many bytes came."""
    size = 0
    last = b""
    async with (
        served.client(key) as client,
        client.stream(
            "POST", PATH, json=question(stream=True, stream_options={"include_usage": True}), timeout=60
        ) as reply,
    ):
        async for part in reply.aiter_raw():
            size += len(part)
            last = (last + part)[-len(DONE) :]
    assert last == DONE
    return size


async def test_a_line_of_five_megabytes_passes_and_the_usage_after_it_is_read(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    line = b'data: {"choices":[],"x":"' + b"y" * 5_000_000 + b'"}\n\n'

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(line)
        await call.chunk(TAIL)
        await call.end_stream()

    vendor.answer = answer
    assert await _relayed(served, key) == len(line) + len(TAIL)
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("completed", 15_000)


async def test_thirty_thousand_tiny_chunks_are_one_stream_whose_usage_is_read(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    events = chat_event("x") * 200 + TAIL

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        pieces = [b"1\r\n%b\r\n" % events[place : place + 1] for place in range(len(events))]
        for place in range(0, len(pieces), 1000):
            await call.send(b"".join(pieces[place : place + 1000]))
        await call.end_stream()

    vendor.answer = answer
    assert await _relayed(served, key) == len(events) > 30_000
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("completed", 15_000)


async def test_a_hundred_megabytes_pass_and_a_small_part_of_them_is_ever_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    event = chat_event("x" * 100_000)
    count = 1000

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        for _ in range(count):
            await call.chunk(event)
        await call.chunk(TAIL)
        await call.end_stream()

    vendor.answer = answer
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await _relayed(served, key) == len(event) * count + len(TAIL) > 100_000_000
    # Vendor, gateway and client are all in this process.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
    (record,) = await world.recorded()
    assert record["http_status"] == 200


def _held_bytes() -> int:
    """Return what code of the gateway's own has allocated and still holds, whoever keeps it: buffers of sockets too."""
    ours = tracemalloc.Filter(inclusive=True, filename_pattern=str(GOVERNANCE / "*"))
    traces = tracemalloc.take_snapshot().filter_traces([ours]).statistics("filename")
    return sum(trace.size for trace in traces)


@contextmanager
def traced() -> Iterator[None]:
    """Trace what is allocated meanwhile: it slows everything down."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "sent",
    [
        chat_event("x") * 100,
        chat_event("x" * 100_000),
        b'data: {"x":"' + b"y" * 5_000_000 + b'"}\n\n',
        [chat_event("x")[place : place + 2] for place in range(0, len(chat_event("x")), 2)] * 30,
    ],
    ids=["small events", "large events", "a long line", "tiny chunks"],
)
async def test_a_client_that_does_not_read_holds_the_vendor_back_and_little_is_held_for_it(
    served: Served, vendor: Vendor, key: str, sent: bytes | list[bytes]
) -> None:
    parts = [sent] if isinstance(sent, bytes) else sent
    taken, held = await _held_for_a_still_client(served, vendor, key, parts)
    assert taken < 40_000_000, "What the buffers of four sockets hold, and no more."
    assert held < PER_STREAM_BYTES, held


@pytest.mark.parametrize("size", [1, 20_000], ids=["small events", "large events"])
async def test_little_is_held_of_a_translated_stream_that_nobody_reads(
    served: Served, vendor: Vendor, key: str, size: int
) -> None:
    """Asked in Anthropic's wire, answered in OpenAI's: each event is read whole and said anew."""
    taken, held = await _held_for_a_still_client(
        served, vendor, key, [chat_event("x" * size) * 20], path="/v1/messages", body=question(max_tokens=100)
    )
    assert taken < 40_000_000
    assert held < PER_STREAM_BYTES, held


@pytest.mark.parametrize("size", [8, 20_000], ids=["small events", "large events"])
async def test_little_is_held_of_a_guarded_stream_that_nobody_reads(
    served: Served, world: World, vendor: Vendor, key: str, size: int
) -> None:
    looking = Looking()
    served.gateway.vendors.guards.add(looking)
    await guard(served, world, looking.name, replies="mask")
    text = ("horses " * (size // 7 + 1))[:size]
    taken, held = await _held_for_a_still_client(served, vendor, key, [chat_event(text) * 20])
    assert taken < 40_000_000
    assert held < PER_STREAM_BYTES, held
    assert looking.characters > size


async def _held_for_a_still_client(
    served: Served,
    vendor: Vendor,
    key: str,
    parts: list[bytes],
    *,
    path: str = PATH,
    body: dict[str, Any] | None = None,
) -> tuple[int, int]:
    """Let the vendor send these parts again and again to a client that does not read. Return how many bytes it could
    send, and how many the gateway holds.
    """
    framed = b"".join([b"%x\r\n%b\r\n" % (len(part), part) for part in parts])
    taken = 0
    is_stuck, is_seen = asyncio.Event(), asyncio.Event()

    async def answer(call: VendorCall) -> None:
        nonlocal taken
        await call.begin_stream()
        while not is_stuck.is_set():
            try:
                async with asyncio.timeout(0.3):
                    await call.send(framed)
            except TimeoutError:
                is_stuck.set()
            taken += len(framed)
        await is_seen.wait()
        call.writer.transport.abort()

    vendor.answer = answer
    async with served.client(key) as client:
        await client.get("/v1/models")
        with traced():
            before = _held_bytes()
            async with client.stream("POST", path, json=(body or question()) | {"stream": True}) as reply:
                assert reply.status_code == 200
                await asyncio.wait_for(is_stuck.wait(), 60)
                held = _held_bytes() - before + _unsent_bytes(served)
                is_seen.set()
    return taken, held


def _unsent_bytes(served: Served) -> int:
    """Return what stands in the event loop's own buffers, on the way to clients."""
    return sum(each._transport.get_write_buffer_size() for each in served.server.server_state.connections)
