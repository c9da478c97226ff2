"""HTTP/1.1 to the letter: what clients and attackers put on the wire, and what they get back."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from governance.core.ids import Identifiers
from governance.gateway.connection import HttpConnection
from governance.gateway.exchange import Exchange
from governance.gateway.limits import Limits
from governance.gateway.watchdog import Watchdog
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, answer_plainly, chat_event
from tests.gateway.world import Served, question

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def wire(served: Served) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    yield reader, writer
    writer.close()


def post(key: str, body: dict[str, Any], *headers: str, version: str = "1.1") -> bytes:
    text = json.dumps(body).encode()
    lines = [
        f"POST /v1/chat/completions HTTP/{version}",
        "Host: x",
        f"Authorization: Bearer {key}",
        f"Content-Length: {len(text)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer that says its length."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.rstrip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers["content-length"]))
        return int(status.split(" ")[1]), headers, body


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.read()


async def test_requests_that_come_together_are_answered_in_their_order(wire: Streams, key: str, vendor: Vendor) -> None:
    reader, writer = wire
    writer.write(GET + post(key, question()) + GET)
    assert [(await answer(reader))[0] for _ in range(3)] == [200, 200, 200]
    assert len(vendor.calls) == 1


async def test_a_connection_serves_one_request_after_the_other(wire: Streams, key: str) -> None:
    reader, writer = wire
    for _ in range(3):
        writer.write(post(key, question()))
        status, headers, body = await answer(reader)
        assert (status, json.loads(body)["object"]) == (200, "chat.completion")
        assert "connection" not in headers and "date" in headers


async def test_the_client_that_says_so_gets_a_closed_connection(wire: Streams) -> None:
    reader, writer = wire
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await answer(reader))[1]["connection"] == "close"
    assert await rest(reader) == b""


async def test_a_client_of_http_1_0_gets_a_stream_without_chunks(wire: Streams, key: str, vendor: Vendor) -> None:
    reader, writer = wire
    events = [chat_event("a"), chat_event(usage=USAGE), DONE]

    async def stream(call: VendorCall) -> None:
        await call.begin_stream()
        for event in events:
            await call.chunk(event)
        await call.end_stream()

    vendor.answer = stream
    writer.write(post(key, question(stream=True, stream_options={"include_usage": True}), version="1.0"))
    head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head and b"connection: close" in head
    assert body == b"".join(events)


async def test_a_body_that_waits_to_be_asked_for_is_asked_for(wire: Streams, key: str) -> None:
    reader, writer = wire
    head, _, body = post(key, question(), "Expect: 100-continue").partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await answer(reader))[0] == 200


async def test_a_stranger_is_not_asked_for_a_body(wire: Streams) -> None:
    reader, writer = wire
    head, _, _ = post("bsr_nobody", question(), "Expect: 100-continue").partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    assert (await answer(reader))[0] == 401


async def test_a_body_that_nobody_wants_is_read_past(wire: Streams, key: str) -> None:
    reader, writer = wire
    writer.write(post("bsr_nobody", question("x" * 2**20)))
    assert (await answer(reader))[0] == 401
    await asyncio.wait_for(writer.drain(), 10)
    writer.write(post(key, question()))
    assert (await answer(reader))[0] == 200


async def test_a_body_in_chunks_is_a_body(wire: Streams, key: str) -> None:
    reader, writer = wire
    head, _, body = post(key, question()).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    writer.write(b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n")
    for part in (body[:10], body[10:]):
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
    writer.write(b"0\r\n\r\n")
    assert (await answer(reader))[0] == 200


async def test_a_chunk_that_is_none_is_refused(wire: Streams, key: str, vendor: Vendor) -> None:
    reader, writer = wire
    head, _, body = post(key, question()).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    writer.write(b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n5\r\n" + body[:5] + b"\r\nnone\r\n")
    status, headers, said = await answer(reader)
    assert (status, headers["connection"]) == (400, "close")
    assert "in whole chunks" in json.loads(said)["error"]["message"]
    assert vendor.calls == []


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\nabc",
        b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: x\n\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"nonsense\r\n\r\n",
    ],
)
async def test_what_two_parsers_could_read_in_two_ways_is_refused_and_ends_the_connection(
    wire: Streams, head: bytes
) -> None:
    reader, writer = wire
    writer.write(head + GET)
    said = await rest(reader)
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ", b"HTTP/1.1 405 "))
    assert b"connection: close" in said and said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("method", ["TRACE", "DELETE", "OPTIONS", "PUT"])
async def test_other_methods_are_refused(wire: Streams, method: str) -> None:
    reader, writer = wire
    writer.write(f"{method} /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await answer(reader))[0] == 405


async def test_an_answer_to_head_has_no_body(wire: Streams) -> None:
    reader, writer = wire
    writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ") and body == b""


async def test_the_wish_for_another_protocol_is_passed_over(wire: Streams, key: str) -> None:
    reader, writer = wire
    writer.write(post(key, question(), "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"))
    status, headers, _ = await answer(reader)
    assert (status, headers["connection"]) == (200, "close")
    assert await rest(reader) == b""


async def test_a_target_with_a_host_in_it_is_its_path(wire: Streams) -> None:
    reader, writer = wire
    writer.write(b"GET http://elsewhere.example/healthz?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await answer(reader))[0] == 200


class TestImpatience:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(keep_alive_seconds=0.2, header_seconds=0.3, watch_seconds=0.02)

    async def test_an_idle_connection_is_closed(self, wire: Streams) -> None:
        reader, writer = wire
        writer.write(GET)
        assert (await answer(reader))[0] == 200
        assert await rest(reader) == b""

    async def test_a_second_head_that_does_not_end_is_given_up_like_the_first(self, wire: Streams) -> None:
        reader, writer = wire
        writer.write(GET + GET[:20])
        assert (await answer(reader))[0] == 200
        assert await rest(reader) == b""

    async def test_a_refused_request_whose_body_does_not_end_is_given_up(self, wire: Streams) -> None:
        reader, writer = wire
        writer.write(post("bsr_nobody", question("x" * 100))[:-50])
        assert (await answer(reader))[0] == 401
        assert await rest(reader) == b""

    async def test_an_answer_takes_longer_than_a_connection_may_be_idle(
        self, served: Served, wire: Streams, key: str, vendor: Vendor
    ) -> None:
        reader, writer = wire
        asked = asyncio.Event()
        let_go = asyncio.Event()

        async def late(call: VendorCall) -> None:
            asked.set()
            await let_go.wait()
            await answer_plainly(call)

        vendor.answer = late
        writer.write(post(key, question()))
        await asyncio.wait_for(asked.wait(), 10)
        (connection,) = cast("set[HttpConnection]", served.server.server_state.connections)
        assert connection.expires_at == math.inf
        let_go.set()
        assert (await answer(reader))[0] == 200


class TestPatienceWithTheIdle:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(keep_alive_seconds=3600, header_seconds=0.3, watch_seconds=0.02)

    async def test_a_head_that_began_during_the_answer_has_no_more_time_than_another(
        self, wire: Streams, key: str, vendor: Vendor
    ) -> None:
        reader, writer = wire
        asked = asyncio.Event()
        let_go = asyncio.Event()

        async def late(call: VendorCall) -> None:
            asked.set()
            await let_go.wait()
            await answer_plainly(call)

        vendor.answer = late
        writer.write(post(key, question()) + GET[:20])
        await asyncio.wait_for(asked.wait(), 10)
        let_go.set()
        assert (await answer(reader))[0] == 200
        assert await rest(reader) == b""


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_extra_info(self, name: str) -> None:
        return None


def connected(answer: Any) -> tuple[HttpConnection, Transport]:
    state = SimpleNamespace(connections=set(), tasks=set(), default_headers=[])
    connection = HttpConnection(
        answer=answer,
        server=state,
        watchdog=Watchdog(interval_seconds=1),
        limits=Limits(),
        identifiers=Identifiers(),
    )
    transport = Transport()
    connection.connection_made(cast("asyncio.Transport", transport))
    return connection, transport


async def finished(connection: HttpConnection) -> BaseException | None:
    tasks = tuple(cast("Any", connection)._server.tasks)
    (result,) = await asyncio.gather(*tasks, return_exceptions=True)
    return cast("BaseException | None", result)


async def test_a_value_that_would_begin_a_header_of_its_own_is_not_sent() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, [(b"x-name", b"a\r\nset-cookie: b")], b"")

    connection, transport = connected(answer)
    connection.data_received(GET)
    assert isinstance(await finished(connection), ValueError)
    assert transport.written == b"" and transport.is_closed


async def test_nobody_is_answered_out_of_turn() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, [], b"whole")
        await exchange.write(b"more", is_last=False)

    connection, transport = connected(answer)
    connection.data_received(GET)
    assert isinstance(await finished(connection), RuntimeError)
    assert transport.written.endswith(b"\r\n\r\nwhole")


async def test_an_exchange_that_is_left_without_an_answer_ends_its_connection() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, [])

    connection, transport = connected(answer)
    connection.data_received(GET)
    assert await finished(connection) is None
    assert transport.is_closed


async def test_a_client_that_does_not_read_is_waited_for_and_a_lost_one_is_not() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one", is_last=False)
        await exchange.write(b"two", is_last=True)

    connection, transport = connected(answer)
    connection.pause_writing()
    connection.data_received(GET)
    await asyncio.sleep(0)
    assert transport.written == b""
    connection.resume_writing()
    assert await finished(connection) is None
    assert transport.written.endswith(b"3\r\ntwo\r\n0\r\n\r\n")
    connection.data_received(GET)
    connection.connection_lost(None)
    before = transport.written
    await finished(connection)
    assert transport.written == before


async def test_a_part_is_sent_at_once_only_while_the_client_reads_and_it_is_its_turn() -> None:
    sent: list[bool] = []

    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, [])
        sent.append(exchange.write_at_once(b"one"))
        connection.pause_writing()
        sent.append(exchange.write_at_once(b"two"))
        connection.resume_writing()
        await exchange.write(b"", is_last=True)
        sent.append(exchange.write_at_once(b"three"))

    connection, transport = connected(answer)
    connection.data_received(GET)
    assert await finished(connection) is None
    assert sent == [True, False, False]
    assert transport.written.endswith(b"3\r\none\r\n0\r\n\r\n")
