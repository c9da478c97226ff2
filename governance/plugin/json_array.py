"""Cuts a JSON array that grows as it is streamed into its elements, without changing a byte.

The like of `sse.EventSplitter` for the other framing of Gemini's API: `[{...}`, then `,\\r\\n{...}` for each further
chunk, then `]`. Each event's `raw` is what came since the last element up to the end of this one; its `data` is the
element alone. All `raw` joined are the stream as it came. An object that stands alone counts as an element too.
"""

import re

from governance.plugin.sse import MAX_EVENT_BYTES, ServerSentEvent

_OUTSIDE = re.compile(rb'["{}]')
_INSIDE = re.compile(rb'["\\]')


class ArraySplitter:
    """Feed it chunks as they arrive, cut anywhere; it returns the elements that are complete.

    An element larger than `max_event_bytes` is relayed in pieces without being read, so that a stream cannot fill the
    memory. Elements are told by their braces alone: a vendor whose JSON is broken gets its bytes relayed, not read.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._searched = 0
        self._element_at = 0
        self._depth = 0
        self._is_string = False
        self._is_oversized = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events this chunk completes, in order."""
        self._held += chunk
        events: list[ServerSentEvent] = []
        while end := self._end_of_element():
            self._emit(end, events)
        if len(self._held) > self._max_event_bytes or self._is_oversized:
            self._relay_held(events)
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return what is left when the stream has ended: the closing bracket, or an unfinished element."""
        rest = bytes(self._held)
        self._held.clear()
        return [ServerSentEvent(rest, None if self._depth else b"")] if rest else []

    def _end_of_element(self) -> int:
        """Return where the element that is being read ends, or 0 when it has not yet."""
        held = self._held
        while found := (_INSIDE if self._is_string else _OUTSIDE).search(held, self._searched):
            at, sign = found.start(), found.group()
            self._searched = at + 1
            if sign == b'"':
                self._is_string = not self._is_string
            elif sign == b"\\":
                if at + 1 == len(held):
                    # What it escapes is still to come.
                    self._searched = at
                    return 0
                self._searched = at + 2
            elif sign == b"{":
                if not self._depth:
                    self._element_at = at
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 0:
                    self._depth = 0
                    return self._searched
        self._searched = len(held)
        return 0

    def _emit(self, end: int, events: list[ServerSentEvent]) -> None:
        raw = bytes(self._held[:end])
        is_read = not self._is_oversized and end - self._element_at <= self._max_event_bytes
        events.append(ServerSentEvent(raw, raw[self._element_at :] if is_read else None))
        self._drop(end)
        self._is_oversized = False

    def _relay_held(self, events: list[ServerSentEvent]) -> None:
        """Let go of what is held of an element, but for a backslash whose letter is still to come."""
        self._is_oversized = self._depth > 0
        if piece := bytes(self._held[: self._searched]):
            events.append(ServerSentEvent(piece, None if self._depth else b""))
            self._drop(self._searched)

    def _drop(self, end: int) -> None:
        del self._held[:end]
        self._searched = max(0, self._searched - end)
        self._element_at = 0
