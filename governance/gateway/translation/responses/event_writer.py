"""Writes canonical events as a streamed response: named events with numbers, response.created to response.completed."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import (
    AnswerBegan,
    AnswerEnded,
    AnswerPart,
    Delta,
    Event,
    Failed,
    Failure,
    PartBegan,
    PartEnded,
    ProofGiven,
    Reasoning,
    Text,
    ToolCall,
)
from governance.gateway.translation.chat.failures import error_of
from governance.gateway.translation.circumstances import MAX_ANSWER_CHARACTERS, Circumstances, StreamShape
from governance.gateway.translation.reading import AnswerUntranslatable
from governance.gateway.translation.responses.answers import closing, opening
from governance.gateway.translation.responses.items import begun, id_of, kind_of, said, summary, whole
from governance.gateway.translation.responses.usage import write_usage


class EventWriter:
    """One stream. Its last events say every text again, so that all of them are held, within a bound."""

    def __init__(self, circumstances: Circumstances, shape: StreamShape) -> None:
        self._circumstances = circumstances
        self._tools = circumstances.asked.tools
        self._response: dict[str, Any] = {}
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._part: AnswerPart | None = None
        self._item_id = ""
        self._is_text_tool = False
        self._texts: list[str] = []
        self._held = 0
        self._proof: str | None = None

    def write(self, event: Event) -> bytes:
        """Return the bytes of this event; none where it says nothing by itself. Raises AnswerUntranslatable."""
        match event:
            case AnswerBegan():
                self._response = opening(event.id, event.model, self._circumstances)
                return self._whole("created") + self._whole("in_progress")
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
                self._response |= closing(event.stop) | {"output": self._output, "usage": write_usage(event.usage)}
                return self._whole(self._response["status"])
            case Failed():
                return self._failed(event.failure)

    def _begin(self, part: AnswerPart) -> bytes:
        kind = kind_of(part, self._tools)
        self._part, self._texts, self._proof = part, [], None
        self._is_text_tool = kind == "custom_tool_call"
        self._item_id = id_of(kind, self._response["id"], len(self._output))
        added = self._item("added", begun(part, self._item_id, self._tools), len(self._output))
        if isinstance(part, Text):
            added += self._piece("content_part.added", {"content_index": 0, "part": said("")})
        return added

    def _delta(self, text: str) -> bytes:
        self._held += len(text)
        if self._held > MAX_ANSWER_CHARACTERS:
            raise AnswerUntranslatable("The vendor's answer is too long to be said again at its end.")
        is_first = not self._texts
        self._texts.append(text)
        if isinstance(self._part, Text):
            return self._piece("output_text.delta", {"content_index": 0, "delta": text, "logprobs": []})
        if isinstance(self._part, Reasoning):
            added = self._summary("part.added", part={"type": "summary_text", "text": ""}) if is_first else b""
            return added + self._summary("text.delta", delta=text)
        if self._is_text_tool:
            # The text stands in a JSON string, which may be cut anywhere.
            return b""
        return self._piece("function_call_arguments.delta", {"delta": text})

    def _end(self) -> bytes:
        part, text = self._part, "".join(self._texts)
        if part is None:
            return b""
        self._part = None
        if isinstance(part, Reasoning):
            part = Reasoning(text, part.origin, self._proof, part.is_redacted)
        else:
            part = Text(text) if isinstance(part, Text) else ToolCall(part.id, part.name, text or "{}")
        item = whole(part, self._item_id, self._tools)
        done = self._done(part, item)
        self._output.append(item)
        return done + self._item("done", item, len(self._output) - 1)

    def _done(self, part: AnswerPart, item: dict[str, Any]) -> bytes:
        if isinstance(part, Text):
            told = self._piece("output_text.done", {"content_index": 0, "text": part.text, "logprobs": []})
            return told + self._piece("content_part.done", {"content_index": 0, "part": said(part.text)})
        if isinstance(part, Reasoning):
            if not part.text:
                return b""
            (piece,) = summary(part.text)
            return self._summary("text.done", text=part.text) + self._summary("part.done", part=piece)
        if self._is_text_tool:
            told = self._piece("custom_tool_call_input.delta", {"delta": item["input"]})
            return told + self._piece("custom_tool_call_input.done", {"input": item["input"]})
        return self._piece("function_call_arguments.done", {"name": item["name"], "arguments": item["arguments"]})

    def _failed(self, failure: Failure) -> bytes:
        """The API documents the fields of an error at the top, and sends them in `error`, where its SDK looks."""
        error = error_of(failure)
        return self._event("error", {**error, "error": error})

    def _whole(self, state: str) -> bytes:
        return self._event(f"response.{state}", {"response": self._response})

    def _summary(self, name: str, **fields: object) -> bytes:
        return self._piece(f"reasoning_summary_{name}", {"summary_index": 0, **fields})

    def _item(self, name: str, item: dict[str, Any], index: int) -> bytes:
        return self._event(f"response.output_item.{name}", {"output_index": index, "item": item})

    def _piece(self, name: str, fields: dict[str, Any]) -> bytes:
        place = {"item_id": self._item_id, "output_index": len(self._output)}
        return self._event(f"response.{name}", place | fields)

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        written = {"type": kind, "sequence_number": self._number} | fields | {"type": kind}
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(written))
