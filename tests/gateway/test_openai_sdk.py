"""The stock `openai` package, with nothing changed but its base URL and key."""

import json

import openai
import pytest

from governance.gateway.retry_budget import FLOOR
from tests.gateway.vendor import DONE, Vendor, VendorCall, chat_event
from tests.gateway.world import Served, World

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


async def test_it_gets_an_answer(served: Served, key: str) -> None:
    async with served.sdk(key) as client:
        reply = await client.chat.completions.create(model="tiny", messages=MESSAGES)  # type: ignore[arg-type]
    assert reply.choices[0].message.content == "Hello!"
    assert reply.usage is not None and reply.usage.total_tokens == 12


async def test_it_gets_a_stream_whose_every_chunk_has_a_choice(served: Served, world: World, key: str) -> None:
    async with served.sdk(key) as client:
        stream = await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)  # type: ignore[arg-type]
        words = [chunk.choices[0].delta.content async for chunk in stream]
    assert words == ["Hel", "lo", "!", None]
    (record,) = await world.recorded()
    assert record["charge_nano"] == 15_000


async def test_it_gets_usage_in_a_stream_when_it_asks(served: Served, key: str) -> None:
    async with served.sdk(key) as client:
        stream = await client.chat.completions.create(
            model="tiny",
            messages=MESSAGES,  # type: ignore[arg-type]
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 3


async def test_it_calls_a_tool(served: Served, vendor: Vendor, key: str) -> None:
    call_of_tool = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}

    async def answer(call: VendorCall) -> None:
        assert call.json["tools"] == [TOOL]
        message = {"role": "assistant", "content": None, "tool_calls": [call_of_tool]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
        await call.reply(json.dumps({"id": "x", "choices": [choice], "usage": usage}).encode())

    vendor.answer = answer
    async with served.sdk(key) as client:
        reply = await client.chat.completions.create(model="tiny", messages=MESSAGES, tools=[TOOL])  # type: ignore[call-overload]
    assert reply.choices[0].message.tool_calls[0].function.name == "weather"


async def test_trap_25_it_raises_its_own_errors_for_refusals_and_does_not_retry_them(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk("bsr_wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()
    async with served.sdk(key) as client:
        with pytest.raises(openai.NotFoundError, match="Did you mean tiny"):
            await client.chat.completions.create(model="tinny", messages=MESSAGES)  # type: ignore[arg-type]
        world.add_budget(1)
        await served.catch_up(world)
        with pytest.raises(openai.APIStatusError, match="USD left") as refusal:
            await client.chat.completions.create(model="tiny", messages=MESSAGES)  # type: ignore[arg-type]
    assert (refusal.value.status_code, refusal.value.code) == (402, "budget_exceeded")
    assert vendor.calls == []
    counters = served.gateway.metrics.numbers.counters
    assert counters["bursar_refusals\tbudget_exceeded"] == 1
    assert counters["bursar_refusals\tmodel_unknown"] == 1


async def test_it_retries_a_vendors_overload_and_each_try_is_booked(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        headers = "content-type: application/json\r\nretry-after-ms: 10"
        await call.reply(b'{"error":{"message":"slow down","code":"rate_limit"}}', status=429, headers=headers)

    vendor.answer = answer
    async with served.sdk(key) as client:
        with pytest.raises(openai.RateLimitError, match="slow down"):
            await client.chat.completions.create(model="tiny", messages=MESSAGES)  # type: ignore[arg-type]
    records = await world.recorded(len(vendor.calls))
    assert {record["charge_nano"] for record in records} == {0}
    assert len({record["request_id"] for record in records}) == 3
    assert len(records) == len({record["attempt_id"] for record in records}) == len(vendor.calls)
    assert 3 < len(vendor.calls) <= 3 + FLOOR


async def test_it_does_not_retry_a_vendors_empty_balance(served: Served, vendor: Vendor, key: str) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b'{"error":{"message":"pay","code":"insufficient_quota"}}', status=429)

    vendor.answer = answer
    async with served.sdk(key) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model="tiny", messages=MESSAGES)  # type: ignore[arg-type]
    assert len(vendor.calls) == 1


async def test_it_raises_when_a_stream_breaks_off(served: Served, vendor: Vendor, key: str) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello"))
        call.writer.transport.abort()

    vendor.answer = answer
    seen = []
    async with served.sdk(key) as client:
        stream = await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)  # type: ignore[arg-type]
        with pytest.raises(openai.APIError, match="broke before its answer was complete"):
            seen += [chunk.choices[0].delta.content async for chunk in stream]
    assert DONE.decode() not in str(seen)
