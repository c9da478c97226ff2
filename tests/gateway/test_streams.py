"""Streams: bytes as they arrive, no faster than they are read, and what is booked when somebody goes away."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from governance.gateway.limits import Limits
from governance.plugin.provider import AfterDisconnect
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, chat_event
from tests.gateway.world import Served, World, eventually, question

TAIL = chat_event(finish="stop") + chat_event(usage=USAGE) + DONE


@contextlib.asynccontextmanager
async def raw_stream(served: Served, key: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ask for a stream over a bare connection, whose reading is under control."""
    body = json.dumps(question(stream=True)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]), limit=2**14)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_the_first_event_arrives_before_the_last_was_sent(served: Served, vendor: Vendor, key: str) -> None:
    was_read = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("first"))
        await was_read.wait()
        await call.chunk(TAIL)
        await call.end_stream()

    vendor.answer = answer
    asked = {"method": "POST", "url": "/v1/chat/completions", "json": question(stream=True)}
    async with served.client(key) as client, client.stream(**asked) as reply:
        chunks = reply.aiter_raw()
        assert await anext(chunks) == chat_event("first")
        was_read.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert rest == chat_event(finish="stop") + DONE


async def test_events_cut_anywhere_arrive_unchanged(served: Served, world: World, vendor: Vendor, key: str) -> None:
    whole = (
        b": keep-alive\n\n" + chat_event("Grüße \U0001f600") + chat_event("x" * 200_000) + b"event: odd\ndata: 1\n\n"
    )

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        stream = whole + TAIL
        for start in range(0, len(stream), 977):
            await call.chunk(stream[start : start + 977])
        await call.end_stream()

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question(stream=True))
    assert reply.content == whole + chat_event(finish="stop") + DONE
    (record,) = await world.recorded()
    assert record["charge_nano"] == 15_000


