"""Clients that go away before they have their answer: noticed always, nothing more written, the cost booked."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from governance.gateway.limits import Limits
from governance.plugin.provider import AfterDisconnect
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, chat_event, chat_reply
from tests.gateway.world import Served, World, eventually, question

TAIL = chat_event(finish="stop") + chat_event(usage=USAGE) + DONE
KINDS = pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])


@contextlib.asynccontextmanager
async def asking(
    served: Served, key: str, *, text: str = "Hi", is_stream: bool = False
) -> AsyncIterator[asyncio.StreamReader]:
    """Ask over a bare connection, and hang up at the end of the block."""
    body = json.dumps(question(text, stream=is_stream)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]), limit=2**20)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    try:
        yield reader
    finally:
        writer.transport.abort()
        await eventually(lambda: True if not served.server.server_state.connections else None)


@pytest.fixture
def cancelling(served: Served, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the provider of `tiny` be one whose calls are cancelled."""
    snapshot = served.gateway.keeper.snapshot
    assert snapshot is not None
    provider = snapshot.aliases_of(world.organisation)["tiny"].deployments[0].provider
    monkeypatch.setattr(provider, "after_disconnect", AfterDisconnect.CANCEL)


class Slow:
    """A vendor that has been asked, and answers when it is told to."""

    def __init__(self, vendor: Vendor) -> None:
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.was_hung_up_on = asyncio.Event()
        self._plainly = vendor.answer
        vendor.answer = self._answer

    async def _answer(self, call: VendorCall) -> None:
        self.was_asked.set()
        waiting = [asyncio.create_task(self.may_answer.wait()), asyncio.create_task(call.closed())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if self.may_answer.is_set():
            await self._plainly(call)
        else:
            self.was_hung_up_on.set()


@KINDS
async def test_when_the_client_goes_before_the_first_byte_the_answer_is_read_and_settled(
    served: Served, world: World, vendor: Vendor, key: str, is_stream: bool
) -> None:
    slow = Slow(vendor)
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with asking(served, key, is_stream=is_stream):
        await slow.was_asked.wait()
    slow.may_answer.set()
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("client_gone", 15_000)
    assert (await world.at_rest(budget))["settled_nano"] == 15_000
    await eventually(lambda: True if not served.gateway.in_flight else None)


async def test_a_client_whose_request_was_long_is_noticed_too(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    slow = Slow(vendor)
    async with asking(served, key, text="x" * 300_000):
        await slow.was_asked.wait()
    slow.may_answer.set()
    (record,) = await world.recorded()
    assert record["outcome"] == "client_gone"


async def test_a_client_that_stays_is_no_departure_and_neither_is_one_that_goes_after_its_answer(
    served: Served, world: World, key: str
) -> None:
    async with served.client(key) as client:
        for _ in range(2):
            assert (await client.post("/v1/chat/completions", json=question())).status_code == 200
    records = await world.recorded(2)
    assert [record["outcome"] for record in records] == ["completed", "completed"]


@KINDS
async def test_a_provider_that_says_so_is_hung_up_on_before_its_first_byte_and_the_money_stays_held(
    served: Served, world: World, vendor: Vendor, key: str, cancelling: None, is_stream: bool
) -> None:
    slow = Slow(vendor)
    budget = world.add_budget(20_000_000)
    await served.catch_up(world)
    async with asking(served, key, is_stream=is_stream):
        await slow.was_asked.wait()
    await asyncio.wait_for(slow.was_hung_up_on.wait(), 5)
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == "client_gone"
    assert world.account(budget)["held_nano"] == attempt["held_nano"] > 0


async def test_a_provider_that_is_cancelled_answers_those_who_stay_as_any_other(
    served: Served, world: World, key: str, cancelling: None
) -> None:
    async with served.client(key) as client:
        whole = await client.post("/v1/chat/completions", json=question())
        stream = await client.post("/v1/chat/completions", json=question(stream=True))
    assert whole.content == chat_reply()
    assert stream.content.endswith(chat_event(finish="stop") + DONE)
    assert [record["outcome"] for record in await world.recorded(2)] == ["completed", "completed"]


async def test_a_vendors_error_for_a_client_that_has_gone_is_booked_as_for_any_other(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b'{"error":{"message":"no"}}', status=400)

    vendor.answer = answer
    slow = Slow(vendor)
    async with asking(served, key):
        await slow.was_asked.wait()
    slow.may_answer.set()
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("vendor_error", 0)


async def test_nothing_is_sent_for_a_client_that_went_while_its_money_was_being_reserved(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with served.client(key) as client:
        await client.post("/v1/chat/completions", json=question())
    # Nothing may be left in hand, or the next call is paid from that.
    await world.at_rest(budget)
    with world.owner.transaction():
        world.execute("SELECT FROM budgets_account WHERE budget_id = %s FOR UPDATE", budget)
        async with asking(served, key):
            await eventually(lambda: True if served.gateway.in_flight else None)
    await eventually(lambda: True if not served.gateway.in_flight else None)
    await world.at_rest(budget)
    assert world.attempts() == []
    assert len(vendor.calls) == 1


class Script:
    """A vendor that sends these pieces of a stream, then says nothing more until it is hung up on, or told to end."""

    def __init__(self, vendor: Vendor, *pieces: bytes) -> None:
        self.was_sent = asyncio.Event()
        self.may_end = asyncio.Event()
        self.was_hung_up_on = asyncio.Event()
        self.pieces = pieces
        vendor.answer = self._answer

    async def _answer(self, call: VendorCall) -> None:
        await call.begin_stream()
        for piece in self.pieces:
            await call.chunk(piece)
        self.was_sent.set()
        waiting = [asyncio.create_task(self.may_end.wait()), asyncio.create_task(call.closed())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if self.may_end.is_set():
            await call.chunk(TAIL)
            await call.end_stream()
        else:
            self.was_hung_up_on.set()


def running(prompt: int, completion: int) -> bytes:
    """Return an event that carries output and the usage so far, as some vendors send with every event."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice], "usage": usage}).encode() + b"\n\n"


async def leave(served: Served, key: str, script: Script) -> int:
    """Ask for a stream, go when all of it has been relayed that was sent; return the request's bytes."""
    async with asking(served, key, is_stream=True) as reader:
        await script.was_sent.wait()
        if script.pieces:
            # The end of a large event is enough, which comes in more than one chunk.
            await reader.readuntil(script.pieces[-1].split(b"\n\n")[-2][-200:])
    return len(json.dumps(question("Hi", stream=True)).encode())


@pytest.mark.parametrize(
    ("pieces", "tokens"),
    [
        ((chat_event("Hello"),), (None, 2)),
        ((chat_event("a"), chat_event("b"), chat_event("c")), (None, 3)),
        ((chat_event("x" * 100_000),), (None, 1000)),
        ((running(9, 1), running(9, 7)), (9, 7)),
        ((running(9, 1), chat_event("x" * 40)), (9, 11)),
    ],
    ids=["by bytes", "by events", "up to the maximum", "as the vendor counts", "not below what was seen"],
)
async def test_a_stream_that_is_cancelled_is_settled_at_an_estimate_and_the_rest_stays_held(
    served: Served,
    world: World,
    vendor: Vendor,
    key: str,
    cancelling: None,
    pieces: tuple[bytes, ...],
    tokens: tuple[int | None, int],
) -> None:
    script = Script(vendor, *pieces)
    budget = world.add_budget(20_000_000)
    await served.catch_up(world)
    size = await leave(served, key, script)
    await asyncio.wait_for(script.was_hung_up_on.wait(), 5)
    (attempt,) = await world.suspended()
    (record,) = await world.recorded()
    input_tokens = tokens[0] or -(-size // 4)
    assert (record["input_tokens"], record["output_tokens"]) == (input_tokens, tokens[1])
    assert record["charge_nano"] == input_tokens * 1000 + tokens[1] * 2000
    assert (record["attempt_id"], record["is_estimated"], record["outcome"]) == (attempt["id"], True, "client_gone")
    assert record["charge_nano"] + attempt["held_nano"] == record["reserved_nano"]
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (record["charge_nano"], attempt["held_nano"])


async def test_a_stream_that_is_cancelled_before_its_first_event_stays_held_in_full(
    served: Served, world: World, vendor: Vendor, key: str, cancelling: None
) -> None:
    script = Script(vendor)
    await leave(served, key, script)
    await asyncio.wait_for(script.was_hung_up_on.wait(), 5)
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("client_gone")
    assert world.records() == []


async def test_a_stream_that_is_cancelled_at_its_last_byte_is_settled_at_what_the_vendor_reported(
    served: Served, world: World, vendor: Vendor, key: str, cancelling: None
) -> None:
    script = Script(vendor, chat_event("Hello") + TAIL)
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    await leave(served, key, script)
    await asyncio.wait_for(script.was_hung_up_on.wait(), 5)
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["is_estimated"]) == (15_000, False)
    assert (await world.at_rest(budget))["settled_nano"] == 15_000


@pytest.mark.parametrize("pieces", [(), (chat_event("Hello"),), (chat_event("Hello"), chat_event(finish="stop"))])
async def test_a_stream_that_is_read_on_is_settled_at_what_the_vendor_reports_wherever_its_client_went(
    served: Served, world: World, vendor: Vendor, key: str, pieces: tuple[bytes, ...]
) -> None:
    script = Script(vendor, *pieces)
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    await leave(served, key, script)
    script.may_end.set()
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["is_estimated"], record["outcome"]) == (15_000, False, "client_gone")
    assert (await world.at_rest(budget))["settled_nano"] == 15_000


class TestBounds:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(
            after_disconnect_seconds=0.3, after_disconnect_bytes=1000, watch_seconds=0.05, lease_idle_seconds=0.3
        )

    async def test_the_rest_of_an_answer_is_waited_for_only_so_long(
        self, served: Served, world: World, vendor: Vendor, key: str
    ) -> None:
        began = asyncio.Event()
        was_hung_up_on = asyncio.Event()

        async def answer(call: VendorCall) -> None:
            await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{")
            began.set()
            await call.closed()
            was_hung_up_on.set()

        vendor.answer = answer
        async with asking(served, key):
            await began.wait()
        await asyncio.wait_for(was_hung_up_on.wait(), 5)
        (attempt,) = await world.suspended()
        assert attempt["suspense_reason"] == "client_gone"

    async def test_the_rest_of_an_answer_is_read_only_so_far(
        self, served: Served, world: World, vendor: Vendor, key: str
    ) -> None:
        vendor.answer = lambda call: call.reply(chat_reply("x" * 5000))
        slow = Slow(vendor)
        async with asking(served, key):
            await slow.was_asked.wait()
        slow.may_answer.set()
        (attempt,) = await world.suspended()
        assert attempt["suspense_reason"] == "client_gone"

    async def test_a_stream_that_begins_after_the_client_has_gone_is_bounded_too(
        self, served: Served, world: World, vendor: Vendor, key: str
    ) -> None:
        async def answer(call: VendorCall) -> None:
            await call.begin_stream()
            with contextlib.suppress(ConnectionError):
                while not call.writer.is_closing():
                    await call.chunk(chat_event("x" * 100))

        vendor.answer = answer
        slow = Slow(vendor)
        async with asking(served, key, is_stream=True):
            await slow.was_asked.wait()
        slow.may_answer.set()
        (attempt,) = await world.suspended()
        (record,) = await world.recorded()
        assert (record["outcome"], record["is_estimated"]) == ("client_gone", True)
        assert 0 < record["charge_nano"] == record["reserved_nano"] - attempt["held_nano"]
