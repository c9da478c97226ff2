"""Guards on streams over a whole gateway: in every wire, split anywhere, masked or blocked, metered and settled."""

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import anthropic
import httpx
import openai
import pytest

from governance.gateway.deltas import said_in
from governance.gateway.errors import GuardRefused
from governance.gateway.exchange import Exchange, Facts
from governance.gateway.guarding import Guards
from governance.gateway.stream_guarding import Looking, StreamGuard
from governance.plugin.provider import AfterDisconnect, Wire
from governance.plugin.sse import EventSplitter
from governance.policy.guards import AppliedGuard, GuardAction
from governance.policy.snapshot import DeploymentPolicy
from tests.gateway import claude, gemini, openai_vendor
from tests.gateway.test_guards import Broken, Words, counted, guard, words
from tests.gateway.test_translated_calls import events, serve_from
from tests.gateway.vendor import DONE, Vendor, VendorCall, chat_event
from tests.gateway.world import Served, World, question

__all__ = ["words"]

WORD = "Zebra \u00e9\U0001f600"
SECRET = "a zebra!"
USAGE = {"prompt_tokens": 9, "completion_tokens": 900, "total_tokens": 909}
HEAD, TAIL = "I saw ", " at noon, and more words follow after it. "
LONG = HEAD + SECRET + TAIL * 8


