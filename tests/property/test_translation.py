"""What a wire can say comes through it unchanged, and no bytes of a stranger's do more than be refused."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParams
from google.genai import types as google
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.responses.response_create_params import ResponseCreateParams
from pydantic import TypeAdapter

from governance.gateway.translation import (
    AnswerUntranslatable,
    Dialect,
    Framing,
    StreamShape,
    Translation,
    normal,
)
from governance.gateway.translation.canonical import (
    NOTHING_ASKED,
    Answer,
    AnswerBegan,
    AnswerEnded,
    AnswerPart,
    Delta,
    Destination,
    Event,
    Failure,
    PartBegan,
    ProofGiven,
    ToolCall,
)
from governance.plugin.errors import RequestInvalid
from governance.plugin.sse import EventSplitter
from tests.property.conversations import (
    CHAT,
    CIRCUMSTANCES,
    FORMATS,
    GEMINI,
    JSON_VALUES,
    MESSAGES,
    RESPONSES,
    SHAPE,
    answers,
    conversations,
    encoded,
    spoilt,
    streams,
)

PAIRS = list(itertools.permutations(Dialect, 2))
DESTINATION = Destination(model="m", default_maximum_tokens=100)
EXAMPLES = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("dialect", list(Dialect))
@EXAMPLES
@given(data=st.data())
def test_a_request_that_a_wire_can_say_comes_through_it_unchanged(dialect: Dialect, data: st.DataObject) -> None:
    conversation = data.draw(conversations(dialect))
    body = FORMATS[dialect].write_request(conversation, DESTINATION)
    read = FORMATS[dialect].read_request(body, is_streamed=conversation.is_streamed)
    assert msgspec.structs.replace(read, wants_usage=True, asked=NOTHING_ASKED) == conversation


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(data=st.data())
def test_every_translated_request_is_of_the_vendors_own_types(
    client: Dialect, vendor: Dialect, data: st.DataObject
) -> None:
    conversation = data.draw(conversations(client))
    body = FORMATS[client].write_request(conversation, DESTINATION)
    try:
        translated = Translation(client=client, vendor=vendor).request(body, DESTINATION)
    except RequestInvalid as refusal:
        assert refusal.field
        return
    OWN_TYPES[vendor](json.loads(translated.body))


def of_google(body: dict[str, Any]) -> None:
    """The SDK's types take the REST spelling, and forbid what they do not know."""
    for content in body.pop("contents"):
        google.Content.model_validate(content)
    generation = body.pop("generationConfig", {})
    google.GenerateContentConfig.model_validate(generation | body)


def of_responses(body: dict[str, Any]) -> None:
    """Thoughts that the vendor did not store have no id: Codex sends none either, though the SDK's type wants one."""
    for item in body["input"]:
        if item["type"] == "reasoning":
            item["id"] = "rs_1"
    AS_RESPONSE.validate_python(body)


AS_RESPONSE: TypeAdapter[Any] = TypeAdapter(ResponseCreateParams)
OWN_TYPES: dict[Dialect, Callable[[dict[str, Any]], object]] = {
    CHAT: TypeAdapter(CompletionCreateParams).validate_python,
    MESSAGES: TypeAdapter(MessageCreateParams).validate_python,
    GEMINI: of_google,
    RESPONSES: of_responses,
}


@pytest.mark.parametrize("dialect", list(Dialect))
@EXAMPLES
@given(data=st.data())
def test_an_answer_that_a_wire_can_say_comes_through_it_unchanged(dialect: Dialect, data: st.DataObject) -> None:
    answer = data.draw(answers(()))
    wire = FORMATS[dialect]
    assert wire.read_answer(wire.write_answer(answer, CIRCUMSTANCES), CIRCUMSTANCES) == answer


def echoed(dialect: Dialect, reply: bytes) -> bytes:
    """Return the request of a client that sends an answer back as it came, and goes on."""
    answer = json.loads(reply)
    hello = "Hello"
    if dialect == CHAT:
        said = answer["choices"][0]["message"]
        return encoded({"model": "m", "messages": [user(hello), said, *chat_results(said), user(hello)]})
    if dialect == MESSAGES:
        said = {"role": "assistant", "content": answer["content"]}
        return encoded({"model": "m", "max_tokens": 9, "messages": [user(hello), said, user(hello)]})
    if dialect == RESPONSES:
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "ok"}
            for item in answer["output"]
            if item["type"] == "function_call"
        ]
        return encoded({"model": "m", "input": [user(hello), *answer["output"], *results, user(hello)]})
    said = answer["candidates"][0]["content"]
    turn = {"role": "user", "parts": [{"text": hello}]}
    return encoded({"contents": [turn, said, turn]})


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def chat_results(message: dict[str, Any]) -> list[dict[str, str]]:
    return [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in message.get("tool_calls") or ()]


