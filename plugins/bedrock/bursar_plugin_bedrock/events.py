"""Makes server-sent events of the frames in which Bedrock streams a Claude model's answer.

A `chunk` holds one event of Anthropic's as its model wrote it, in Base64: that JSON is what the client gets, byte for
byte, framed as Anthropic's own API frames it. An exception within the stream becomes the event `error`. Source:
docs.aws.amazon.com/bedrock (InvokeModelWithResponseStream).
"""

import binascii
from base64 import b64decode

import msgspec

from bursar_plugin_bedrock.errors import anthropic_error
from bursar_plugin_bedrock.frames import Frame, FrameReader
from governance.plugin import ServerSentEvent, StreamBroken

_STATUSES = {
    "internalServerException": 500,
    "modelStreamErrorException": 500,
    "modelTimeoutException": 504,
    "serviceUnavailableException": 529,
    "throttlingException": 429,
    "validationException": 400,
}


class _Chunk(msgspec.Struct):
    bytes: str


class _Named(msgspec.Struct):
    type: str


_chunk = msgspec.json.Decoder(_Chunk)
_named = msgspec.json.Decoder(_Named)


class MessageEvents:
    """See Splitter."""

    def __init__(self) -> None:
        self._frames = FrameReader()

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events of the frames that this chunk completes. Raises StreamBroken."""
        return [_event(frame) for frame in self._frames.feed(chunk)]

    def close(self) -> list[ServerSentEvent]:
        """Nothing is left of a stream that ended with a frame. Raises StreamBroken for any other."""
        self._frames.close()
        return []


def _event(frame: Frame) -> ServerSentEvent:
    kind = frame.headers.get(":message-type")
    if kind == "event":
        data = _data(frame.payload) if frame.headers.get(":event-type") == "chunk" else b""
        return _framed(_type_of(data), data) if data else ServerSentEvent(b": another event\n\n", b"")
    name = frame.headers.get(":exception-type") or frame.headers.get(":error-code") or "unknown"
    data = anthropic_error(_STATUSES.get(name, 500), frame.payload)
    return _framed("error", data)


def _framed(name: str, data: bytes) -> ServerSentEvent:
    return ServerSentEvent(b"event: %b\ndata: %b\n\n" % (name.encode(), data), data)


def _data(payload: bytes) -> bytes:
    try:
        data = b64decode(_chunk.decode(payload).bytes, validate=True)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise StreamBroken("A chunk of the vendor's stream does not hold an event.") from error
    if b"\n" in data or b"\r" in data:
        # Between values JSON may have line ends, which server-sent events may not.
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    return data


def _type_of(data: bytes) -> str:
    try:
        name = _named.decode(data).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StreamBroken("A chunk of the vendor's stream holds an event without a type.") from error
    if not name.replace("_", "").isalnum():
        raise StreamBroken("A chunk of the vendor's stream holds an event whose type is no name.")
    return name
