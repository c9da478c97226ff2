"""Streams, where vendors misbehave, fail in the middle, or say what no other wire has words for."""

import json
from typing import Any

import pytest

from governance.gateway.translation import (
    MAX_EVENT_BYTES,
    AnswerUntranslatable,
    Circumstances,
    Dialect,
    Framing,
    StreamShape,
    StreamTranslation,
    Translation,
)

CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
CIRCUMSTANCES = Circumstances(created_at_seconds=1_700_000_000, request_id="req_1", model="asked")


def opened(
    client: Dialect, vendor: Dialect, *, wants_usage: bool = True, framing: Framing = Framing.EVENTS
) -> StreamTranslation:
    shape = StreamShape(wants_usage=wants_usage, framing=framing)
    return Translation(client=client, vendor=vendor).stream(CIRCUMSTANCES, shape)


def shown(client: Dialect, vendor: Dialect, *events: dict[str, Any], wants_usage: bool = True) -> list[Any]:
    """Return the client's events, decoded, with "[DONE]" as it is."""
    stream = opened(client, vendor, wants_usage=wants_usage)
    body = b"".join([stream.feed(json.dumps(event).encode()) for event in events]) + stream.close()
    datas = [line.removeprefix("data: ") for line in body.decode().splitlines() if line.startswith("data: ")]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


def chunk(delta: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    finish = fields.pop("finish_reason", None)
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c1", "model": "served", "choices": choices} | fields


def call(index: int | None, name: str | None, arguments: str, **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    numbered = {} if index is None else {"index": index}
    return {"tool_calls": [numbered | {"function": function} | fields]}


USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
HELLO = chunk({"content": "Hello"})
END = chunk({}, finish_reason="stop")


@pytest.mark.parametrize(
    ("vendor", "event", "status"),
    [
        (CHAT, {"error": {"message": "Too busy", "type": "server_error", "code": "overloaded"}}, 500),
        (CHAT, {"error": {"message": "Too busy", "code": 429}, "choices": []}, 429),
        (CHAT, {"error": "Too busy"}, 502),
        (MESSAGES, {"type": "error", "error": {"type": "overloaded_error", "message": "Too busy"}}, 529),
        (GEMINI, {"error": {"code": 503, "message": "Too busy", "status": "UNAVAILABLE"}}, 503),
    ],
)
def test_an_error_of_the_vendors_inside_a_stream_is_the_clients_error_event(
    vendor: Dialect, event: dict[str, Any], status: int
) -> None:
    for client in Dialect:
        if client == vendor:
            continue
        (only,) = shown(client, vendor, event)
        assert only["error"]["message"] == "Too busy"
        if client == GEMINI:
            assert only["error"]["code"] == status


def test_usage_that_cannot_be_read_fails_no_answer() -> None:
    spoilt = chunk({}, finish_reason="stop", usage={"prompt_tokens": "nine"})
    assert shown(MESSAGES, CHAT, HELLO, spoilt)[-2]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    ended = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": -5}}
    assert all("usage" not in event for event in shown(CHAT, GEMINI, ended) if event != "[DONE]")


def test_what_is_null_says_nothing() -> None:
    assert shown(MESSAGES, CHAT, {"choices": None, "usage": None}, HELLO, END)[-1] == {"type": "message_stop"}
    empty = [{"candidates": None}, {"candidates": [{"content": {"parts": None}, "finishReason": "STOP"}]}]
    assert shown(CHAT, GEMINI, *empty)[-1] == "[DONE]"


def test_nothing_follows_an_error() -> None:
    stream = opened(MESSAGES, CHAT)
    first = stream.feed(b'{"error":{"message":"Too busy"}}')
    assert first.startswith(b"event: error\n")
    assert stream.feed(json.dumps(HELLO).encode()) == b"" and stream.close() == b""


def test_a_stream_that_ends_without_an_end_is_an_error() -> None:
    assert shown(MESSAGES, CHAT, HELLO)[-1]["error"]["message"].startswith("The vendor's answer ended before")
    assert "[DONE]" not in shown(CHAT, GEMINI, {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}]})


def test_a_chat_vendor_that_forgets_its_last_event_has_ended_all_the_same() -> None:
    assert shown(MESSAGES, CHAT, HELLO, END)[-1] == {"type": "message_stop"}


def test_an_event_too_large_to_be_read_is_an_error_once() -> None:
    stream = opened(CHAT, GEMINI)
    assert b"too large" in stream.feed(None)
    assert stream.feed(None) == b"" and stream.close() == b""


def test_comments_and_pings_say_nothing() -> None:
    stream = opened(CHAT, MESSAGES)
    assert stream.feed(b"") == b""
    assert stream.feed(b'{"type":"ping"}') == b"" and stream.feed(b'{"type":"something_of_next_year","x":[1]}') == b""


def test_usage_is_shown_to_a_chat_client_that_asked_for_it() -> None:
    ended = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}
    with_usage = shown(CHAT, GEMINI, ended)
    assert with_usage[-2]["usage"]["prompt_tokens"] == 5 and with_usage[-2]["choices"] == []
    assert all(event == "[DONE]" or event["choices"] for event in shown(CHAT, GEMINI, ended, wants_usage=False))


