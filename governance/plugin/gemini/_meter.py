"""Watches one streamed Gemini reply for usage, which stands in every chunk and may shrink between them."""

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.gemini._usage import VISIBLE, read_usage
from governance.plugin.usage import Usage, UsageReport

_NULL = msgspec.Raw(b"null")
_ABSENT = msgspec.Raw(b"")


class _Part(msgspec.Struct, rename="camel"):
    function_call: msgspec.Raw = _ABSENT


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    index: int = 0
    finish_reason: str | None = None
    content: _Content | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    usage_metadata: msgspec.Raw = _NULL
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    model_version: str | None = None


_chunk = msgspec.json.Decoder(_Chunk)


class GeminiStreamMeter:
    """The last chunk's usage counts, once every candidate has finished or the prompt was blocked.

    A stream that was cut has no final usage: what it used at least is the largest of each count that was seen.
    """

    __slots__ = ("_choices", "_finished", "_is_blocked", "_last", "_most", "_visible_bytes", "_visible_events")

    def __init__(self, *, choices: int) -> None:
        self._choices = choices
        self._finished: set[int] = set()
        self._is_blocked = False
        self._last: UsageReport | None = None
        self._most: Usage | None = None
        self._visible_bytes = 0
        self._visible_events = 0

    def feed(self, data: bytes) -> bool:
        """Take one chunk. The client sees every one of them."""
        try:
            chunk = _chunk.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # What cannot be read may hold the last word on usage: what was read before is not it.
            self._last = None
            return True
        self._look(data, chunk)
        raw = bytes(chunk.usage_metadata)
        if raw != b"null":
            self._read(raw, chunk.model_version)
        self._is_blocked = self._is_blocked or bool(chunk.prompt_feedback and chunk.prompt_feedback.block_reason)
        self._finished |= {each.index for each in chunk.candidates or () if each.finish_reason}
        return True

    def report(self) -> UsageReport | None:
        """Return the vendor's final usage, or None while it has not been seen or could not be believed."""
        if self._last is None or not (self._is_blocked or len(self._finished) >= self._choices):
            return None
        return msgspec.structs.replace(self._last, visible_output_bytes=self._visible_bytes)

    def running(self) -> Usage | None:
        """Return the largest of each count that was reported, final or not."""
        return self._most

    def seen_output_bytes(self) -> int:
        """Return how many bytes of visible output have passed, as JSON spells them."""
        return self._visible_bytes

    def seen_output_events(self) -> int:
        """Return how many chunks carried visible output."""
        return self._visible_events

    def _look(self, data: bytes, chunk: _Chunk) -> None:
        size = sum(found.end(1) - found.start(1) for found in VISIBLE.finditer(data))
        contents = [each.content for each in chunk.candidates or () if each.content is not None]
        size += sum(len(bytes(part.function_call)) for content in contents for part in content.parts or ())
        self._visible_bytes += size
        self._visible_events += size > 0

    def _read(self, raw: bytes, served_model: str | None) -> None:
        try:
            self._last = read_usage(raw, served_model=served_model)
        except UsageUnreadable:
            self._last = None
            return
        self._most = self._last.usage if self._most is None else _largest(self._most, self._last.usage)


def _largest(one: Usage, other: Usage) -> Usage:
    """Return the larger of each count. Nothing here is priced by the piece."""
    counts = zip(msgspec.structs.astuple(one)[:-1], msgspec.structs.astuple(other)[:-1], strict=True)
    return Usage(**dict(zip(one.__struct_fields__, (max(pair) for pair in counts), strict=False)))
