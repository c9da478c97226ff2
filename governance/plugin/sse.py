"""Cuts a stream of server-sent events into events without changing a byte.

A gateway relays each event's original bytes (`raw`) and reads its `data`; all `raw` joined are the stream as it came.
The format is that of the HTML standard: lines end with LF, CRLF or CR, an event ends with an empty line, lines that
start with a colon are comments, several `data` lines are joined by LF, and one byte order mark may open the stream.
"""

import re
from typing import NamedTuple, Protocol

MAX_EVENT_BYTES = 128 * 1024
"""An event larger than this is relayed in pieces without being read, so that a stream cannot fill the memory."""

_LINE_END = rb"(?:\r\n|\n|\r(?!\n|\Z))"
_BLANK_LINE = re.compile(_LINE_END + _LINE_END)
_EMPTY_EVENT = re.compile(_LINE_END)
_LINES = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_BLANK_LINE = len(b"\r\n\r\n")


class ServerSentEvent(NamedTuple):
    """The original bytes, and the data they carry: empty for comments, None for (a piece of) an oversized event."""

    raw: bytes
    data: bytes | None


class Splitter(Protocol):
    """Cuts a streamed reply into events: `EventSplitter`, or its like for another framing."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events this chunk completes, in order. Raises StreamBroken."""

    def close(self) -> list[ServerSentEvent]:
        """Return what is left when the stream has ended. Raises StreamBroken."""


class EventSplitter:
    """Feed it chunks as they arrive, cut anywhere; it returns the events that are complete.

    A stream that ends its lines with CR alone is told one byte later, since an LF could follow.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._searched = 0
        self._is_oversized = False
        self._is_first = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events this chunk completes, in order."""
        events: list[ServerSentEvent] = []
        if self._held:
            self._held += chunk
            if not (end := self._end_of_held()):
                return self._relay_oversized()
            self._emit(bytes(self._held[:end]), events)
            chunk = bytes(self._held[end:])
            self._held.clear()
        self._split(chunk, events)
        if len(self._held) > self._max_event_bytes:
            events += self._relay_oversized()
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return what is left when the stream has ended: an unfinished event, still to be relayed."""
        rest = bytes(self._held)
        self._held.clear()
        events: list[ServerSentEvent] = []
        if rest:
            self._emit(rest, events)
        return events

    def _split(self, chunk: bytes, events: list[ServerSentEvent]) -> None:
        position = 0
        if b"\r" not in chunk:
            while chunk.find(b"\n", position, position + 1) < 0 and (end := chunk.find(b"\n\n", position)) >= 0:
                self._emit(chunk[position : end + 2], events)
                position = end + 2
        while end := _end_of_event(chunk, position, position):
            self._emit(chunk[position:end], events)
            position = end
        self._held += chunk[position:]
        self._searched = max(0, len(self._held) - _LONGEST_BLANK_LINE)

    def _end_of_held(self) -> int:
        if self._is_oversized:
            match = _BLANK_LINE.search(self._held)
            return match.end() if match else 0
        return _end_of_event(self._held, 0, self._searched)

    def _emit(self, raw: bytes, events: list[ServerSentEvent]) -> None:
        data = None if self._is_oversized or len(raw) > self._max_event_bytes else self._data(raw)
        self._is_oversized = False
        self._is_first = False
        self._searched = 0
        events.append(ServerSentEvent(raw, data))

    def _relay_oversized(self) -> list[ServerSentEvent]:
        self._searched = max(0, len(self._held) - _LONGEST_BLANK_LINE)
        if not self._is_oversized and len(self._held) <= self._max_event_bytes:
            return []
        self._is_oversized = True
        cut = max(0, len(self._held) - _LONGEST_BLANK_LINE + 1)
        piece = bytes(self._held[:cut])
        del self._held[:cut]
        self._searched = 0
        return [ServerSentEvent(piece, None)] if piece else []

    def _data(self, raw: bytes) -> bytes:
        if self._is_first and raw.startswith(_BYTE_ORDER_MARK):
            raw = raw[len(_BYTE_ORDER_MARK) :]
        if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
            return raw[6:-2]
        return b"\n".join(value for line in _LINES.split(raw) if (value := _data_value(line)) is not None)


def _end_of_event(buffer: bytes | bytearray, start: int, searched: int) -> int:
    """Return where the event that begins at `start` ends, or 0. A leading empty line is an event of its own."""
    match = _EMPTY_EVENT.match(buffer, start) or _BLANK_LINE.search(buffer, searched)
    return match.end() if match else 0


def _data_value(line: bytes) -> bytes | None:
    if not line.startswith(b"data"):
        return None
    if line.startswith(b"data:"):
        return line[6:] if line.startswith(b"data: ") else line[5:]
    return b"" if line == b"data" else None
