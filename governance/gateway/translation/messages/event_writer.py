"""Writes canonical events as an Anthropic messages stream: named events from message_start to message_stop."""

from typing import Any

import msgspec

from governance.gateway.translation import proofs
from governance.gateway.translation.canonical import (
    AnswerBegan,
    AnswerEnded,
    AnswerPart,
    Delta,
    Event,
    Failed,
    PartBegan,
    PartEnded,
    ProofGiven,
    Reasoning,
    Text,
    ToolCall,
)
from governance.gateway.translation.circumstances import Circumstances, StreamShape
from governance.gateway.translation.messages.answers import word_of
from governance.gateway.translation.messages.failures import write_failure
from governance.gateway.translation.messages.usage import write_usage


class EventWriter:
    """One stream."""

    def __init__(self, circumstances: Circumstances, shape: StreamShape) -> None:
        self._index = -1
        self._part: AnswerPart | None = None
        self._proof: str | None = None

    def write(self, event: Event) -> bytes:
        """Return the bytes of this event; none where it says nothing by itself."""
        match event:
            case AnswerBegan():
                return self._start(event)
            case PartBegan():
                return self._begin(event.part)
            case Delta():
                return self._delta(event.text)
            case ProofGiven():
                self._proof = event.proof
                return b""
            case PartEnded():
                return self._end()
            case AnswerEnded():
                delta = {"stop_reason": word_of(event.stop), "stop_sequence": event.stop_sequence}
                last = _event("message_delta", {"delta": delta, "usage": write_usage(event.usage)})
                return last + _event("message_stop", {})
            case Failed():
                return b"event: error\ndata: " + write_failure(event.failure) + b"\n\n"

    def _start(self, event: AnswerBegan) -> bytes:
        """The counts are not known yet where the vendor says them last: message_delta has them."""
        message: dict[str, Any] = {
            "id": event.id,
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(event.usage),
        }
        return _event("message_start", {"message": message})

    def _begin(self, part: AnswerPart) -> bytes:
        self._index += 1
        self._part = part
        self._proof = None
        if isinstance(part, Text):
            block: dict[str, Any] = {"type": "text", "text": ""}
        elif isinstance(part, ToolCall):
            block = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
        else:
            block = {"type": "thinking", "thinking": "", "signature": ""}
        return _event("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, text: str) -> bytes:
        if isinstance(self._part, Text):
            return self._piece({"type": "text_delta", "text": text})
        if isinstance(self._part, ToolCall):
            return self._piece({"type": "input_json_delta", "partial_json": text})
        return self._piece({"type": "thinking_delta", "thinking": text})

    def _end(self) -> bytes:
        """Every thought is signed, as the wire wants it: with whose it is, at least."""
        signed = b""
        if isinstance(self._part, Reasoning):
            thought = Reasoning("", self._part.origin, self._proof, self._part.is_redacted)
            signed = self._piece({"type": "signature_delta", "signature": proofs.marked(thought)})
        self._part = None
        return signed + _event("content_block_stop", {"index": self._index})

    def _piece(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": delta})


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name} | fields))