async def test_when_the_client_goes_the_rest_is_read_and_settled(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    has_gone = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello"))
        await has_gone.wait()
        await call.chunk(TAIL)
        await call.end_stream()

    vendor.answer = answer
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with raw_stream(served, key) as (reader, _):
        await reader.readuntil(b"Hello")
    await eventually(lambda: True if not served.server.server_state.connections else None)
    has_gone.set()
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("client_gone", 15_000)
    assert (await world.at_rest(budget))["settled_nano"] == 15_000


async def test_a_provider_that_says_so_is_cancelled_when_the_client_goes(
    served: Served, world: World, vendor: Vendor, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = served.gateway.keeper.snapshot
    assert snapshot is not None
    provider = snapshot.aliases_of(world.organisation)["tiny"].deployments[0].provider
    monkeypatch.setattr(provider, "after_disconnect", AfterDisconnect.CANCEL)
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello"))
        await call.closed()
        was_closed.set()

    vendor.answer = answer
    budget = world.add_budget(20_000_000)
    await served.catch_up(world)
    async with raw_stream(served, key) as (reader, _):
        await reader.readuntil(b"Hello")
    await asyncio.wait_for(was_closed.wait(), 5)
    (attempt,) = await world.suspended()
    (record,) = await world.recorded()
    assert record["attempt_id"] == attempt["id"]
    assert (record["outcome"], record["is_estimated"], record["output_tokens"]) == ("client_gone", True, 2)
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (record["charge_nano"], attempt["held_nano"])


class TestBounds:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(
            lease_idle_seconds=0.3,
            first_byte_seconds=0.5,
            idle_seconds=0.5,
            write_stall_seconds=0.5,
            after_disconnect_seconds=1,
            after_disconnect_bytes=100_000,
            watch_seconds=0.05,
        )

    async def test_a_vendor_that_stalls_ends_the_stream_with_an_error_event(
        self, served: Served, world: World, vendor: Vendor, key: str
    ) -> None:
        async def answer(call: VendorCall) -> None:
            await call.begin_stream()
            await call.chunk(chat_event("Hello"))
            await call.closed()

        vendor.answer = answer
        async with served.client(key) as client:
            reply = await client.post("/v1/chat/completions", json=question(stream=True))
        first, last, rest = reply.content.split(b"\n\n")
        assert first + b"\n\n" == chat_event("Hello")
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "provider_timed_out"
        assert rest == b""
        (attempt,) = await world.suspended()
        assert attempt["suspense_reason"].startswith("cut_short")

    async def test_a_vendor_that_never_answers_is_given_up_and_its_money_stays_held(
        self, served: Served, world: World, vendor: Vendor, key: str
    ) -> None:
        async def answer(call: VendorCall) -> None:
            await call.closed()

        vendor.answer = answer
        async with served.client(key) as client:
            reply = await client.post("/v1/chat/completions", json=question())
        assert (reply.status_code, reply.json()["error"]["code"]) == (504, "provider_timed_out")
        assert reply.headers["x-should-retry"] == "false"
        (attempt,) = await world.suspended()
        assert str(attempt["id"]) == reply.headers["x-bursar-attempt-id"]
        assert attempt["suspense_reason"] == "vendor_timed_out"

    async def test_a_drain_without_end_is_bounded(self, served: Served, world: World, vendor: Vendor, key: str) -> None:
        async def answer(call: VendorCall) -> None:
            await call.begin_stream()
            with contextlib.suppress(ConnectionError):
                while not call.writer.is_closing():
                    await call.chunk(chat_event("x" * 1000))

        vendor.answer = answer
        async with raw_stream(served, key) as (reader, _):
            await reader.readuntil(b"x" * 1000)
        (attempt,) = await world.suspended()
        assert attempt["suspense_reason"].startswith("client_gone")

    async def test_a_reader_that_stands_still_holds_the_vendor_back_and_is_cut_off(
        self, served: Served, world: World, vendor: Vendor, key: str
    ) -> None:
        sent = 0

        async def answer(call: VendorCall) -> None:
            nonlocal sent
            await call.begin_stream()
            with contextlib.suppress(ConnectionError):
                for _ in range(50_000):
                    await call.chunk(chat_event("x" * 1000))
                    sent += 1000

        vendor.answer = answer
        async with raw_stream(served, key) as (reader, _):
            await reader.readuntil(b"x" * 1000)
            (attempt,) = await world.suspended()
            assert sent < 30_000_000
        assert attempt["suspense_reason"].startswith("cut_short")
        assert not served.gateway.in_flight


async def test_a_vendor_that_breaks_off_ends_the_stream_with_an_error_event_and_no_done(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello") + b'data: {"half')
        call.writer.transport.abort()

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question(stream=True))
    first, last, rest = reply.content.split(b"\n\n")
    assert first + b"\n\n" == chat_event("Hello")
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "provider_unavailable"
    assert rest == b""
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("cut_short")


async def test_a_stream_that_ends_without_usage_stays_in_suspense(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello") + chat_event(finish="stop") + DONE)
        await call.end_stream()

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question(stream=True))
    assert reply.content.endswith(DONE)
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == "usage_missing (output seen: 5 bytes)"


async def test_a_vendor_that_does_not_stream_when_asked_is_read_as_a_whole(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b'{"usage":{"prompt_tokens":1,"completion_tokens":1},"choices":[]}')

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question(stream=True))
    assert reply.headers["content-type"] == "application/json"
    (record,) = await world.recorded()
    assert record["charge_nano"] == 3000


async def test_two_hundred_callers_at_once_each_get_their_own_bytes(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        name = call.json["messages"][0]["content"]
        if not call.json.get("stream"):
            await call.reply(json.dumps({"id": name, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode())
            return
        await call.begin_stream()
        for _ in range(5):
            await call.chunk(chat_event(name))
            await asyncio.sleep(0)
        await call.chunk(TAIL)
        await call.end_stream()

    vendor.answer = answer
    async with served.client(key) as client:

        async def ask(number: int) -> None:
            name, is_stream = f"caller-{number}", number % 2 == 0
            reply = await client.post("/v1/chat/completions", json=question(name, stream=is_stream))
            if is_stream:
                assert reply.content == chat_event(name) * 5 + chat_event(finish="stop") + DONE
            else:
                assert reply.json()["id"] == name

        for _ in range(2):
            await asyncio.gather(*(ask(number) for number in range(200)))
    assert len(await world.recorded(400)) == 400
    await eventually(lambda: True if not world.attempts() else None)