def test_parallel_calls_are_blocks_that_follow_each_other() -> None:
    events = shown(
        MESSAGES,
        CHAT,
        chunk(call(0, "f", "", id="a")),
        chunk(call(0, None, '{"x":')),
        chunk(call(0, None, "1}")),
        chunk(call(1, "g", "{}", id="b")),
        chunk({}, finish_reason="tool_calls", usage=USAGE),
    )
    kinds = [event["type"] for event in events]
    begin, piece, end = "content_block_start", "content_block_delta", "content_block_stop"
    assert kinds == ["message_start", begin, piece, piece, end, begin, piece, end, "message_delta", "message_stop"]
    assert events[1]["content_block"] == {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    assert (events[-2]["delta"]["stop_reason"], events[-2]["usage"]["input_tokens"]) == ("tool_use", 9)


def test_calls_without_a_number_or_an_id_are_told_apart_by_their_names() -> None:
    events = shown(GEMINI, CHAT, chunk(call(None, "f", "{}")), chunk(call(None, "g", "{}")), END)
    calls = [
        part["functionCall"]
        for event in events
        for part in event["candidates"][0]["content"]["parts"][:1]
        if "functionCall" in part
    ]
    assert [(call["name"], call["id"]) for call in calls] == [("f", "call_c1_0"), ("g", "call_c1_1")]


def test_a_call_that_goes_on_after_it_ended_is_an_error() -> None:
    pieces = (chunk(call(0, "f", "", id="a")), chunk(call(1, "g", "", id="b")), chunk(call(0, None, "{}")))
    assert "call that has ended" in shown(MESSAGES, CHAT, *pieces)[-1]["error"]["message"]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    events = [
        {"type": "message_start", "message": {"id": "m", "model": "served", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    pieces = [event["choices"][0]["delta"] for event in shown(CHAT, MESSAGES, *events)[:-2]]
    arguments = [delta["tool_calls"][0]["function"]["arguments"] for delta in pieces if "tool_calls" in delta]
    assert "".join(arguments) == "{}"


def test_arguments_that_are_no_object_are_an_error_where_the_wire_has_them_whole() -> None:
    events = (chunk(call(0, "f", "{broken", id="a")), END)
    assert "not a JSON object" in shown(GEMINI, CHAT, *events)[-1]["error"]["message"]


def test_arguments_without_end_are_not_held() -> None:
    stream = opened(GEMINI, CHAT)
    stream.feed(json.dumps(chunk(call(0, "f", '{"x":"', id="a"))).encode())
    piece = json.dumps(chunk(call(0, None, "y" * 100_000))).encode()
    shown = [stream.feed(piece) for _ in range(MAX_EVENT_BYTES // 100_000 + 2)]
    assert b"too large" in b"".join(shown)


def test_an_end_that_no_other_wire_knows_is_an_error() -> None:
    ended = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "MALFORMED_FUNCTION_CALL"}]}
    assert "MALFORMED_FUNCTION_CALL" in shown(CHAT, GEMINI, ended)[-1]["error"]["message"]
    with pytest.raises(AnswerUntranslatable, match="MALFORMED_FUNCTION_CALL"):
        Translation(client=CHAT, vendor=GEMINI).answer(json.dumps(ended).encode(), CIRCUMSTANCES)


def test_a_prompt_that_was_blocked_is_a_refusal() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    assert shown(MESSAGES, GEMINI, blocked)[-2]["delta"]["stop_reason"] == "refusal"
    whole = json.loads(Translation(client=CHAT, vendor=GEMINI).answer(json.dumps(blocked).encode(), CIRCUMSTANCES))
    assert whole["choices"][0]["finish_reason"] == "content_filter"
    assert whole["choices"][0]["message"]["content"] is None


def test_a_refusal_of_the_models_is_its_text_and_a_refusal() -> None:
    events = shown(MESSAGES, CHAT, chunk({"refusal": "I will not."}), END)
    assert events[2]["delta"] == {"type": "text_delta", "text": "I will not."}
    assert events[-2]["delta"]["stop_reason"] == "refusal"


def test_media_in_an_answer_is_an_error_and_not_left_out() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    ended = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    assert "media" in shown(CHAT, GEMINI, ended)[-1]["error"]["message"]


def test_several_answers_are_an_error() -> None:
    second = {"id": "c1", "choices": [{"index": 1, "delta": {"content": "x"}}]}
    assert "several answers" in shown(MESSAGES, CHAT, second)[-1]["error"]["message"]


def test_an_error_inside_an_array_keeps_it_one() -> None:
    stream = opened(GEMINI, CHAT, framing=Framing.ARRAY)
    body = stream.feed(json.dumps(HELLO).encode()) + stream.feed(b'{"error":{"message":"Too busy","code":429}}')
    assert [sorted(item)[0] for item in json.loads(body)] == ["candidates", "error"]


def test_cached_tokens_are_counted_as_the_clients_wire_counts_them() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 20, "output_tokens": 3}
    body = {"id": "m", "model": "x", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    whole = json.dumps(body | {"usage": usage}).encode()
    seen = json.loads(Translation(client=CHAT, vendor=MESSAGES).answer(whole, CIRCUMSTANCES))["usage"]
    assert (seen["prompt_tokens"], seen["prompt_tokens_details"]) == (
        95,
        {"cached_tokens": 70, "cache_write_tokens": 20},
    )
    google = json.loads(Translation(client=GEMINI, vendor=MESSAGES).answer(whole, CIRCUMSTANCES))["usageMetadata"]
    assert google == {
        "promptTokenCount": 95,
        "cachedContentTokenCount": 70,
        "candidatesTokenCount": 3,
        "totalTokenCount": 98,
    }
