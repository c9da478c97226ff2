"""Vendors that smuggle: what is no reply of HTTP reaches no client, is never free, and spoils no other call."""

import asyncio
import gzip
import json

import pytest

from governance.gateway.limits import Limits
from tests.gateway.vendor import Answer, Vendor, VendorCall, answer_plainly, chat_reply
from tests.gateway.world import CREDENTIAL, Served, World
from tests.security.asking import COST_NANO, ask

JSON = b"content-type: application/json\r\n"
FORGED = chat_reply("forged")
TRUE = chat_reply("true")


@pytest.fixture
def limits() -> Limits:
    return Limits(retries=0, first_byte_seconds=1, idle_seconds=1, watch_seconds=0.05, database_seconds=20)


def raw(data: bytes) -> Answer:
    """Return an answer that is these bytes, followed by the end of the connection."""

    async def answer(call: VendorCall) -> None:
        await call.send(data)
        call.writer.close()

    return answer


def reply(*lines: bytes, body: bytes = TRUE, status: bytes = b"200 OK") -> bytes:
    """Return the bytes of a reply with these header lines."""
    return b"HTTP/1.1 " + status + b"\r\n" + JSON + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


UNREADABLE = {
    "two lengths": reply(b"content-length: %d" % len(TRUE), b"content-length: 5"),
    "a negative length": reply(b"content-length: -1"),
    "a length that is none": reply(b"content-length: many"),
    "a length without end": reply(b"content-length: 99999999999999999999999"),
    "a negative chunk": reply(b"transfer-encoding: chunked", body=b"-5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk that is none": reply(b"transfer-encoding: chunked", body=b"zz\r\nabcde\r\n0\r\n\r\n"),
    "a chunk without end": reply(b"transfer-encoding: chunked", body=b"ffffffffffffffffff\r\nabcde"),
    "a chunk that is longer than it says": reply(b"transfer-encoding: chunked", body=b"2\r\nabcde\r\n0\r\n\r\n"),
    "no last chunk": reply(b"transfer-encoding: chunked", body=b"5\r\nabcde\r\n"),
    "less than its length": reply(b"content-length: 900"),
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.9\r\n",
    "no status": b"HTTP/1.1 abc\r\n\r\n",
    "a header without a colon": reply(b"nothing", b"content-length: 2", body=b"{}"),
    "a header with a NUL": reply(b"x-request-id: a\x00b", b"content-length: 2", body=b"{}"),
    "a flood of headers": reply(*[b"x-ratelimit-%d: 1" % number for number in range(20_000)], b"content-length: 2"),
    "a header of a megabyte": reply(b"x-request-id: " + b"a" * 2**20, b"content-length: 2", body=b"{}"),
    "a switch of protocols": reply(status=b"101 Switching Protocols", body=b""),
    "nothing but informational answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
}


async def test_what_is_no_reply_of_http_is_an_error_and_its_money_stays_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for number, (name, data) in enumerate(UNREADABLE.items(), 1):
        vendor.answer = raw(data)
        answered = await ask(served, key)
        assert answered.status_code in (502, 504), name
        assert b"HTTP/1.1" not in answered.content and b"abcde" not in answered.content, name
        assert len(await world.suspended(number)) == number, name
    assert world.records() == []
    vendor.answer = answer_plainly
    assert (await ask(served, key)).status_code == 200


async def test_informational_answers_without_end_are_given_up(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    has_ended = asyncio.Event()

    async def flood(call: VendorCall) -> None:
        try:
            while True:
                await call.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
                await asyncio.sleep(0.01)
        finally:
            has_ended.set()

    vendor.answer = flood
    assert (await ask(served, key)).status_code in (502, 504)
    await asyncio.wait_for(has_ended.wait(), 10)
    await world.suspended()


async def test_what_follows_a_reply_is_nobodys_answer(served: Served, world: World, vendor: Vendor, key: str) -> None:
    forged = reply(b"content-length: %d" % len(FORGED), body=FORGED)

    async def answer(call: VendorCall) -> None:
        await call.send(reply(b"content-length: %d" % len(TRUE)) + forged)

    vendor.answer = answer
    for _ in range(5):
        answered = await ask(served, key)
        assert b"forged" not in answered.content
        if answered.status_code == 200:
            assert answered.content == TRUE
    records = await world.recorded()
    assert {record["charge_nano"] for record in records} == {COST_NANO}


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_bomb_of_the_vendors_is_passed_on_as_it_came_and_never_unfolded(
    served: Served, world: World, vendor: Vendor, key: str, is_stream: bool
) -> None:
    bomb = gzip.compress(b"0" * 2**26)
    kind = "text/event-stream" if is_stream else "application/json"

    async def answer(call: VendorCall) -> None:
        await call.reply(bomb, headers=f"content-type: {kind}\r\ncontent-encoding: gzip")

    vendor.answer = answer
    async with (
        served.client(key) as client,
        client.stream(
            "POST",
            "/v1/chat/completions",
            json={"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "stream": is_stream},
        ) as answered,
    ):
        assert answered.headers["content-encoding"] == "gzip"
        assert b"".join([part async for part in answered.aiter_raw()]) == bomb
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("usage_")


async def test_no_header_of_a_vendor_carries_the_credential_or_a_cookie_to_a_client(
    served: Served, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        leaks = [f"{name}: {CREDENTIAL}" for name in ("x-request-id", "openai-model", "x-ratelimit-key", "x-echo")]
        lines = [
            "content-type: application/json",
            *leaks,
            "set-cookie: a=b",
            "server: x",
            "access-control-allow-origin: *",
        ]
        await call.reply(TRUE, headers="\r\n".join(lines))

    vendor.answer = answer
    answered = await ask(served, key)
    assert answered.status_code == 200
    assert CREDENTIAL not in json.dumps(dict(answered.headers))
    assert not {"set-cookie", "server", "x-echo", "access-control-allow-origin"} & set(answered.headers)
