"""The stock SDK of one API, a vendor of another: the client sees its own wire, the books what the vendor reported."""

import json
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel

from tests.gateway.openai_vendor import STREAM as RESPONSE_STREAM
from tests.gateway.openai_vendor import response
from tests.gateway.vendor import Answer, Vendor, VendorCall, chat_event, chat_reply, in_turn
from tests.gateway.world import Served, World, question

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Hello!"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0, "output_tokens": 3},
}
GENERATED = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello!"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12},
    "modelVersion": "gemini-x",
}
CHARGED = {"openai_compatible": 15_000, "anthropic": 7_000 + 2 * 100 + 6_000, "gemini": 15_000, "openai": 15_000}
"""At 1,000 nano-USD per input token, 100 per cached one and 2,000 per output token."""


def events(*named: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in named)


MESSAGE_STREAM = events(
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo!"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": MESSAGE["usage"],
    },
    {"type": "message_stop"},
)
GENERATED_STREAM = b"data: %s\r\n\r\n" % json.dumps(GENERATED).encode()
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
CHAT_STREAM = chat_event("Hel") + chat_event("lo!", finish="stop") + chat_event(usage=USAGE) + b"data: [DONE]\n\n"
REPLIES = {
    "openai_compatible": chat_reply(),
    "anthropic": json.dumps(MESSAGE).encode(),
    "gemini": json.dumps(GENERATED).encode(),
    "openai": json.dumps(response()).encode(),
}
STREAMS = {
    "openai_compatible": CHAT_STREAM,
    "anthropic": MESSAGE_STREAM,
    "gemini": GENERATED_STREAM,
    "openai": RESPONSE_STREAM,
}


def answering(provider: str) -> Answer:
    async def answer(call: VendorCall) -> None:
        is_stream = "streamGenerateContent" in call.path or call.json.get("stream") is True
        if not is_stream:
            await call.reply(REPLIES[provider])
            return
        await call.begin_stream()
        await call.chunk(STREAMS[provider])
        await call.end_stream()

    return answer


async def serve_from(provider: str, served: Served, world: World, vendor: Vendor) -> None:
    """Let the model `tiny` be served by this provider, which the scripted vendor plays. OpenAI serves it by Responses
    alone.
    """
    world.insert(
        "catalog_price",
        book_id=world.book,
        model_id=world.rows("SELECT id FROM catalog_languagemodel WHERE name = 'tiny'")[0]["id"],
        token_class="cache_read",
        nano_per_unit="100",
        from_input_tokens=0,
        service_tier="standard",
        effective_from="2026-01-01T00:00:00Z",
        source="test",
        snapshot_sha256="",
    )
    base = vendor.base_url if provider.startswith("openai") else vendor.base_url.removesuffix("/v1")
    options = '{"wires": "responses"}' if provider == "openai" else "{}"
    world.execute(
        "UPDATE connections_connection SET provider = %s, base_url = %s, options = %s", provider, base, options
    )
    vendor.answer = answering(provider)
    await served.catch_up(world)


