"""Reads the events of an Anthropic messages stream into canonical ones."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import (
    AnswerBegan,
    AnswerEnded,
    Delta,
    Event,
    Failed,
    PartBegan,
    PartEnded,
    ProofGiven,
    Reasoning,
    Stop,
    Text,
    ToolCall,
)
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.messages.answers import WireBlock, part_of, stop_of
from governance.gateway.translation.messages.failures import failure_of
from governance.gateway.translation.messages.usage import WireUsage, merged, read_usage, wire_usage
from governance.gateway.translation.reading import NULL, answered

_NO_ARGUMENTS = "{}"


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: msgspec.Raw = NULL


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    content_block: WireBlock | None = None
    delta: _Delta | None = None
    usage: msgspec.Raw = NULL
    error: Any = None


_event = msgspec.json.Decoder(_Event)


class EventReader:
    """One stream. Pings, and what a newer version of the wire adds, give no events."""

    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._usage: WireUsage | None = None
        self._is_in_part = False
        self._has_arguments: bool | None = None
        self._stop: Stop | None = None
        self._stop_sequence: str | None = None
        self._has_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Return what the data of one event says. Raises AnswerUntranslatable."""
        if self._has_ended:
            return []
        event = answered(data, _event)
        match event.type:
            case "message_start":
                return self._began(event.message or _Message())
            case "content_block_start":
                return self._begin(event.content_block)
            case "content_block_delta" if event.delta is not None and self._is_in_part:
                return self._delta(event.delta)
            case "content_block_stop":
                return self._end_part()
            case "message_delta":
                self._usage = merged(self._usage, wire_usage(event.usage))
                if event.delta is not None and event.delta.stop_reason is not None:
                    self._stop, self._stop_sequence = stop_of(event.delta.stop_reason), event.delta.stop_sequence
            case "message_stop":
                return self.close()
            case "error":
                self._has_ended = True
                return [Failed(failure_of(event.error, status=None))]
        return []

    def close(self) -> list[Event]:
        """Return what the end of the stream says: that the answer is complete, if the vendor gave a reason."""
        if self._has_ended or self._stop is None:
            return []
        self._has_ended = True
        ended = AnswerEnded(stop=self._stop, stop_sequence=self._stop_sequence, usage=read_usage(self._usage))
        return [*self._end_part(), ended]

    def _began(self, message: _Message) -> list[Event]:
        self._usage = wire_usage(message.usage)
        identity, model = message.id or self._circumstances.request_id, message.model or self._circumstances.model
        return [AnswerBegan(id=identity, model=model, usage=read_usage(self._usage))]

    def _begin(self, block: WireBlock | None) -> list[Event]:
        part = part_of(block) if block is not None else None
        events = self._end_part()
        if part is None:
            return events
        self._is_in_part = True
        if isinstance(part, ToolCall):
            self._has_arguments = part.arguments != _NO_ARGUMENTS
            given = [Delta(part.arguments)] if self._has_arguments else []
            return [*events, PartBegan(ToolCall(part.id, part.name, "")), *given]
        given = [Delta(part.text)] if part.text else []
        if isinstance(part, Text):
            return [*events, PartBegan(Text("")), *given]
        signed = [ProofGiven(part.proof)] if part.proof else []
        return [*events, PartBegan(Reasoning("", part.origin, None, part.is_redacted)), *given, *signed]

    def _delta(self, delta: _Delta) -> list[Event]:
        if delta.type == "signature_delta":
            return [ProofGiven(delta.signature)] if delta.signature else []
        if delta.type == "input_json_delta" and delta.partial_json:
            self._has_arguments = True
        text = delta.text or delta.thinking or delta.partial_json
        return [Delta(text)] if text else []

    def _end_part(self) -> list[Event]:
        """A call without arguments takes an empty object."""
        if not self._is_in_part:
            return []
        empty = [Delta(_NO_ARGUMENTS)] if self._has_arguments is False else []
        self._is_in_part, self._has_arguments = False, None
        return [*empty, PartEnded()]
