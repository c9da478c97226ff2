"""Streams that are left anywhere, and usage anywhere in them: what it cost is booked."""

import asyncio
import json
import socket
import struct
from typing import Any

import openai
import pytest

from tests.gateway.vendor import DONE, USAGE, Answer, Vendor, VendorCall, chat_event
from tests.gateway.world import Served, World, eventually, question
from tests.security.asking import COST_NANO, PATH, ask

TEXT = chat_event("Hello")
STOP = chat_event(finish="stop")
TALE = chat_event(usage=USAGE) + DONE


async def _leave_when(served: Served, key: str, seen: bytes | None, *, resets: bool = False) -> None:
    """Ask for a stream, and go once these bytes came (None: before the vendor begins)."""
    body = json.dumps(question(stream=True, max_tokens=100)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    if seen is None:
        await eventually(lambda: served.gateway.reservations or None)
    else:
        await reader.readuntil(seen)
    if resets:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _gone(served: Served) -> None:
    await eventually(lambda: True if not served.server.server_state.connections else None)


@pytest.mark.parametrize("resets", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("when", ["before the first byte", "during", "at the last byte"])
async def test_a_stream_that_is_left_is_read_to_its_end_and_charged(
    served: Served, world: World, vendor: Vendor, key: str, when: str, resets: bool
) -> None:
    budget = world.add_budget(10**9)
    await served.catch_up(world)
    goes_on = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        if when == "before the first byte":
            await goes_on.wait()
        await call.begin_stream()
        await call.chunk(TEXT)
        if when == "during":
            await goes_on.wait()
        await call.chunk(STOP + chat_event(usage=USAGE))
        if when == "at the last byte":
            await goes_on.wait()
        await call.chunk(DONE)
        await call.end_stream()

    vendor.answer = answer
    seen = {"before the first byte": None, "during": b"Hello", "at the last byte": b'"stop"'}[when]
    await _leave_when(served, key, seen, resets=resets)
    await _gone(served)
    goes_on.set()
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["outcome"]) == (COST_NANO, "client_gone")
    assert (await world.at_rest(budget))["settled_nano"] == COST_NANO
    assert world.attempts() == []


async def test_leaving_a_hundred_streams_at_once_costs_what_a_hundred_cost(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(10**9)
    await served.catch_up(world)
    goes_on = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(TEXT)
        await goes_on.wait()
        await call.chunk(STOP + TALE)
        await call.end_stream()

    vendor.answer = answer
    await asyncio.gather(*(_leave_when(served, key, b"Hello") for _ in range(100)))
    await _gone(served)
    assert world.account(budget)["settled_nano"] == 0
    goes_on.set()
    assert len(await world.recorded(100)) == 100
    assert (await world.at_rest(budget))["settled_nano"] == 100 * COST_NANO


async def test_a_client_of_the_sdk_that_breaks_off_its_loop_is_charged_in_full(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk(key) as client:
        stream: Any = await client.chat.completions.create(**question(stream=True))
        async for chunk in stream:
            assert chunk.choices[0].delta.content == "Hel"
            break
        await stream.close()
    (record,) = await world.recorded()
    assert record["charge_nano"] == COST_NANO
    with pytest.raises(openai.APIStatusError):
        async with served.sdk("bsr_not_a_key") as stranger:
            await stranger.chat.completions.create(**question(stream=True))


SETTLED = {
    "only in the last frame": [TEXT, STOP, chat_event(usage=USAGE), DONE],
    "in the frame that finishes": [TEXT, chat_event(usage=USAGE, finish="stop"), DONE],
    "and the end in one frame": [TEXT + STOP + TALE],
    "without the end": [TEXT, STOP, chat_event(usage=USAGE)],
    "twice the same": [TEXT, STOP, chat_event(usage=USAGE), chat_event(usage=USAGE), DONE],
    "growing, the last one counts": [
        TEXT,
        chat_event(usage={"prompt_tokens": 9, "completion_tokens": 1}),
        chat_event(usage=USAGE),
        DONE,
    ],
    "followed by an error": [TEXT, STOP, chat_event(usage=USAGE), b'data: {"error":{"message":"late"}}\n\n', DONE],
    "followed by text": [TEXT, chat_event(usage=USAGE), TEXT, STOP, DONE],
    "and null ones before": [TEXT, b'data: {"choices":[],"usage":null}\n\n', STOP, chat_event(usage=USAGE), DONE],
    "cut into bytes": [bytes([byte]) for byte in TEXT + STOP + TALE],
}


async def test_a_stream_is_charged_by_usage(served: Served, world: World, vendor: Vendor, key: str) -> None:
    for number, (name, frames) in enumerate(SETTLED.items(), start=1):
        vendor.answer = streaming(frames)
        assert (await ask(served, key, stream=True)).status_code == 200
        records = await world.recorded(number)
        assert (name, records[-1]["charge_nano"]) == (name, COST_NANO)
    assert world.attempts() == []


HELD = {
    "nowhere": [TEXT, STOP, DONE],
    "null": [TEXT, STOP, b'data: {"choices":[],"usage":null}\n\n', DONE],
    "empty": [TEXT, STOP, b'data: {"choices":[],"usage":{}}\n\n', DONE],
    "fractional": [TEXT, b'data: {"choices":[],"usage":{"prompt_tokens":9.5,"completion_tokens":3}}\n\n', DONE],
    "negative": [TEXT, b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":-3}}\n\n', DONE],
    "as text": [TEXT, b'data: {"choices":[],"usage":{"prompt_tokens":"9","completion_tokens":3}}\n\n', DONE],
    "endless": [TEXT, b'data: {"choices":[],"usage":{"prompt_tokens":1e400,"completion_tokens":3}}\n\n', DONE],
    "beyond belief": [TEXT, b'data: {"choices":[],"usage":{"prompt_tokens":1099511627777,"completion_tokens":3}}\n\n'],
    "first right, then unreadable": [TEXT, chat_event(usage=USAGE), b'data: {"choices":[],"usage":{"x":1}}\n\n', DONE],
    "only said by the model": [chat_event('"usage":{"prompt_tokens":1,"completion_tokens":1}'), STOP, DONE],
    "only a running total, cut": [b'data: {"choices":[{"finish_reason":null}],"usage":{"prompt_tokens":9}}\n\n'],
    "in a comment": [TEXT, STOP, b': {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n', DONE],
}


async def test_usage_that_proves_nothing_leaves_the_money_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(10**9)
    await served.catch_up(world)
    for number, (name, frames) in enumerate(HELD.items(), start=1):
        vendor.answer = streaming(frames)
        assert (await ask(served, key, stream=True, max_tokens=100)).status_code == 200
        attempts = await world.suspended(number)
        assert (name, len(attempts)) == (name, number)
    held = [attempt["held_nano"] for attempt in await world.suspended(len(HELD))]
    assert min(held) > COST_NANO
    account = await eventually(lambda: found if (found := world.account(budget))["held_nano"] == sum(held) else None)
    assert account["settled_nano"] == 0
    assert world.records() == []


def streaming(frames: list[bytes]) -> Answer:
    """Return a vendor's manner: to every question these frames."""

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        for frame in frames:
            await call.chunk(frame)
        await call.end_stream()

    return answer
