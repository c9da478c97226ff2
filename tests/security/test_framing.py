"""Requests that two parsers could read in two ways: one of them is refused, and nothing behind it is ever served."""

import asyncio
import contextlib
import json

import pytest

from governance.gateway.limits import Limits
from tests.gateway.vendor import Vendor, VendorCall, answer_plainly
from tests.gateway.world import Served, World, eventually, question
from tests.security.raw import SMUGGLED, asked, head, port_of, statuses, told, whole

BODY = json.dumps(question("first")).encode()
CHUNKED = b"Transfer-Encoding: chunked"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
CLOSE = b"Connection: close"


@pytest.fixture
def limits() -> Limits:
    return Limits(header_seconds=1, keep_alive_seconds=1, body_seconds=1, watch_seconds=0.05, write_stall_seconds=1)


LENGTHS = (
    (b"Content-Length: 5", CHUNKED),
    (CHUNKED, b"Content-Length: 5"),
    (CHUNKED, b"Transfer-Encoding: cow"),
    (b"Transfer-Encoding: cow", b"Content-Length: 0"),
    (b"Transfer-Encoding: xchunked",),
    (b"Transfer-Encoding: chunked, identity",),
    (b"Transfer-Encoding: identity",),
    (b"Transfer-Encoding: \x0bchunked",),
    (b"Transfer-Encoding : chunked",),
    (b"Transfer-Encoding:\r\n chunked",),
    (b"X-A: b", b" Transfer-Encoding: chunked"),
    (b"X-A: b\nTransfer-Encoding: chunked",),
    (b"X-A: b\rTransfer-Encoding: chunked",),
    (b"X-A: b\x00Transfer-Encoding: chunked",),
    (b"Content-Length : 5",),
    (b"Content-Length: 0", b"Content-Length: 5"),
    (b"Content-Length: 5", b"Content-Length: 5"),
    (b"Content-Length: 0, 5",),
    (b"Content-Length: +5",),
    (b"Content-Length: -5",),
    (b"Content-Length: 0x5",),
    (b"Content-Length: 5 5",),
    (b"Content-Length: 5.0",),
    (b"Content-Length: 184467440737095516170",),
    (b"Content-Length\x00: 5",),
    (b": no name",),
    (b"a header without a colon",),
)


