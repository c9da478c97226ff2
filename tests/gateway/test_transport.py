"""Both transports keep the seam's promises."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from governance.gateway.limits import Limits
from governance.gateway.transport import AnswerLost, HttpxTransport, NothingSent, PyreqwestTransport, Transport
from governance.plugin.provider import Upstream
from tests.gateway.vendor import Vendor, VendorCall


@pytest.fixture(params=[PyreqwestTransport, HttpxTransport])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    made: Transport = request.param(Limits(connect_seconds=1))
    yield made
    await made.close()


def _upstream(vendor: Vendor) -> Upstream:
    headers = (("content-type", "application/json"), ("authorization", "Bearer x"))
    return Upstream(url=f"{vendor.base_url}/chat/completions", headers=headers)


async def test_it_sends_what_it_is_given_and_returns_what_comes(transport: Transport, vendor: Vendor) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b'{"a":1}', headers="content-type: application/json\r\nset-cookie: a=b")

    vendor.answer = answer
    for _ in range(2):
        reply = await transport.send(upstream=_upstream(vendor), body=b'{"model":"x"}', is_cancellable=False)
        assert reply.status == 200
        assert ("content-type", "application/json") in reply.headers
        assert await reply.next_chunk() == b'{"a":1}'
        assert await reply.next_chunk() == b""
        await reply.close()
    assert [call.body for call in vendor.calls] == [b'{"model":"x"}'] * 2
    assert vendor.calls[0].writer is vendor.calls[1].writer
    assert "cookie" not in vendor.calls[1].headers
    assert vendor.calls[0].headers.get("accept-encoding", "identity") == "identity"


async def test_chunks_come_as_they_are_sent(transport: Transport, vendor: Vendor) -> None:
    was_read = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(b"one")
        await was_read.wait()
        await call.chunk(b"two")
        await call.end_stream()

    vendor.answer = answer
    reply = await transport.send(upstream=_upstream(vendor), body=b"{}", is_cancellable=False)
    assert await reply.next_chunk() == b"one"
    was_read.set()
    assert await reply.next_chunk() == b"two"
    assert await reply.next_chunk() == b""
    await reply.close()


async def test_closing_early_closes_the_connection(transport: Transport, vendor: Vendor) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(b"one")
        await call.closed()
        was_closed.set()

    vendor.answer = answer
    reply = await transport.send(upstream=_upstream(vendor), body=b"{}", is_cancellable=False)
    await reply.next_chunk()
    await reply.close()
    await asyncio.wait_for(was_closed.wait(), 5)


async def test_a_vendor_that_does_not_begin_to_answer_is_hung_up_on(vendor: Vendor) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.closed()
        was_closed.set()

    vendor.answer = answer
    transport = PyreqwestTransport(Limits(first_byte_seconds=0.3, idle_seconds=0.3))
    with pytest.raises(AnswerLost) as lost:
        await transport.send(upstream=_upstream(vendor), body=b"{}", is_cancellable=False)
    assert lost.value.is_timeout
    await asyncio.wait_for(was_closed.wait(), 5)
    await transport.close()


async def test_it_tells_what_was_never_sent_from_what_was_lost(transport: Transport, vendor: Vendor) -> None:
    with pytest.raises(NothingSent):
        await transport.send(
            upstream=Upstream(url="http://127.0.0.1:9/v1", headers=()), body=b"{}", is_cancellable=False
        )

    async def hang_up(call: VendorCall) -> None:
        call.writer.transport.abort()

    vendor.answer = hang_up
    with pytest.raises(AnswerLost):
        await transport.send(upstream=_upstream(vendor), body=b"{}", is_cancellable=False)

    async def half(call: VendorCall) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        call.writer.transport.abort()

    vendor.answer = half
    reply = await transport.send(upstream=_upstream(vendor), body=b"{}", is_cancellable=False)
    with pytest.raises(AnswerLost):
        while await reply.next_chunk():
            pass
    await reply.close()


async def test_it_follows_no_redirect(transport: Transport, vendor: Vendor) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b"", status=302, headers=f"location: {vendor.base_url}/other")

    vendor.answer = answer
    reply = await transport.send(upstream=_upstream(vendor), body=b"{}", is_cancellable=False)
    assert reply.status == 302
    await reply.close()
    assert len(vendor.calls) == 1
