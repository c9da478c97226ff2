"""Watches one streamed response for the event that ends it. Every other event is passed on after two short looks."""

import re
from typing import Final

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.openai_responses._usage import Response, usage_report
from governance.plugin.usage import Usage, UsageReport

_DELTA: Final = re.compile(rb'"delta"\s*:\s*"((?:[^"\\]++|\\.)*+)"')
_USAGE_OBJECT: Final = re.compile(rb'"usage"\s*:\s*\{')
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class _Event(msgspec.Struct):
    type: str = ""
    response: Response | None = None


_event = msgspec.json.Decoder(_Event)


class ResponsesStreamMeter:
    """Reads usage from the event that ends a response: completed, incomplete or failed. There is no `[DONE]`.

    A response that failed without usage reports none: nobody knows what it cost.
    """

    __slots__ = ("_in_cache", "_in_reasoning", "_report", "_visible_bytes", "_visible_events")

    def __init__(self, *, input_includes_cache: bool, output_includes_reasoning: bool) -> None:
        self._in_cache = input_includes_cache
        self._in_reasoning = output_includes_reasoning
        self._report: UsageReport | None = None
        self._visible_bytes = 0
        self._visible_events = 0

    def feed(self, data: bytes) -> bool:
        """Take the data of one event. The client sees every one."""
        visible = _DELTA.search(data)
        if visible and (size := visible.end(1) - visible.start(1)):
            self._visible_bytes += size
            self._visible_events += 1
        at = data.find(b'"usage"')
        if at >= 0 and _USAGE_OBJECT.search(data, at):
            self._read(data)
        return True

    def report(self) -> UsageReport | None:
        """Return the vendor's final usage, or None while it has not been seen or could not be believed."""
        if self._report is None:
            return None
        return msgspec.structs.replace(self._report, visible_output_bytes=self._visible_bytes)

    def running(self) -> Usage | None:
        """Return the usage so far: this wire tells none before the end."""
        return self._report.usage if self._report is not None else None

    def seen_output_bytes(self) -> int:
        """Return how many bytes of visible output have passed, as JSON spells them."""
        return self._visible_bytes

    def seen_output_events(self) -> int:
        """Return how many events carried visible output."""
        return self._visible_events

    def _read(self, data: bytes) -> None:
        try:
            event = _event.decode(data)
            if event.type not in _ENDS or event.response is None:
                return
            self._report = usage_report(
                event.response, input_includes_cache=self._in_cache, output_includes_reasoning=self._in_reasoning
            )
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UsageUnreadable):
            self._report = None
