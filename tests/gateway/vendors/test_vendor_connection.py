"""A connection to a vendor: what is sent, what is taken for an answer, and when the connection is used again."""

import asyncio
import contextlib

import pytest

from governance.gateway.limits import Limits
from governance.gateway.transport import AnswerLost, NothingSent
from governance.gateway.vendor_pool import VendorPool
from governance.gateway.watchdog import Watchdog
from governance.plugin.provider import Upstream
from tests.gateway.vendor import Answer, Vendor, VendorCall
from tests.gateway.vendors.asking import ask, upstream, whole


def saying(raw: bytes, *, hangs_up: bool = False) -> Answer:
    """Return an answer of exactly these bytes."""

    async def answer(call: VendorCall) -> None:
        await call.send(raw)
        if hangs_up:
            call.writer.close()
            await call.writer.wait_closed()

    return answer


async def test_it_sends_what_it_is_given_and_returns_what_comes(pool: VendorPool, vendor: Vendor) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b'{"a":1}', headers="Content-Type: application/json\r\nset-cookie: a=b\r\nset-cookie: c=d")

    vendor.answer = answer
    for _ in range(2):
        reply = await pool.send(upstream=upstream(vendor), body=b'{"model":"x"}')
        assert reply.status == 200
        assert ("content-type", "application/json") in reply.headers
        assert [value for name, value in reply.headers if name == "set-cookie"] == ["a=b", "c=d"]
        assert await reply.next_chunk() == b'{"a":1}'
        assert await reply.next_chunk() == b""
        await reply.close()
    assert [call.body for call in vendor.calls] == [b'{"model":"x"}'] * 2
    assert vendor.calls[0].writer is vendor.calls[1].writer
    assert vendor.calls[1].headers == {
        "host": f"127.0.0.1:{vendor.port}",
        "user-agent": "bursar",
        "accept": "*/*",
        "content-type": "application/json",
        "authorization": "Bearer x",
        "content-length": "13",
    }


async def test_chunks_come_as_they_are_sent(pool: VendorPool, vendor: Vendor) -> None:
    was_read = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(b"one")
        await was_read.wait()
        await call.chunk(b"two")
        await call.end_stream()

    vendor.answer = answer
    reply = await pool.send(upstream=upstream(vendor), body=b"{}")
    assert await reply.next_chunk() == b"one"
    was_read.set()
    assert await whole(reply) == b"two"


async def test_every_caller_gets_its_own_answer(pool: VendorPool, vendor: Vendor) -> None:
    async def answer(call: VendorCall) -> None:
        await asyncio.sleep(0)
        await call.reply(call.body * 3)

    vendor.answer = answer
    bodies = [b"%d." % number * 500 for number in range(40)]

    async def caller(number: int) -> None:
        for turn in range(5):
            body = bodies[(number + turn) % len(bodies)]
            assert await ask(pool, vendor, body) == body * 3

    await asyncio.gather(*[caller(number) for number in range(40)])
    assert len(vendor.calls) == 200
    assert len({id(call.writer) for call in vendor.calls}) <= 40


async def test_a_vendor_that_does_not_read_gets_no_more_than_it_takes_and_one_that_is_not_read_waits(
    pool: VendorPool, vendor: Vendor
) -> None:
    sent = 0
    part = b"x" * 65536

    async def answer(call: VendorCall) -> None:
        nonlocal sent
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1000 * len(part)))
        for _ in range(1000):
            await call.send(part)
            sent += len(part)

    vendor.answer = answer
    reply = await pool.send(upstream=upstream(vendor), body=b"{}" * 1_000_000)
    size = len(await reply.next_chunk())
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.05)
    assert sent < 900 * len(part)
    while chunk := await reply.next_chunk():
        size += len(chunk)
    assert size == 1000 * len(part)
    await reply.close()


async def test_closing_early_closes_the_connection(pool: VendorPool, vendor: Vendor) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(b"one")
        await call.closed()
        was_closed.set()

    vendor.answer = answer
    reply = await pool.send(upstream=upstream(vendor), body=b"{}")
    await reply.next_chunk()
    await reply.close()
    await asyncio.wait_for(was_closed.wait(), 5)


async def test_giving_up_the_wait_closes_the_connection(pool: VendorPool, vendor: Vendor) -> None:
    was_asked, was_closed = asyncio.Event(), asyncio.Event()

    async def answer(call: VendorCall) -> None:
        was_asked.set()
        await call.closed()
        was_closed.set()

    vendor.answer = answer
    asking = asyncio.create_task(ask(pool, vendor))
    await was_asked.wait()
    asking.cancel()
    await asyncio.wait_for(was_closed.wait(), 5)
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_vendor_that_does_not_begin_to_answer_is_hung_up_on(vendor: Vendor, watchdog: Watchdog) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.closed()
        was_closed.set()

    vendor.answer = answer
    pool = VendorPool(Limits(first_byte_seconds=0.1), watchdog=watchdog)
    with pytest.raises(AnswerLost) as lost:
        await pool.send(upstream=upstream(vendor), body=b"{}")
    assert lost.value.is_timeout
    await asyncio.wait_for(was_closed.wait(), 5)


