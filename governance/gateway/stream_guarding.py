"""Lets guards look at a stream on its way to the client, in the client's own wire.

Texts that grow from event to event are held back as `holding` says; each event waits until all of its pieces have been
let go, so that events keep their order, and none of their bytes changes but what is masked. A finding that spans events
is replaced by its kind in the first of them, and left out of the others.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from governance.gateway.deltas import Channel, Delta, said_in
from governance.gateway.errors import GuardFailed, GuardRefused
from governance.gateway.exchange import Exchange
from governance.gateway.formats import EVENT_STREAM
from governance.gateway.guarding import Found, Guards, note, refuse_reply
from governance.gateway.holding import HeldText, Masked, TooLongToFollow
from governance.gateway.texts import Text, apart, byte_offsets, decoded, is_json
from governance.plugin.json_array import ArraySplitter
from governance.plugin.provider import Wire
from governance.plugin.sse import EventSplitter, ServerSentEvent, Splitter
from governance.policy.guards import AppliedGuard

_LONGEST_EVENT_BYTES: Final = 64 * 1024 * 1024
"""As long as a whole reply may be: what is not read cannot be looked at."""
_SPLITTERS: Final[Mapping[str, Callable[[], Splitter]]] = MappingProxyType(
    {
        EVENT_STREAM: partial(EventSplitter, max_event_bytes=_LONGEST_EVENT_BYTES),
        "application/json": partial(ArraySplitter, max_event_bytes=_LONGEST_EVENT_BYTES),
    }
)
_DONE: Final = b"[DONE]"
_LINES: Final = re.compile(rb"\r\n|\n|\r")
_SHORT_BYTES: Final = 64
_KNOWN_TEXTS: Final = 1_024


class Looking(NamedTuple):
    """Who looks at one reply: the guards there are, the rules that apply, and the exchange that is told."""

    guards: Guards
    applied: Sequence[AppliedGuard]
    exchange: Exchange


@dataclass(slots=True)
class _Event:
    """An event on its way: its bytes, what of them is to be replaced, and how many pieces it waits for."""

    raw: bytes
    edits: list[tuple[int, int, bytes]] = field(default_factory=list)
    waiting: int = 0

    def passed(self) -> bytes:
        """Return its bytes as they may be seen."""
        parts: list[bytes] = []
        position = 0
        for start, end, word in sorted(self.edits):
            parts += (self.raw[position:start], word)
            position = end
        return b"".join([*parts, self.raw[position:]])


@dataclass(slots=True)
class _Segment:
    """A piece of a growing text in its event: how many of its characters are still held, and how many are gone."""

    event: _Event
    start: int
    raw: bytes
    left: int
    gone: int = 0


class _Growing:
    """One growing text and the pieces it came in."""

    __slots__ = ("segments", "text")

    def __init__(self) -> None:
        self.text = HeldText()
        self.segments: deque[_Segment] = deque()

    def let_go(self, characters: int, masked: Sequence[Masked]) -> None:
        """Let so many characters go, with these parts masked."""
        at = 0
        while self.segments and at < characters:
            segment = self.segments[0]
            taken = min(segment.left, characters - at)
            _mask(segment, at, taken, masked)
            segment.left -= taken
            segment.gone += taken
            at += taken
            if not segment.left:
                segment.event.waiting -= 1
                self.segments.popleft()


class StreamGuard:
    """One stream. Feed it what the client would get; it returns what the client may get."""

    def __init__(self, looking: Looking, *, wire: Wire, content_type: str, is_readable: bool) -> None:
        self._looking = looking
        self._wire = wire
        # What a vendor frames in its own way is framed anew, as server-sent events.
        self._splitter = _SPLITTERS.get(content_type, _SPLITTERS[EVENT_STREAM])()
        self._is_readable = is_readable
        self._events: deque[_Event] = deque()
        self._growing: dict[Channel, _Growing] = {}
        self._innocent: set[bytes] = set()

    async def feed(self, shown: bytes) -> bytes:
        """Raises GuardRefused or GuardFailed: then nothing more of the stream may pass."""
        for event in self._splitter.feed(shown):
            await self._take(event)
        return self.passed()

    async def close(self) -> bytes:
        """Return the rest, when the stream has ended. Raises as `feed` does."""
        for event in self._splitter.close():
            await self._take(event)
        await self._end(lambda channel: True)
        return self.passed()

    def passed(self) -> bytes:
        """Return the events that wait for nothing any more, also those before what was refused."""
        ready: list[bytes] = []
        while self._events and not self._events[0].waiting:
            ready.append(self._events.popleft().passed())
        return b"".join(ready)

    async def _take(self, given: ServerSentEvent) -> None:
        raw, data = given
        if not self._is_readable or data is None:
            raise GuardFailed(
                "The answer is compressed, or an event of it is too large, so guards cannot look at it and nothing "
                "passes: ask without a stream, or whoever administers Bursar must have it sent plainly."
            )
        if data.strip() == _DONE:
            await self._end(lambda channel: True)
        elif data.strip():
            await self._look(raw, data)
            return
        self._events.append(_Event(raw))

    async def _look(self, raw: bytes, data: bytes) -> None:
        """Take an event that says something."""
        start = _place(raw, data)
        if start < 0:
            raw, data = _in_one_line(raw, data)
            start = _place(raw, data)
        # It also waits for itself to be looked at: what is refused on the way does not pass.
        event = _Event(raw, waiting=1)
        self._events.append(event)
        await (self._read(event, data, start) if is_json(data) else self._plain(event, data, start))
        event.waiting -= 1

    async def _read(self, event: _Event, data: bytes, start: int) -> None:
        """Look at all that an event says."""
        said = said_in(data, self._wire)
        groups = {delta.channel[0] for delta in said.deltas}
        channels = {delta.channel for delta in said.deltas}
        # Another text of the same speaker has begun, so that those before it are over.
        await self._end(lambda channel: said.ends_all or (channel[0] in groups and channel not in channels))
        await self._alone(event, said.others, start, repeats=said.repeats)
        for delta in said.deltas:
            self._hold(event, delta, start)
        for channel in channels:
            await self._let_go(channel, is_end=False)
        if said.ended:
            await self._end(lambda channel: channel[0] in said.ended)

    async def _plain(self, event: _Event, data: bytes, start: int) -> None:
        """Look at what is no JSON: one text, in which a byte is a character."""
        guards, applied, exchange = self._looking
        found = await guards.text(data.decode("latin-1"), applied, exchange)
        note(found, exchange.facts)
        refuse_reply(found)
        event.edits += [
            (start + piece.start, start + piece.end, f"[{piece.word}]".encode())
            for piece in apart([each.piece for each in found])
        ]

    async def _alone(self, event: _Event, texts: Sequence[Text], start: int, *, repeats: bool) -> None:
        """Look at texts that stand alone. Short ones, such as the words of the wire, come again and again."""
        new = [text for text in texts if text.raw and text.raw not in self._innocent]
        if not new:
            return
        guards, applied, exchange = self._looking
        found = await guards.texts(new, applied, exchange)
        if not found:
            if len(self._innocent) < _KNOWN_TEXTS:
                self._innocent.update([text.raw for text in new if len(text.raw) <= _SHORT_BYTES])
            return
        if not repeats:
            note(found, exchange.facts)
        refuse_reply(found)
        event.edits += [
            (start + piece.start, start + piece.end, _bracketed(piece.word))
            for piece in apart([each.piece for each in found])
        ]

    def _hold(self, event: _Event, delta: Delta, start: int) -> None:
        text = decoded(delta.text.raw)
        growing = self._growing.setdefault(delta.channel, _Growing())
        growing.text.add(text)
        growing.segments.append(_Segment(event, start + delta.text.start, delta.text.raw, len(text)))
        event.waiting += 1

    async def _end(self, has_ended: Callable[[Channel], bool]) -> None:
        """Let go of all of these texts. What stood last in them is remembered: some go on after another one."""
        for channel in [each for each, growing in self._growing.items() if growing.segments and has_ended(each)]:
            await self._let_go(channel, is_end=True)

    async def _let_go(self, channel: Channel, *, is_end: bool) -> None:
        growing = self._growing.get(channel)
        if growing is None or not growing.text.is_worth_a_look(is_end=is_end):
            return
        guards, applied, exchange = self._looking
        found = await guards.text(growing.text.seen, applied, exchange)
        try:
            going = growing.text.let_go(found, is_end=is_end)
        except TooLongToFollow:
            raise _endless(found) from None
        note(going.found, exchange.facts)
        refuse_reply(going.found)
        growing.let_go(going.characters, going.masked)


def _mask(segment: _Segment, at: int, taken: int, masked: Sequence[Masked]) -> None:
    """Replace what of these parts lies in this segment, whose next characters begin at `at`."""
    for part in masked:
        begin, end = max(part.start, at), min(part.end, at + taken)
        if begin >= end:
            continue
        edges = [segment.gone + begin - at, segment.gone + end - at]
        first, last = byte_offsets(segment.raw, edges)
        word = _bracketed(part.word) if begin == part.start else b""
        segment.event.edits.append((segment.start + first, segment.start + last, word))


def _bracketed(word: str) -> bytes:
    return msgspec.json.encode(f"[{word}]")[1:-1]


def _endless(found: Sequence[Found]) -> GuardRefused:
    last = max(found, key=lambda each: each.piece.end)
    return GuardRefused(
        f"The answer was withheld from here on, because {last.piece.word} in it (guard {last.by.guard} of "
        f"{last.by.level}) goes on for too long to be followed in a stream: ask without a stream."
    )


def _place(raw: bytes, data: bytes) -> int:
    """Return where the data begins in its event; less than 0 where it stands in several lines."""
    for opening in (b"data: ", b"data:"):
        if (at := raw.find(opening + data)) >= 0:
            return at + len(opening)
    return len(raw) - len(data) if raw.endswith(data) else -1


def _in_one_line(raw: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Return an event whose data stood in several lines with its data in one, which means the same in JSON."""
    head = [line + b"\n" for line in _LINES.split(raw) if line and not line.startswith(b"data")]
    flat = data.replace(b"\n", b" ")
    return b"".join([*head, b"data: ", flat, b"\n\n"]), flat
