"""Watches one streamed chat reply for usage. Almost every event is passed on after one look for six letters."""

import re

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.openai_chat._usage import VISIBLE, read_chat_usage
from governance.plugin.usage import Usage, UsageReport

_USAGE_OBJECT = re.compile(rb'"usage"\s*:\s*\{')
_NULL = msgspec.Raw(b"null")
_DONE = b"[DONE]"


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    usage: msgspec.Raw = _NULL
    choices: list[_Choice] | None = None
    model: str | None = None
    service_tier: str | None = None
    error: msgspec.Raw = _NULL


_chunk = msgspec.json.Decoder(_Chunk)


class ChatStreamMeter:
    """Reads usage wherever a vendor puts it: in an extra chunk, in the last one, or in every one (the last wins).

    Usage counts as final in a chunk without choices, in the chunk that finishes the only choice, or once the stream
    says `[DONE]`: a running total of a stream that was cut is not a final one. `hides_usage_chunk` is for a client
    that did not ask for the extra usage chunk which the gateway asked for.
    """

    __slots__ = (
        "_choices",
        "_hides",
        "_in_cache",
        "_in_reasoning",
        "_is_final",
        "_last",
        "_visible_bytes",
        "_visible_events",
    )

    def __init__(
        self, *, input_includes_cache: bool, output_includes_reasoning: bool, choices: int, hides_usage_chunk: bool
    ) -> None:
        self._in_cache = input_includes_cache
        self._in_reasoning = output_includes_reasoning
        self._choices = choices
        self._hides = hides_usage_chunk
        self._last: UsageReport | None = None
        self._is_final = False
        self._visible_bytes = 0
        self._visible_events = 0

    def feed(self, data: bytes) -> bool:
        """Take the data of one event. Return whether the client should see the event."""
        visible = VISIBLE.search(data)
        if visible and (size := visible.end(1) - visible.start(1)):
            self._visible_bytes += size
            self._visible_events += 1
        at = data.find(b'"usage"')
        if at >= 0 and _USAGE_OBJECT.search(data, at):
            return self._read(data)
        if data == _DONE and self._last is not None:
            self._is_final = True
        return True

    def report(self) -> UsageReport | None:
        """Return the vendor's final usage, or None while it has not been seen or could not be believed."""
        if self._last is None or not self._is_final:
            return None
        return msgspec.structs.replace(self._last, visible_output_bytes=self._visible_bytes)

    def running(self) -> Usage | None:
        """Return the last usage that was reported, final or not."""
        return self._last.usage if self._last is not None else None

    def seen_output_bytes(self) -> int:
        """Return how many bytes of visible output have passed, as JSON spells them."""
        return self._visible_bytes

    def seen_output_events(self) -> int:
        """Return how many events carried visible output."""
        return self._visible_events

    def _read(self, data: bytes) -> bool:
        try:
            chunk = _chunk.decode(data)
            usage = bytes(chunk.usage)
            if usage == b"null":
                return True
            self._last = read_chat_usage(
                usage,
                input_includes_cache=self._in_cache,
                output_includes_reasoning=self._in_reasoning,
                served_model=chunk.model,
                service_tier=chunk.service_tier,
            )
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UsageUnreadable):
            self._last = None
            self._is_final = False
            return True
        self._is_final = not chunk.choices or self._finishes(chunk.choices)
        is_extra = chunk.choices == [] and bytes(chunk.error) == b"null"
        return not (is_extra and self._hides)

    def _finishes(self, choices: list[_Choice]) -> bool:
        return self._choices == 1 and all(choice.finish_reason is not None for choice in choices)
