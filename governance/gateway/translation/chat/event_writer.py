"""Writes canonical events as an OpenAI chat stream: `data: {...}` chunks, then `data: [DONE]`."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import (
    AnswerBegan,
    AnswerEnded,
    Delta,
    Dialect,
    Event,
    Failed,
    PartBegan,
    PartEnded,
    ProofGiven,
    Reasoning,
    Text,
    ToolCall,
)
from governance.gateway.translation.chat.answers import word_of
from governance.gateway.translation.chat.failures import write_failure
from governance.gateway.translation.chat.thoughts import detail_of, extra_of_call, more_of
from governance.gateway.translation.chat.usage import write_usage
from governance.gateway.translation.circumstances import Circumstances, StreamShape

_DONE = b"data: [DONE]\n\n"


class EventWriter:
    """One stream. The usage chunk, the one without choices, is written only where the client asked for it."""

    def __init__(self, circumstances: Circumstances, shape: StreamShape) -> None:
        self._circumstances = circumstances
        self._wants_usage = shape.wants_usage
        self._head: dict[str, Any] = {}
        self._part: Text | Reasoning | ToolCall | None = None
        self._has_text = False
        self._proof: str | None = None
        self._calls = 0
        self._thoughts = 0

    def write(self, event: Event) -> bytes:
        """Return the bytes of this event; none where it says nothing by itself."""
        match event:
            case AnswerBegan():
                self._head = {
                    "id": event.id,
                    "object": "chat.completion.chunk",
                    "created": self._circumstances.created_at_seconds,
                    "model": event.model,
                }
                return self._chunk({"role": "assistant", "content": ""})
            case PartBegan():
                return self._begin(event.part)
            case Delta():
                return self._delta(event.text)
            case ProofGiven():
                return self._signed(event.proof)
            case PartEnded():
                return self._end()
            case AnswerEnded():
                return self._last(event)
            case Failed():
                return b"data: " + write_failure(event.failure) + b"\n\n"

    def _begin(self, part: Text | Reasoning | ToolCall) -> bytes:
        self._part = part
        self._has_text = False
        if not isinstance(part, ToolCall):
            return self._flush() if isinstance(part, Text) else b""
        call: dict[str, Any] = {
            "index": self._calls,
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": ""},
        }
        if self._proof is not None:
            call["extra_content"] = extra_of_call(self._proof)
            self._proof = None
        self._calls += 1
        return self._chunk({"tool_calls": [call]})

    def _delta(self, text: str) -> bytes:
        if isinstance(self._part, ToolCall):
            call = {"index": self._calls - 1, "function": {"arguments": text}}
            return self._chunk({"tool_calls": [call]})
        if isinstance(self._part, Reasoning):
            piece = self._piece(Reasoning(text, self._part.origin))
            return self._chunk({"reasoning_content": text, "reasoning_details": [piece]})
        return self._chunk({"content": text})

    def _signed(self, proof: str) -> bytes:
        """A bare signature of Gemini's waits: it stands on the call after it, if there is one."""
        part = self._part
        if not isinstance(part, Reasoning):
            return b""
        if part.origin == Dialect.GEMINI and not self._has_text:
            waiting = self._flush()
            self._proof = proof
            return waiting
        return self._chunk({"reasoning_details": [self._piece(Reasoning("", part.origin, proof, part.is_redacted))]})

    def _piece(self, thought: Reasoning) -> dict[str, object]:
        """Return one piece of the current thought."""
        write = more_of if self._has_text else detail_of
        self._has_text = True
        return write(thought, index=self._thoughts)

    def _end(self) -> bytes:
        if isinstance(self._part, Reasoning) and self._has_text:
            self._thoughts += 1
        self._part = None
        return b""

    def _flush(self) -> bytes:
        """Write the signature that waits: no call came after it."""
        if self._proof is None:
            return b""
        detail = detail_of(Reasoning("", Dialect.GEMINI, self._proof), index=self._thoughts)
        self._proof = None
        self._thoughts += 1
        return self._chunk({"reasoning_details": [detail]})

    def _last(self, event: AnswerEnded) -> bytes:
        written = self._flush() + self._chunk({}, finish_reason=word_of(event.stop))
        if self._wants_usage and event.usage is not None:
            written += _event(self._head | {"choices": [], "usage": write_usage(event.usage)})
        return written + _DONE

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event(self._head | {"choices": [choice]})


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