async def test_a_length_that_two_parsers_could_read_in_two_ways_is_refused_with_all_that_follows(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for lines in LENGTHS:
        said = await told(served, head(key, *lines) + b"0\r\n\r\n" + whole(key, SMUGGLED))
        assert statuses(said) == [400], lines
        assert b"connection: close" in said
    assert vendor.calls == [] and world.attempts() == [] and world.records() == []


CHUNKS = (
    b"-5\r\nabcde\r\n0\r\n\r\n",
    b"+5\r\nabcde\r\n0\r\n\r\n",
    b"0x5\r\nabcde\r\n0\r\n\r\n",
    b"\r\nabcde\r\n0\r\n\r\n",
    b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
    b"5\nabcde\n0\n\n",
    b"5\r\nabcde0\r\n\r\n",
    b"5\r\nabcdefg\r\n0\r\n\r\n",
    b"5;a\nb\r\nabcde\r\n0\r\n\r\n",
    b"5;a\rb\r\nabcde\r\n0\r\n\r\n",
    b"0\r\nX-A : b\r\n\r\n",
)


async def test_a_chunk_that_is_none_is_refused_with_all_that_follows(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for chunks in CHUNKS:
        said = await told(served, head(key, CHUNKED) + chunks + whole(key, SMUGGLED))
        assert statuses(said) == [400], chunks
        assert b"connection: close" in said
    assert vendor.calls == [] and world.attempts() == []


async def test_chunk_extensions_are_passed_over(served: Served, vendor: Vendor, key: str) -> None:
    framed = b"%x;a=b;c\r\n%b\r\n0;d=e\r\n\r\n" % (len(BODY), BODY)
    assert statuses(await told(served, head(key, CHUNKED, CLOSE) + framed)) == [200]
    assert asked(vendor) == ["first"]


async def test_what_follows_a_body_in_chunks_is_no_header(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    trailers = b"0\r\nAuthorization: Bearer %b\r\nX-Bursar-Tags: a=b\r\n\r\n" % key.encode()
    said = await told(served, head("bsr_nobody", CHUNKED, CLOSE).replace(b"Authorization", b"X-A") + CHUNK + trailers)
    assert statuses(said) == [401]
    said = await told(served, head(key, CHUNKED, CLOSE) + CHUNK + trailers)
    assert statuses(said) == [200]
    (record,) = await world.recorded()
    assert record["tags"] == {}


async def test_what_frames_a_body_is_bounded_as_its_head_is(served: Served, vendor: Vendor, key: str) -> None:
    trailer, extension = CHUNK + b"0\r\n", b"1;"
    for begin, endless in ((trailer, b"x: y\r\n" * 10_000), (trailer, b"x" * 60_000), (extension, b"a" * 60_000)):
        said = await told(served, head(key, CHUNKED) + begin, *[endless] * 40)
        assert set(statuses(said)) <= {400}
        assert not served.gateway.in_flight
    assert vendor.calls == []


async def test_ten_thousand_headers_are_refused_however_short_they_are(served: Served, key: str) -> None:
    for line in (b"a:", b"x-%d: y"):
        lines = [line % number if b"%" in line else line for number in range(10_000)]
        assert statuses(await told(served, head(key, *lines))) == [431]


async def test_as_many_headers_as_anybody_sends_are_taken(served: Served, key: str) -> None:
    lines = [b"x-%d: y" % number for number in range(200)]
    assert statuses(await told(served, whole(key, "Hi", CLOSE, *lines))) == [200]


TARGETS = (
    (b"CONNECT example.org:443 HTTP/1.1", {400, 404, 405}),
    (b"TRACE /v1/chat/completions HTTP/1.1", {405}),
    (b"PRI * HTTP/2.0", {400, 405}),
    (b"OPTIONS * HTTP/1.1", {404}),
    (b"POST http://elsewhere.example/v1/secrets HTTP/1.1", {404}),
    (b"POST //v1/chat/completions HTTP/1.1", {404}),
    (b"POST /v1/../v1/chat/completions HTTP/1.1", {404}),
    (b"POST /v1/chat/completions/ HTTP/1.1", {404}),
    (b"POST /v1/chat%00/completions HTTP/1.1", {404}),
    (b"POST /V1/chat/completions HTTP/1.1", {404}),
    (b"post /v1/chat/completions HTTP/1.1", {400}),
    (b"POST /v1/chat/completions", {400}),
    (b"POST /v1/chat/completions HTTP/0.9", {400}),
    (b"POST /v1/chat completions HTTP/1.1", {400}),
    (b"POST \xff/v1/chat/completions HTTP/1.1", {400}),
)


async def test_other_targets_methods_and_versions_reach_nobody(served: Served, vendor: Vendor, key: str) -> None:
    usual = b"POST /v1/chat/completions HTTP/1.1"
    for request_line, expected in TARGETS:
        said = await told(served, whole(key, "Hi", CLOSE).replace(usual, request_line))
        assert len(statuses(said)) == 1 and set(statuses(said)) <= expected, request_line
        assert key.encode() not in said
    assert vendor.calls == []


async def test_the_path_decides_and_no_host_or_forwarded_header_does(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    lies = (
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Forwarded-Host: evil.example",
        b"X-Forwarded-Proto: https",
        b"Forwarded: for=127.0.0.1;host=evil.example",
        b"X-Original-URL: /metrics",
        b"X-Rewrite-URL: /metrics",
        b"X-HTTP-Method-Override: GET",
        b"X-Real-IP: 127.0.0.1",
    )
    said = await told(served, whole(key, "Hi", CLOSE, *lies).replace(b"Host: x", b"Host: evil.example"))
    assert statuses(said) == [200]
    assert b"evil" not in said
    (call,) = vendor.calls
    assert (call.path, call.headers["host"]) == ("/v1/chat/completions", f"127.0.0.1:{vendor.port}")
    refused = await told(served, whole("bsr_nobody", "Hi", CLOSE, *lies))
    assert statuses(refused) == [401]


async def test_no_header_of_a_client_reaches_a_vendor(served: Served, vendor: Vendor, key: str) -> None:
    lines = (
        b"X-Api-Key: " + key.encode(),
        b"OpenAI-Organization: org-evil",
        b"Proxy-Authorization: Basic ZXZpbA==",
        b"Cookie: sessionid=evil",
        b"Accept-Encoding: gzip",
        b"Content-Type: text/evil",
        b"X-Request-Id: evil",
        b"TE: trailers",
        b"Connection: close, authorization, content-length",
    )
    assert statuses(await told(served, whole(key, "Hi", *lines))) == [200]
    (call,) = vendor.calls
    own = {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "authorization"}
    assert set(call.headers) <= own
    assert call.headers["authorization"] == "Bearer sk-canary-of-the-vendor-7c1f"
    assert "evil" not in str(call.headers) and key not in str(call.headers)


async def test_tags_hold_nothing_that_could_end_a_line(served: Served, world: World, key: str) -> None:
    for tags in (b"a=b\tc", b"a=\x80", b"a=b,c", b"a=b;\xc3\xa9", b"=b", b"a=" + b"b" * 200):
        assert statuses(await told(served, whole(key, "Hi", CLOSE, b"X-Bursar-Tags: " + tags))) == [400], tags
    assert world.records() == []


async def test_a_name_of_the_catalogue_with_a_line_end_in_it_begins_no_header(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    model = world.add_model("odd\r\nset-cookie: a=b")
    world.add_alias("odd", model=model, upstream_name="odd\r\nx-evil: yes")
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json={**question(), "model": "odd"})
    assert reply.status_code == 200
    assert "set-cookie" not in reply.headers and reply.headers["x-bursar-model"] == "odd??set-cookie: a=b"
    (call,) = vendor.calls
    assert "x-evil" not in call.headers and call.json["model"] == "odd\r\nx-evil: yes"


async def test_who_sends_requests_and_reads_no_answer_is_cut_off(served: Served, key: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(served), limit=1024)
    await eventually(lambda: served.server.server_state.connections or None)
    try:
        async with asyncio.timeout(20):
            while served.server.server_state.connections:
                writer.write(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
                if writer.transport.is_closing():
                    break
                with contextlib.suppress(TimeoutError, ConnectionError):
                    async with asyncio.timeout(0.05):
                        await writer.drain()
            while served.server.server_state.connections:  # noqa: ASYNC110 - the gateway sets no event here
                await asyncio.sleep(0.02)
    finally:
        writer.transport.abort()
    assert not served.gateway.in_flight


async def test_a_question_in_flight_is_answered_once_whatever_is_behind_it(
    served: Served, vendor: Vendor, key: str
) -> None:
    may_answer = asyncio.Event()

    async def late(call: VendorCall) -> None:
        await may_answer.wait()
        await answer_plainly(call)

    vendor.answer = late
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(served))
    writer.write(whole(key, "first") + b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
    writer.write(whole(key, SMUGGLED))
    async with asyncio.timeout(10):
        while not vendor.calls:  # noqa: ASYNC110 - the vendor sets no event here
            await asyncio.sleep(0.01)
        may_answer.set()
        said = await reader.read()
    writer.close()
    assert statuses(said) == [200]
    assert asked(vendor) == ["first"]