async def charged(world: World, provider: str, count: int) -> None:
    records = await world.recorded(count)
    assert [record["charge_nano"] for record in records] == [CHARGED[provider]] * count
    assert {record["alias"] for record in records} == {"tiny"}


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "openai"])
async def test_openais_sdk_is_served_by_others(
    served: Served, world: World, vendor: Vendor, key: str, provider: str
) -> None:
    await serve_from(provider, served, world, vendor)
    async with served.sdk(key) as client:
        whole = await client.chat.completions.create(**question())
        stream = await client.chat.completions.create(**question(), stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
    assert whole.choices[0].message.content == "Hello!"
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (9, 3)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello!"
    assert [(chunk.usage.prompt_tokens, chunk.usage.completion_tokens) for chunk in chunks if chunk.usage] == [(9, 3)]
    await charged(world, provider, 2)


@pytest.mark.parametrize("provider", ["openai_compatible", "anthropic", "gemini"])
async def test_openais_sdk_is_served_by_others_on_responses(
    served: Served, world: World, vendor: Vendor, key: str, provider: str
) -> None:
    await serve_from(provider, served, world, vendor)
    async with served.sdk(key) as client:
        whole = await client.responses.create(model="tiny", instructions="Be brief.", input="Hi", max_output_tokens=50)
        async with client.responses.stream(model="tiny", input="Hi", max_output_tokens=50) as stream:
            text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
            final = await stream.get_final_response()
        with pytest.raises(openai.BadRequestError, match="leave it out or send false"):
            await client.responses.create(model="tiny", input="Hi", store=True)
    assert (whole.output_text, whole.status, whole.store, whole.instructions) == (
        "Hello!",
        "completed",
        False,
        "Be brief.",
    )
    assert (text, final.output_text, final.status) == ("Hello!", "Hello!", "completed")
    assert [usage and (usage.input_tokens, usage.output_tokens) for usage in (whole.usage, final.usage)] == [(9, 3)] * 2
    await charged(world, provider, 2)


class Greeting(BaseModel):
    """What the SDK's `parse` asks for."""

    word: str


async def test_openais_sdk_parses_a_response_of_another_vendor(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await serve_from("anthropic", served, world, vendor)
    told = MESSAGE | {"content": [{"type": "text", "text": '{"word":"Hello"}'}]}
    vendor.answer = in_turn(lambda call: call.reply(json.dumps(told).encode()))
    async with served.sdk(key) as client:
        reply = await client.responses.parse(model="tiny", input="Hi", text_format=Greeting)
    assert reply.output_parsed == Greeting(word="Hello")
    assert vendor.calls[0].json["output_config"]["format"]["schema"]["properties"].keys() == {"word"}


@pytest.mark.parametrize("provider", ["openai_compatible", "gemini", "openai"])
async def test_anthropics_sdk_is_served_by_others(
    served: Served, world: World, vendor: Vendor, key: str, provider: str
) -> None:
    await serve_from(provider, served, world, vendor)
    asked: Any = {"model": "tiny", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key) as client:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            text = "".join([part async for part in stream.text_stream])
            final = await stream.get_final_message()
    assert [block.text for block in whole.content if block.type == "text"] == ["Hello!"]
    assert (whole.usage.input_tokens, whole.usage.output_tokens, whole.stop_reason) == (9, 3, "end_turn")
    assert (text, final.usage.output_tokens) == ("Hello!", 3)
    await charged(world, provider, 2)


@pytest.mark.parametrize("provider", ["openai_compatible", "anthropic", "openai"])
async def test_googles_sdk_is_served_by_others(
    served: Served, world: World, vendor: Vendor, key: str, provider: str
) -> None:
    await serve_from(provider, served, world, vendor)
    options = types.HttpOptions(base_url=served.url)
    config = types.GenerateContentConfig(max_output_tokens=50)
    async with genai.Client(api_key=key, http_options=options).aio as client:
        whole = await client.models.generate_content(model="tiny", contents="Hi", config=config)
        stream = await client.models.generate_content_stream(model="tiny", contents="Hi", config=config)
        parts = [part async for part in stream]
    assert whole.text == "Hello!"
    assert whole.usage_metadata is not None
    assert (whole.usage_metadata.prompt_token_count, whole.usage_metadata.candidates_token_count) == (9, 3)
    assert "".join(part.text or "" for part in parts) == "Hello!"
    await charged(world, provider, 2)


async def test_what_the_vendors_wire_has_no_words_for_is_refused_by_name(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await serve_from("anthropic", served, world, vendor)
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError, match="logit_bias"):
            await client.chat.completions.create(**question(), logit_bias={"50256": -100})
    assert not vendor.calls


async def test_a_vendors_error_comes_in_the_clients_words(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await serve_from("openai_compatible", served, world, vendor)

    async def refuse(call: VendorCall) -> None:
        body = {"error": {"message": "The picture is too large.", "type": "invalid_request_error", "code": None}}
        await call.reply(json.dumps(body).encode(), status=400)

    vendor.answer = refuse
    asked: Any = {"model": "tiny", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key) as client:
        with pytest.raises(anthropic.BadRequestError) as refused:
            await client.messages.create(**asked)
    assert "The picture is too large." in str(refused.value)
    assert refused.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]


async def test_a_stream_that_breaks_off_ends_with_an_error_of_the_clients_wire(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await serve_from("openai_compatible", served, world, vendor)

    async def break_off(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hel"))
        call.writer.close()

    vendor.answer = break_off
    asked: Any = {"model": "tiny", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key, max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError):
            async with client.messages.stream(**asked) as stream:
                async for _ in stream.text_stream:
                    pass
    assert (await world.suspended())[0]["alias"] == "tiny"


async def test_a_fallback_may_be_a_vendor_of_another_wire(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    world.execute(
        "UPDATE connections_connection SET provider = 'anthropic', base_url = %s WHERE id <> %s",
        other.base_url.removesuffix("/v1"),
        world.connection,
    )

    async def refuse(call: VendorCall) -> None:
        await call.reply(b'{"error":{"message":"no"}}', status=401)

    vendor.answer, other.answer = refuse, answering("anthropic")
    await served.catch_up(world)
    async with served.sdk(key) as client:
        answer = await client.chat.completions.with_raw_response.create(**question())
    assert (answer.headers["x-bursar-model"], answer.headers["x-bursar-attempts"]) == ("big", "2")
    assert answer.parse().choices[0].message.content == "Hello!"


async def test_who_asks_in_a_wire_that_a_vendor_does_not_speak_is_told_how_to_ask(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await serve_from("anthropic", served, world, vendor)
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.embeddings.create(model="tiny", input="Hi")
    told = str(refused.value)
    assert "is not served in the wire openai.embeddings" in told
    assert "POST /v1/chat/completions or POST /v1/responses or POST /v1/messages or POST /v1beta/models/{id}" in told
