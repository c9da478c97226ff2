"""Watches one streamed message for usage: `message_start` says what the input was, `message_delta` what is billed."""

import re

import msgspec

from governance.plugin.anthropic_messages._usage import VISIBLE, Reported, usage_report
from governance.plugin.errors import UsageUnreadable
from governance.plugin.provider import Bound
from governance.plugin.usage import Usage, UsageReport

_USAGE_OBJECT = re.compile(rb'"usage"\s*:\s*\{')
_STOP = b'"message_stop"'
_NULL = msgspec.Raw(b"null")


class _Message(msgspec.Struct):
    usage: msgspec.Raw = _NULL
    model: str | None = None


class _Delta(msgspec.Struct):
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: msgspec.Raw = _NULL


_event = msgspec.json.Decoder(_Event)
_reported = msgspec.json.Decoder(Reported)


class MessageStreamMeter:
    """Merges the reports of a stream: a later one is cumulative and replaces what it says anew, and only the first one
    tells tier, place and how long cached tokens stay.

    Usage is final with the event that says why the message stopped. `service_tiers` are those the request was priced
    at; `may_grow` says that tools of the vendor may add input after the message has begun, so that its first count
    bounds nothing.
    """

    __slots__ = (
        "_events",
        "_failure",
        "_is_final",
        "_may_grow",
        "_model",
        "_raw",
        "_reported",
        "_tiers",
        "_visible_bytes",
    )

    def __init__(self, *, service_tiers: tuple[str, ...], may_grow: bool) -> None:
        self._tiers = service_tiers
        self._may_grow = may_grow
        self._reported: Reported | None = None
        self._model: str | None = None
        self._raw: dict[str, msgspec.Raw] = {}
        self._is_final = False
        self._failure: UsageUnreadable | None = None
        self._visible_bytes = 0
        self._events = 0

    def feed(self, data: bytes) -> bool:
        """Take the data of one event. The client sees every event of this wire."""
        visible = VISIBLE.search(data)
        if visible and (size := visible.end(1) - visible.start(1)):
            self._visible_bytes += size
            self._events += 1
        at = data.find(b'"usage"')
        if at >= 0 and _USAGE_OBJECT.search(data, at):
            self._read(data)
        elif _STOP in data and self._reported is not None and "message_delta" in self._raw:
            self._is_final = True
        return True

    def report(self) -> UsageReport | None:
        """Return the vendor's final usage, or None while it has not been seen. Raises UsageUnreadable."""
        if self._failure is not None:
            raise self._failure
        if self._reported is None or not self._is_final:
            return None
        raw = msgspec.json.encode(self._raw)
        report = usage_report(self._reported, raw=raw, served_model=self._model)
        return msgspec.structs.replace(report, visible_output_bytes=self._visible_bytes)

    def running(self) -> Usage | None:
        """Return the last usage that was reported, final or not; None where it cannot be believed."""
        if self._reported is None or self._failure is not None:
            return None
        try:
            return usage_report(self._reported, raw=b"", served_model=self._model).usage
        except UsageUnreadable:
            return None

    def bounds(self) -> Bound | None:
        """Return what the input was, once the message has begun: nothing is added to it later, unless `may_grow`."""
        if self._may_grow or (usage := self.running()) is None:
            return None
        return Bound(input_tokens=usage.input_tokens, choices=1, service_tiers=self._tiers)

    def seen_output_bytes(self) -> int:
        """Return how many bytes of visible output have passed, as JSON spells them."""
        return self._visible_bytes

    def seen_output_events(self) -> int:
        """Return how many events carried visible output."""
        return self._events

    def _read(self, data: bytes) -> None:
        try:
            event = _event.decode(data)
            if event.type == "message_start" and event.message is not None:
                self._model = event.message.model
                self._take("message_start", event.message.usage)
            elif event.type == "message_delta":
                self._take("message_delta", event.usage)
                self._is_final = event.delta is not None and event.delta.stop_reason is not None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._failure = UsageUnreadable(f"An event of the vendor's stream has usage that is not one: {error}.")

    def _take(self, name: str, raw: msgspec.Raw) -> None:
        if bytes(raw) == b"null":
            return
        reported = _reported.decode(raw)
        if reported.output_tokens is None:
            self._failure = UsageUnreadable("An event of the vendor's stream has usage without output_tokens.")
        self._raw[name] = raw.copy()
        self._reported = reported if self._reported is None else self._reported.followed_by(reported)