def pieces_of(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def chat_stream(parts: list[str], **fields: str) -> bytes:
    (name,) = fields.values() or ("content",)
    chunks = [{"id": "c", "choices": [{"index": 0, "delta": {name: part}, "finish_reason": None}]} for part in parts]
    told = b"".join([b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks])
    return told + chat_event("", finish="stop") + chat_event(usage=USAGE) + DONE


def chat_calls(parts: list[str]) -> bytes:
    def chunk(call: dict[str, Any]) -> bytes:
        choice = {"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}, "finish_reason": None}
        return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"

    begun = chunk({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}})
    told = b"".join([chunk({"function": {"arguments": part}}) for part in parts])
    return begun + told + chat_event("", finish="tool_calls") + chat_event(usage=USAGE) + DONE


def message_stream(parts: list[str], *, kind: str = "text_delta", name: str = "text") -> bytes:
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: part}} for part in parts]
    block = (
        {"type": "text", "text": ""} if name == "text" else {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    )
    began = {"type": "content_block_start", "index": 0, "content_block": block}
    return (
        claude.start()
        + events(began, {"type": "ping"}, *deltas, {"type": "content_block_stop", "index": 0})
        + claude.end(output_tokens=900)
    )


COUNTED = {"input_tokens": 9, "output_tokens": 900, "total_tokens": 909}
ENDED = gemini.reply("", promptTokenCount=9, candidatesTokenCount=900)


def response_stream(parts: list[str]) -> bytes:
    told = [openai_vendor.delta(part, 3 + at) for at, part in enumerate(parts)]
    done = openai_vendor.event("response.output_text.done", 98, output_index=0, content_index=0, text="".join(parts))
    ending = openai_vendor.event(
        "response.completed", 99, response=openai_vendor.response(text="".join(parts), usage=COUNTED)
    )
    return openai_vendor.OPENING + openai_vendor.ITEM + b"".join(told) + done + ending


def generated_stream(parts: list[str]) -> bytes:
    chunks = [gemini.reply(part, finish=None, promptTokenCount=9) for part in parts] + [ENDED]
    return b"".join([b"data: " + json.dumps(json.loads(chunk)).encode() + b"\r\n\r\n" for chunk in chunks])


def generated_array(parts: list[str]) -> bytes:
    chunks = [gemini.reply(part, finish=None, promptTokenCount=9) for part in parts] + [ENDED]
    return b"[" + b",\r\n".join(chunks) + b"]"


class Speech(NamedTuple):
    """How a wire is asked, how its vendor answers with these pieces, and in which wire that is read."""

    provider: str
    wire: Wire
    path: str
    asked: dict[str, Any]
    stream: Callable[[list[str]], bytes]


ASK_GEMINI = "/v1beta/models/tiny:streamGenerateContent"
MESSAGES = {"model": "tiny", "max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
RESPONSE = {"model": "tiny", "input": "Hi", "max_output_tokens": 50, "stream": True}
CHAT = question("Hi", stream=True)
SPEECHES = {
    "chat": Speech("openai_compatible", Wire.OPENAI_CHAT, "/v1/chat/completions", CHAT, chat_stream),
    "chat calls": Speech("openai_compatible", Wire.OPENAI_CHAT, "/v1/chat/completions", CHAT, chat_calls),
    "messages": Speech("anthropic", Wire.ANTHROPIC_MESSAGES, "/v1/messages", MESSAGES, message_stream),
    "messages calls": Speech(
        "anthropic",
        Wire.ANTHROPIC_MESSAGES,
        "/v1/messages",
        MESSAGES,
        lambda parts: message_stream(parts, kind="input_json_delta", name="partial_json"),
    ),
    "responses": Speech("openai", Wire.OPENAI_RESPONSES, "/v1/responses", RESPONSE, response_stream),
    "gemini": Speech("gemini", Wire.GEMINI_GENERATE, f"{ASK_GEMINI}?alt=sse", gemini.CAPPED, generated_stream),
    "gemini array": Speech("gemini", Wire.GEMINI_GENERATE, ASK_GEMINI, gemini.CAPPED, generated_array),
    "responses of chat": Speech("openai_compatible", Wire.OPENAI_RESPONSES, "/v1/responses", RESPONSE, chat_stream),
    "chat of messages": Speech("anthropic", Wire.OPENAI_CHAT, "/v1/chat/completions", CHAT, message_stream),
    "messages of gemini": Speech("gemini", Wire.ANTHROPIC_MESSAGES, "/v1/messages", MESSAGES, generated_stream),
    "gemini of responses": Speech(
        "openai", Wire.GEMINI_GENERATE, f"{ASK_GEMINI}?alt=sse", gemini.CAPPED, response_stream
    ),
}


def text_of(body: bytes, wire: Wire) -> str:
    """Return what the pieces of a client's stream say together."""
    if body.startswith(b"["):
        datas = [json.dumps(each).encode() for each in json.loads(body)]
    else:
        splitter = EventSplitter()
        datas = [event.data for event in splitter.feed(body) + splitter.close() if event.data]
    said = [said_in(data, wire) for data in datas if data != b"[DONE]"]
    return "".join([json.loads(b'"%s"' % delta.text.raw) for each in said for delta in each.deltas])


async def answered(served: Served, key: str, speech: Speech) -> httpx.Response:
    async with served.client(key) as client:
        return await client.post(speech.path, json=speech.asked)


def telling(body: bytes, *, size: int = 1_000) -> Callable[[VendorCall], Any]:
    async def answer(call: VendorCall) -> None:
        kind = "application/json" if body.startswith(b"[") else "text/event-stream"
        await call.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for at in range(0, len(body), size):
            await call.chunk(body[at : at + size])
        await call.end_stream()

    return answer


@pytest.mark.parametrize("name", SPEECHES)
async def test_a_finding_that_is_cut_anywhere_is_masked_in_every_wire(
    served: Served, world: World, vendor: Vendor, key: str, words: Words, name: str
) -> None:
    speech = SPEECHES[name]
    await serve_from(speech.provider, served, world, vendor)
    await guard(served, world, replies="mask")
    for size in (1, 3, len(HEAD) + 4):
        vendor.answer = telling(speech.stream(pieces_of(LONG, size)))
        reply = await answered(served, key, speech)
        assert reply.status_code == 200, reply.text
        assert text_of(reply.content, speech.wire) == LONG.replace("zebra", "[striped animal]")
        assert b"zebra" not in reply.content
    assert counted(served, "bursar_guard_findings") == {"words\tstriped animal\tmask": 3}
    assert {record["outcome"] for record in await world.recorded(3)} == {"completed"}


def alone(action: GuardAction = GuardAction.MASK) -> StreamGuard:
    """Return a guard of a chat stream, with nothing around it."""
    looking = Looking(
        Guards({"words": Words("words", "zebra", "striped animal")}),
        [AppliedGuard(guard="words", action=action, level="team default")],
        cast("Exchange", SimpleNamespace(facts=Facts(), request_id="r")),
    )
    return StreamGuard(looking, wire=Wire.OPENAI_CHAT, content_type="text/event-stream", is_readable=True)


async def test_a_finding_that_is_cut_in_two_at_any_character_is_masked() -> None:
    for cut in range(len(LONG)):
        stream = alone()
        shown = await stream.feed(chat_stream([LONG[:cut], LONG[cut:]])) + await stream.close()
        assert text_of(shown, Wire.OPENAI_CHAT) == LONG.replace("zebra", "[striped animal]")


async def test_any_cut_of_the_bytes_gives_the_same_bytes_up_to_a_refusal_too() -> None:
    body = chat_stream(pieces_of(f"\u00e9\U0001f600 {TAIL * 8}{SECRET}", 9))
    for action in GuardAction:
        whole = await until_refused(alone(action), [body])
        assert b"ebra" not in whole and len(whole) > 500
        for size in (1, 7, 1_000):
            cut = [body[at : at + size] for at in range(0, len(body), size)]
            assert await until_refused(alone(action), cut) == whole


async def until_refused(stream: StreamGuard, chunks: list[bytes]) -> bytes:
    shown = b""
    try:
        for chunk in chunks:
            shown += await stream.feed(chunk)
        return shown + await stream.close()
    except GuardRefused:
        return shown + stream.passed()


@pytest.mark.parametrize("name", ["chat", "messages", "responses", "gemini", "gemini array"])
async def test_a_stream_in_which_nothing_is_found_passes_byte_for_byte(
    served: Served, world: World, vendor: Vendor, key: str, words: Words, name: str
) -> None:
    speech = SPEECHES[name]
    await serve_from(speech.provider, served, world, vendor)
    body = speech.stream(pieces_of(WORD.replace("Zebra", "Horse") * 90, 7))
    if name == "messages":
        body = b": a comment\n\n" + body
    vendor.answer = telling(body)
    plain = await answered(served, key, speech)
    await guard(served, world, replies="block")
    assert (await answered(served, key, speech)).content == plain.content


async def test_text_is_passed_on_while_the_answer_goes_on(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="mask")
    may_end = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        for _ in range(40):
            await call.chunk(chat_event("horses and zebras "))
        await may_end.wait()
        await call.chunk(chat_event("", finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    vendor.answer = answer
    async with served.sdk(key) as client:
        stream = await client.chat.completions.create(**question(), stream=True)
        async for chunk in stream:
            assert chunk.choices[0].delta.content in ("horses and [striped animal]s ", None)
            may_end.set()


async def blocked(served: Served, world: World, vendor: Vendor, key: str, speech: Speech, text: str) -> httpx.Response:
    await serve_from(speech.provider, served, world, vendor)
    await guard(served, world, replies="block")
    vendor.answer = telling(speech.stream(pieces_of(text, 5)))
    return await answered(served, key, speech)


@pytest.mark.parametrize("name", SPEECHES)
async def test_a_blocked_finding_ends_the_stream_in_the_clients_wire_and_what_it_cost_is_settled(
    served: Served, world: World, vendor: Vendor, key: str, words: Words, name: str
) -> None:
    speech = SPEECHES[name]
    reply = await blocked(served, world, vendor, key, speech, TAIL * 20 + SECRET + TAIL * 20)
    assert reply.status_code == 200 and b"ebra" not in reply.content
    assert TAIL in text_of(reply.content, speech.wire)
    assert reply.content.count(b"The answer was withheld, because organisation Acme") == (
        2 if speech.wire is Wire.OPENAI_RESPONSES else 1
    )
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"] > 0) == ("withheld", True)
    assert counted(served, "bursar_refusals") == {"guard_refused": 1}
    assert counted(served, "bursar_guard_findings") == {"words\tstriped animal\tblock": 1}


async def test_what_is_found_before_anything_was_passed_on_is_a_plain_refusal_and_no_fallback_is_asked(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str, words: Words
) -> None:
    reply = await blocked(served, world, vendor, key, SPEECHES["chat"], LONG)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "guard_refused")
    assert (await world.recorded())[0]["outcome"] == "withheld"
    assert (len(vendor.calls), len(other.calls)) == (1, 0)


async def test_stock_sdks_raise_what_ends_a_blocked_stream(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="block")
    vendor.answer = telling(chat_stream(pieces_of(TAIL * 20 + SECRET, 5)))
    async with served.sdk(key) as client:
        with pytest.raises(openai.APIError, match="does not let it hold striped animal"):
            _ = [chunk async for chunk in await client.chat.completions.create(**question(), stream=True)]
        with pytest.raises(openai.APIError, match="does not let it hold striped animal"):
            _ = [event async for event in await client.responses.create(**RESPONSE)]
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key, max_retries=0) as other:
        with pytest.raises(anthropic.APIStatusError, match="does not let it hold striped animal"):
            async with other.messages.stream(**{k: v for k, v in MESSAGES.items() if k != "stream"}) as stream:
                _ = [text async for text in stream.text_stream]


async def test_the_rest_of_a_blocked_stream_is_read_on_as_if_the_client_had_gone(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    """The client is told at once; the vendor is waited for within the bounds of a client that went."""
    speech = SPEECHES["messages"]
    await serve_from(speech.provider, served, world, vendor)
    await guard(served, world, replies="block")
    told = speech.stream(pieces_of(TAIL * 20 + SECRET + TAIL * 20, 5))
    cut = told.index(b"event: content_block_stop")
    was_told = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(told[:cut])
        await was_told.wait()
        await call.chunk(told[cut:])
        await call.end_stream()

    vendor.answer = answer
    body = b""
    async with served.client(key) as client, client.stream("POST", speech.path, json=speech.asked) as reply:
        async for part in reply.aiter_bytes():
            body += part
    assert b"The answer was withheld" in body and not world.records()
    was_told.set()
    (record,) = await world.recorded()
    assert (record["outcome"], record["output_tokens"]) == ("withheld", 900)


def deployment_of(served: Served, world: World) -> DeploymentPolicy:
    snapshot = served.gateway.keeper.snapshot
    assert snapshot is not None
    return snapshot.aliases_of(world.organisation)["tiny"].deployments[0]


async def test_a_blocked_stream_is_cancelled_where_its_provider_cancels(
    served: Served, world: World, vendor: Vendor, key: str, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment_of(served, world).provider, "after_disconnect", AfterDisconnect.CANCEL)
    await guard(served, world, replies="block")
    told = chat_stream(pieces_of(TAIL * 20 + SECRET + TAIL * 20, 5))
    begun = told[: told.index(b'data: {"id": "c1"')]
    closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(begun)
        await call.closed()
        closed.set()

    vendor.answer = answer
    reply = await answered(served, key, SPEECHES["chat"])
    assert reply.content.endswith(b"\n\n") and b"The answer was withheld" in reply.content
    await asyncio.wait_for(closed.wait(), 10)
    (record,) = await world.recorded()
    assert (record["outcome"], record["is_estimated"]) == ("withheld", True)
    assert served.gateway.vendors.breakers.is_closed(deployment_of(served, world))


async def test_a_key_longer_than_what_is_held_of_a_text_is_masked_whole(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    served.gateway.vendors.guards.add(Words("keys", r"sk-[a-z]{20,}", "API key"))
    await guard(served, world, "keys", replies="mask")
    secret = "sk-" + "abcdefghij" * 90
    vendor.answer = telling(chat_stream(pieces_of(f"Take {secret} and go. {TAIL * 9}", 11)))
    reply = await answered(served, key, SPEECHES["chat"])
    assert text_of(reply.content, Wire.OPENAI_CHAT) == f"Take [API key] and go. {TAIL * 9}"
    assert b"sk-" not in reply.content


async def test_a_finding_without_an_end_is_masked_at_the_end_or_ends_the_stream(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    served.gateway.vendors.guards.add(Words("keys", r"BEGIN KEY[\s\S]*?(?:END KEY|\Z)", "private key"))
    await guard(served, world, "keys", replies="mask")
    vendor.answer = telling(chat_stream(pieces_of("Here: BEGIN KEY " + "line \n" * 300 + "END KEY. Done.", 40)))
    reply = await answered(served, key, SPEECHES["chat"])
    assert text_of(reply.content, Wire.OPENAI_CHAT) == "Here: [private key]. Done."
    vendor.answer = telling(chat_stream(pieces_of("Here: BEGIN KEY " + "line \n" * 9_000, 400)))
    reply = await answered(served, key, SPEECHES["chat"])
    assert b"goes on for too long" in reply.content and b"line" not in reply.content


async def test_thoughts_are_looked_at_before_the_text_that_follows_them(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="mask")
    thought = chat_stream(pieces_of("I think of a zebra.", 3), name="reasoning_content").split(
        b'data: {"id": "chatcmpl'
    )[0]
    vendor.answer = telling(thought + chat_stream(pieces_of(LONG, 3)))
    reply = await answered(served, key, SPEECHES["chat"])
    assert b"zebra" not in reply.content
    masked = LONG.replace("zebra", "[striped animal]")
    assert text_of(reply.content, Wire.OPENAI_CHAT) == "I think of a [striped animal]." + masked


async def test_a_finding_in_what_stands_alone_in_an_event_is_masked(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="mask")
    error = b'data: {"error":{"message":"no \\u007aebra"}}\n\n'
    split = b'data: {"choices":[{"index":0,\ndata: "delta":{"content":"one zebra"}}]}\n\n'
    plain = b"data: a zebra, no JSON\n\n"
    vendor.answer = telling(split + error + plain)
    reply = await answered(served, key, SPEECHES["chat"])
    assert b'"no [striped animal]"' in reply.content and b"one [striped animal]" in reply.content
    assert b"data: a [striped animal], no JSON" in reply.content and b"ebra" not in reply.content.replace(b"[", b"")


async def test_a_guard_that_fails_lets_nothing_of_a_stream_pass(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    served.gateway.vendors.guards.add(Broken("broken", None))
    await guard(served, world, "broken", replies="mask")
    reply = await answered(served, key, SPEECHES["chat"])
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "guard_failed")
    assert counted(served, "bursar_guard_failures") == {"broken": 1}
    assert (await world.recorded())[0]["outcome"] == "withheld"


async def test_a_compressed_stream_does_not_pass(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="mask")

    async def answer(call: VendorCall) -> None:
        head = "content-type: text/event-stream\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked"
        await call.send(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        await call.chunk(chat_event("zebra") + DONE)
        await call.end_stream()

    vendor.answer = answer
    reply = await answered(served, key, SPEECHES["chat"])
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "guard_failed")