@pytest.mark.parametrize("client", list(Dialect))
@EXAMPLES
@given(data=st.data())
def test_a_client_that_sends_an_answer_back_as_it_came_gives_the_vendor_its_thoughts_and_signatures_back(
    client: Dialect, data: st.DataObject
) -> None:
    origin = data.draw(st.sampled_from([dialect for dialect in Dialect if dialect != client]))
    answer = data.draw(answers((origin,)))
    reply = FORMATS[client].write_answer(answer, CIRCUMSTANCES)
    read = FORMATS[client].read_request(echoed(client, reply), is_streamed=False)
    assert read.messages[1].parts == answer.parts


def told(events: list[Event]) -> Answer:
    """Return the answer that these events tell."""
    parts: list[AnswerPart] = []
    began = next(event for event in events if isinstance(event, AnswerBegan))
    for event in events:
        if isinstance(event, PartBegan):
            parts.append(event.part)
        elif isinstance(event, Delta):
            last = parts[-1]
            field = "arguments" if isinstance(last, ToolCall) else "text"
            parts[-1] = msgspec.structs.replace(last, **{field: getattr(last, field) + event.text})
        elif isinstance(event, ProofGiven):
            parts[-1] = msgspec.structs.replace(parts[-1], proof=event.proof)
    ended = events[-1]
    assert isinstance(ended, AnswerEnded)
    return Answer(id=began.id, model=began.model, parts=normal.answer_parts(parts), stop=ended.stop, usage=ended.usage)


def stream_of(dialect: Dialect, events: list[Event]) -> bytes:
    writer = FORMATS[dialect].open_writer(CIRCUMSTANCES, SHAPE)
    return b"".join([writer.write(event) for event in events])


@pytest.mark.parametrize("dialect", list(Dialect))
@EXAMPLES
@given(data=st.data())
def test_a_stream_that_a_wire_can_say_comes_through_it_unchanged(dialect: Dialect, data: st.DataObject) -> None:
    answer, events = data.draw(streams(()))
    reader = FORMATS[dialect].open_reader(CIRCUMSTANCES)
    splitter = EventSplitter()
    read: list[Event] = []
    for event in splitter.feed(stream_of(dialect, events)) + splitter.close():
        read += reader.feed(event.data) if event.data else []
    assert told([*read, *reader.close()]) == answer


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(data=st.data())
def test_any_cut_of_a_vendors_stream_gives_the_client_the_same_bytes(
    client: Dialect, vendor: Dialect, data: st.DataObject
) -> None:
    _, events = data.draw(streams(()))
    whole = stream_of(vendor, events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in itertools.pairwise([0, *cuts, len(whole)])]
    assert through(client, vendor, pieces) == through(client, vendor, [whole])


def through(client: Dialect, vendor: Dialect, pieces: list[bytes]) -> bytes:
    stream = Translation(client=client, vendor=vendor).stream(CIRCUMSTANCES, SHAPE)
    splitter = EventSplitter()
    shown = [stream.feed(event.data) for piece in pieces for event in splitter.feed(piece)]
    shown += [stream.feed(event.data) for event in splitter.close()]
    return b"".join(shown) + stream.close()


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(data=st.data())
def test_a_streamed_answer_is_the_whole_answer(client: Dialect, vendor: Dialect, data: st.DataObject) -> None:
    """With thoughts and signatures: what a client collects from a stream is what it would have got at once."""
    answer, events = data.draw(streams((vendor,)))
    collect = {
        CHAT: collected_chat,
        MESSAGES: collected_messages,
        GEMINI: collected_gemini,
        RESPONSES: collected_response,
    }
    echo = collect[client](stream_of(client, events))
    read = FORMATS[client].read_request(echoed(client, encoded(echo)), is_streamed=False)
    assert read.messages[1].parts == answer.parts


def events_in(stream: bytes) -> list[dict[str, Any]]:
    splitter = EventSplitter()
    datas = [event.data for event in splitter.feed(stream) + splitter.close()]
    return [json.loads(data) for data in datas if data and data != b"[DONE]"]


