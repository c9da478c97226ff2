"""Frames are cut and checked as AWS makes them, and become the events that Anthropic's own API would send."""

import base64
import json
from typing import Any

import pytest
from bursar_plugin_bedrock.events import MessageEvents
from bursar_plugin_bedrock.frames import Frame, FrameReader

from governance.plugin import StreamBroken
from tests.support.aws import chunk, exception, frame
from tests.support.recordings import exchange

EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "H\u00e4\n"}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9}},
]
STREAM = b"".join(map(chunk, EVENTS))


def frames_of(stream: bytes, size: int) -> list[Frame]:
    reader = FrameReader()
    found = [each for at in range(0, len(stream), size) for each in reader.feed(stream[at : at + size])]
    reader.close()
    return found


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_a_recorded_stream_is_cut_into_its_frames_however_it_arrives(size: int) -> None:
    stream = base64.b64decode(exchange("bedrock-converse-stream-binary.json")["response"]["body_base64"])
    found = frames_of(stream, size)
    assert [each.headers[":event-type"] for each in found] == [
        "messageStart",
        *["contentBlockDelta"] * 8,
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert json.loads(found[-1].payload)["usage"]["totalTokens"] == 34


@pytest.mark.parametrize("size", [1, 13, 100_000])
def test_a_chunk_becomes_the_event_of_its_type_with_the_models_own_bytes(size: int) -> None:
    events = MessageEvents()
    made = [each for at in range(0, len(STREAM), size) for each in events.feed(STREAM[at : at + size])]
    assert events.close() == []
    assert [json.loads(event.data or b"") for event in made] == EVENTS
    assert made[1].raw == b"event: content_block_delta\ndata: " + json.dumps(EVENTS[1]).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "rate_limit_error"),
        ("modelTimeoutException", "timeout_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("somethingNewException", "api_error"),
    ],
)
def test_trap_23_an_exception_within_a_stream_becomes_the_error_of_the_clients_wire(name: str, kind: str) -> None:
    (event,) = MessageEvents().feed(exception(name, "Not now."))
    assert event.raw.startswith(b"event: error\n")
    assert json.loads(event.data or b"")["error"] == {"type": kind, "message": "Not now."}


def test_a_frame_of_another_kind_is_no_event_of_the_message() -> None:
    (event,) = MessageEvents().feed(frame(b"{}", event_type="initial-response", message_type="event"))
    assert event.raw.startswith(b":") and event.data == b""


def damaged(at: int) -> bytes:
    stream = bytearray(STREAM)
    stream[at] ^= 1
    return bytes(stream)


@pytest.mark.parametrize(
    "stream",
    [
        damaged(2),
        damaged(20),
        damaged(len(chunk(EVENTS[0])) - 6),
        STREAM[:-3],
        b"event: message_start\ndata: {}\n\n",
        frame(b"not json", event_type="chunk", message_type="event"),
        frame(b'{"bytes":"!"}', event_type="chunk", message_type="event"),
        frame(b'{"bytes":"e30="}', event_type="chunk", message_type="event"),
        frame(b'{"bytes":"eyJ0eXBlIjoiYVxuYiJ9"}', event_type="chunk", message_type="event"),
        b"\x7f\xff\xff\xff\x00\x00\x00\x00" + (0xDE9FB0AD).to_bytes(4, "big"),
    ],
    ids=["length", "header", "payload", "cut", "sse", "json", "base64", "no-type", "type-no-name", "huge"],
)
def test_what_is_damaged_or_no_frame_ends_the_stream(stream: bytes) -> None:
    events = MessageEvents()
    with pytest.raises(StreamBroken):
        events.feed(stream)
        events.close()


def test_the_events_before_the_damage_are_not_lost() -> None:
    events = MessageEvents()
    made = events.feed(damaged(len(chunk(EVENTS[0])) + 30))
    assert [json.loads(event.data or b"")["type"] for event in made] == ["message_start"]
    with pytest.raises(StreamBroken, match="checksum"):
        events.feed(b"")