async def test_a_connection_that_broke_under_a_request_may_have_been_heard(pool: VendorPool, vendor: Vendor) -> None:
    async def hang_up(call: VendorCall) -> None:
        call.writer.transport.abort()

    vendor.answer = hang_up
    with pytest.raises(AnswerLost) as lost:
        await ask(pool, vendor)
    assert not lost.value.is_timeout

    async def half(call: VendorCall) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        call.writer.transport.abort()

    vendor.answer = half
    with pytest.raises(AnswerLost):
        await ask(pool, vendor)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nx-a: b\r\n folded: c\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * 70_000,
    ],
)
async def test_what_is_no_answer_is_not_taken_for_one(pool: VendorPool, vendor: Vendor, raw: bytes) -> None:
    vendor.answer = saying(raw)
    with pytest.raises(AnswerLost) as lost:
        await ask(pool, vendor)
    assert not lost.value.is_timeout


async def test_answers_on_the_way_are_passed_over(pool: VendorPool, vendor: Vendor) -> None:
    vendor.answer = saying(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    )
    for _ in range(2):
        reply = await pool.send(upstream=upstream(vendor), body=b"{}")
        assert (reply.status, reply.headers) == (200, (("content-length", "2"),))
        assert await whole(reply) == b"hi"
    assert vendor.calls[0].writer is vendor.calls[1].writer


async def test_trailers_are_no_headers(pool: VendorPool, vendor: Vendor) -> None:
    vendor.answer = saying(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nset-cookie: a=b\r\n\r\n"
    )
    reply = await pool.send(upstream=upstream(vendor), body=b"{}")
    assert await whole(reply) == b"hi"
    assert reply.headers == (("transfer-encoding", "chunked"),)


async def test_an_answer_without_a_length_ends_with_its_connection(pool: VendorPool, vendor: Vendor) -> None:
    vendor.answer = saying(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it", hangs_up=True)
    for _ in range(2):
        assert await ask(pool, vendor) == b"all of it"
    assert vendor.calls[0].writer is not vendor.calls[1].writer


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi and more",
    ],
)
async def test_a_connection_that_says_more_or_is_over_is_not_used_again(
    pool: VendorPool, vendor: Vendor, raw: bytes
) -> None:
    vendor.answer = saying(raw)
    assert await ask(pool, vendor) == b"hi"
    vendor.answer = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood")
    assert await ask(pool, vendor) == b"good"
    assert vendor.calls[0].writer is not vendor.calls[-1].writer


async def test_what_comes_while_nothing_was_asked_closes_the_connection(pool: VendorPool, vendor: Vendor) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.reply(b"hi")
        if len(vendor.calls) == 1:
            await asyncio.sleep(0.05)
            await call.reply(b"unasked")
            await call.closed()
            was_closed.set()

    vendor.answer = answer
    assert await ask(pool, vendor) == b"hi"
    await asyncio.wait_for(was_closed.wait(), 5)
    assert await ask(pool, vendor) == b"hi"


async def test_an_early_answer_to_a_body_that_is_not_read_ends_the_connection(pool: VendorPool, vendor: Vendor) -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        with contextlib.suppress(ConnectionError):
            await closed.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    to = Upstream(url=f"http://127.0.0.1:{port}/v1", headers=())
    reply = await pool.send(upstream=to, body=b"x" * 16_000_000)
    assert reply.status == 413
    assert await whole(reply) == b"no"
    again = await pool.send(upstream=to, body=b"{}")
    assert await whole(again) == b"no"
    closed.set()
    server.close()


async def test_a_vendor_closes_an_idle_connection_and_another_one_is_opened(pool: VendorPool, vendor: Vendor) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.reply(b"hi")
        if len(vendor.calls) == 1:
            call.writer.close()
            await call.writer.wait_closed()
            was_closed.set()

    vendor.answer = answer
    assert await ask(pool, vendor) == b"hi"
    await was_closed.wait()
    await asyncio.sleep(0.05)
    assert await ask(pool, vendor) == b"hi"


async def test_an_idle_connection_is_closed_after_a_while(vendor: Vendor, watchdog: Watchdog) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.reply(b"hi")
        await call.closed()
        was_closed.set()

    vendor.answer = answer
    pool = VendorPool(Limits(pool_idle_seconds=0.05), watchdog=watchdog)
    assert await ask(pool, vendor) == b"hi"
    await asyncio.wait_for(was_closed.wait(), 5)


async def test_it_follows_no_redirect(pool: VendorPool, vendor: Vendor) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b"", status=302, headers=f"location: {vendor.base_url}/other")

    vendor.answer = answer
    reply = await pool.send(upstream=upstream(vendor), body=b"{}")
    assert reply.status == 302
    assert await whole(reply) == b""
    assert len(vendor.calls) == 1


async def test_a_request_is_not_sent_on_a_connection_that_is_busy(pool: VendorPool, vendor: Vendor) -> None:
    reply = await pool.send(upstream=upstream(vendor), body=b"{}")
    connection = reply._connection  # type: ignore[attr-defined]
    with pytest.raises(NothingSent):
        await connection.ask(b"POST / HTTP/1.1\r\n\r\n", b"")
    await reply.close()
