"""Writes canonical events as a Gemini stream: server-sent events, or one JSON array that grows."""

from typing import Any

import msgspec

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
from governance.gateway.translation.circumstances import MAX_EVENT_BYTES, Circumstances, Framing, StreamShape
from governance.gateway.translation.gemini import proofs
from governance.gateway.translation.gemini.answers import word_of, write_part
from governance.gateway.translation.gemini.failures import write_failure
from governance.gateway.translation.gemini.usage import write_usage
from governance.gateway.translation.reading import AnswerUntranslatable


class EventWriter:
    """One stream. The wire knows no beginning, and has a call whole, so some events say nothing by themselves."""

    def __init__(self, circumstances: Circumstances, shape: StreamShape) -> None:
        self._framing = shape.framing
        self._head: dict[str, Any] = {}
        self._part: AnswerPart | None = None
        self._arguments: list[str] = []
        self._held = 0
        self._proof: str | None = None
        self._has_written = False

    def write(self, event: Event) -> bytes:
        """Return the bytes of this event; none where it says nothing by itself. Raises AnswerUntranslatable."""
        match event:
            case AnswerBegan():
                self._head = {"modelVersion": event.model, "responseId": event.id}
            case PartBegan():
                self._part, self._arguments, self._held, self._proof = event.part, [], 0, None
            case Delta():
                return self._delta(event.text)
            case ProofGiven():
                self._proof = event.proof
            case PartEnded():
                return self._end()
            case AnswerEnded():
                usage = {} if event.usage is None else {"usageMetadata": write_usage(event.usage)}
                return self._chunk([{"text": ""}], usage, finish_reason=word_of(event.stop)) + self._close()
            case Failed():
                return self._framed(write_failure(event.failure)) + self._close()
        return b""

    def _delta(self, text: str) -> bytes:
        if isinstance(self._part, ToolCall):
            self._arguments.append(text)
            self._held += len(text)
            if self._held > MAX_EVENT_BYTES:
                raise AnswerUntranslatable("The vendor's answer calls a tool with arguments too large to be held.")
            return b""
        thought = {"thought": True} if isinstance(self._part, Reasoning) else {}
        return self._chunk([{"text": text} | thought])

    def _end(self) -> bytes:
        part, self._part = self._part, None
        if isinstance(part, ToolCall):
            return self._chunk(write_part(ToolCall(part.id, part.name, "".join(self._arguments) or "{}")))
        if isinstance(part, Text) or part is None:
            return b""
        signed = proofs.marked(Reasoning("", part.origin, self._proof, part.is_redacted))
        return self._chunk([{"text": "", "thought": True, "thoughtSignature": signed}])

    def _chunk(
        self, parts: list[dict[str, Any]], more: dict[str, Any] | None = None, *, finish_reason: str | None = None
    ) -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish_reason is not None:
            candidate["finishReason"] = finish_reason
        return self._framed(msgspec.json.encode({"candidates": [candidate]} | (more or {}) | self._head))

    def _framed(self, body: bytes) -> bytes:
        if self._framing == Framing.EVENTS:
            return b"data: " + body + b"\r\n\r\n"
        opening = b",\n" if self._has_written else b"["
        self._has_written = True
        return opening + body

    def _close(self) -> bytes:
        return b"]" if self._framing == Framing.ARRAY else b""