def collected_chat(stream: bytes) -> dict[str, Any]:
    """Collect as careful clients do: texts are joined, details and calls kept."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "reasoning_details": [], "tool_calls": []}
    for event in events_in(stream):
        for choice in event["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning_details"] += delta.get("reasoning_details") or []
            for call in delta.get("tool_calls") or ():
                if "id" in call:
                    message["tool_calls"].append(call)
                else:
                    function = message["tool_calls"][call["index"]]["function"]
                    function["arguments"] += call["function"]["arguments"]
    return {"choices": [{"message": message}]}


def collected_messages(stream: bytes) -> dict[str, Any]:
    """Collect as Anthropic's SDK does."""
    content: list[dict[str, Any]] = []
    for event in events_in(stream):
        if event["type"] == "content_block_start":
            content.append(event["content_block"] | {"json": ""})
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "signature_delta":
                content[event["index"]]["signature"] = delta["signature"]
            else:
                kind = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "json"}[delta["type"]]
                content[event["index"]][kind] += next(value for name, value in delta.items() if name != "type")
    for block in content:
        written = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(written)
    return {"content": content}


def collected_gemini(stream: bytes) -> dict[str, Any]:
    """Collect every part of every chunk, as Google's SDK does for a chat."""
    parts = [part for event in events_in(stream) for part in event["candidates"][0]["content"]["parts"]]
    return {"candidates": [{"content": {"role": "model", "parts": parts}}]}


def collected_response(stream: bytes) -> dict[str, Any]:
    """Collect the items as they end, which the last event says again."""
    events = events_in(stream)
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == items
    return {"output": items}


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(data=st.data())
def test_a_request_of_any_shape_is_translated_or_refused(client: Dialect, vendor: Dialect, data: st.DataObject) -> None:
    body = FORMATS[client].write_request(data.draw(conversations(client)), DESTINATION)
    try:
        translated = Translation(client=client, vendor=vendor).request(spoilt(body, data), DESTINATION)
    except RequestInvalid as refusal:
        assert str(refusal).endswith((".", "...}."))
        return
    assert isinstance(json.loads(translated.body), dict)


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(data=st.data())
def test_an_answer_of_any_shape_is_translated_or_an_error(
    client: Dialect, vendor: Dialect, data: st.DataObject
) -> None:
    translation = Translation(client=client, vendor=vendor)
    body = spoilt(FORMATS[vendor].write_answer(data.draw(answers((vendor,))), CIRCUMSTANCES), data)
    try:
        translated = translation.answer(body, CIRCUMSTANCES)
    except AnswerUntranslatable as error:
        assert str(error).endswith(".")
        return
    assert isinstance(json.loads(translated), dict)


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(data=st.data())
def test_a_stream_of_any_shape_ends_in_the_clients_wire(client: Dialect, vendor: Dialect, data: st.DataObject) -> None:
    _, events = data.draw(streams((vendor,)))
    stream = Translation(client=client, vendor=vendor).stream(CIRCUMSTANCES, SHAPE)
    shown = b""
    for event in events_in(stream_of(vendor, events)):
        body = encoded(event)
        shown += stream.feed(spoilt(body, data) if data.draw(st.booleans()) else body)
    shown += stream.close()
    assert stream.feed(b'{"type":"ping"}') == b"" and stream.close() == b""
    assert events_in(shown)


@pytest.mark.parametrize(("client", "vendor"), PAIRS)
@EXAMPLES
@given(status=st.integers(400, 599), body=st.binary(max_size=40) | JSON_VALUES.map(msgspec.json.encode))
def test_an_error_of_any_shape_is_the_clients(client: Dialect, vendor: Dialect, status: int, body: bytes) -> None:
    translated = Translation(client=client, vendor=vendor).error(status, body)
    failure = FORMATS[client].read_failure(status, json.loads(translated))
    assert isinstance(failure, Failure) and failure.status == status and failure.message


def test_nesting_without_end_is_refused() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for client, vendor in PAIRS:
        translation = Translation(client=client, vendor=vendor)
        for name in (b"messages", b"contents", b"tools", b"generationConfig", b"thinking", b"input"):
            with pytest.raises(RequestInvalid):
                translation.request(b'{"%s":%s}' % (name, deep), DESTINATION)
        with pytest.raises(AnswerUntranslatable):
            translation.answer(
                b'{"choices":%s,"content":%s,"candidates":%s,"output":%s}' % (deep, deep, deep, deep), CIRCUMSTANCES
            )
        stream = translation.stream(CIRCUMSTANCES, StreamShape(wants_usage=True, framing=Framing.ARRAY))
        assert b"nest" in stream.feed(deep) or stream.close() == b""
        assert b"error" in translation.error(500, deep)
