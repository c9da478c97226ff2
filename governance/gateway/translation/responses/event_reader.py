"""Reads the events of a streamed response into canonical ones."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import (
    AnswerBegan,
    AnswerEnded,
    AnswerPart,
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
from governance.gateway.translation.chat.failures import failure_of
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.reading import AnswerUntranslatable, answered
from governance.gateway.translation.responses.answers import WireResponse, stop_of
from governance.gateway.translation.responses.items import Item, text_of, thought_of
from governance.gateway.translation.responses.usage import read_usage
from governance.gateway.translation.tool_calls import call_id

_BETWEEN_THOUGHTS = "\n\n"


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw(b"null")
    output_index: int = 0
    summary_index: int = 0
    item: Item | None = None
    delta: str | None = None
    error: Any = None


_event = msgspec.json.Decoder(_Event)
_response = msgspec.json.Decoder(WireResponse | None)
_fields = msgspec.json.Decoder(dict[str, Any])
_ended = frozenset({"response.completed", "response.incomplete"})


class EventReader:
    """One stream. Items follow each other. What is told piece by piece need not be read again where it is whole, and
    events of the vendor's own tools, or unknown ones, give no events.
    """

    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._identity = ""
        self._part: type[AnswerPart] | None = None
        self._index = -1
        self._has_text = False
        self._summary = 0
        self._calls = 0
        self._has_refused = False
        self._has_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Return what the data of one event says. Raises AnswerUntranslatable."""
        if self._has_ended or data.startswith(b"[DONE]"):
            return []
        event = answered(data, _event)
        if event.type == "error":
            self._has_ended = True
            return [Failed(failure_of(event.error or answered(data, _fields), status=None))]
        return [*self._began(event), *self._said(event)]

    def close(self) -> list[Event]:
        """Return what the end of the stream says: nothing that its last event did not."""
        return []

    def _began(self, event: _Event) -> list[Event]:
        if self._identity:
            return []
        response = answered(event.response, _response) or WireResponse()
        self._identity = response.id or self._circumstances.request_id
        return [AnswerBegan(id=self._identity, model=response.model or self._circumstances.model)]

    def _said(self, event: _Event) -> list[Event]:
        match event.type:
            case "response.output_item.added" if event.item is not None:
                return self._item_began(event.item, event.output_index)
            case "response.output_item.done" if event.item is not None:
                return self._item_ended(event.item, event.output_index)
            case "response.output_text.delta" | "response.refusal.delta":
                self._has_refused = self._has_refused or event.type == "response.refusal.delta"
                return self._more(Text(""), event)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return self._thought(event)
            case "response.function_call_arguments.delta" if event.delta:
                if self._part is not ToolCall or self._index != event.output_index:
                    raise AnswerUntranslatable("The vendor's stream goes on with a call that has ended or never began.")
                self._has_text = True
                return [Delta(event.delta)]
            case "response.failed":
                return self._failed(answered(event.response, _fields))
            case kind if kind in _ended:
                return self._ended(answered(event.response, _response) or WireResponse())
        return []

    def _item_began(self, item: Item, index: int) -> list[Event]:
        """A call begins with its name. Other items begin with their first text, which some do not have."""
        if item.type != "function_call":
            return []
        if not item.name:
            raise AnswerUntranslatable("The vendor's stream calls a tool without a name.")
        self._calls += 1
        identity = item.call_id or call_id(self._identity, index)
        return self._begin(ToolCall(identity, item.name, ""), index)

    def _item_ended(self, item: Item, index: int) -> list[Event]:
        """What came in no pieces is here. So is the signature of a thought."""
        if self._part is None and self._index == index:
            return []
        events: list[Event] = []
        is_here = self._part is not None and self._index == index
        if item.type == "function_call":
            events = [] if is_here else self._item_began(item, index)
            return [*events, *([] if self._has_text else [Delta(item.arguments or "{}")]), *self._end_part()]
        if item.type == "message":
            events = [] if is_here or not text_of(item) else [*self._begin(Text(""), index), Delta(text_of(item))]
            return [*events, *self._end_part()]
        if item.type != "reasoning":
            return []
        proof, text = item.encrypted_content, thought_of(item)
        if not is_here and (proof or text):
            events = self._begin(Reasoning("", Dialect.OPENAI_RESPONSES), index) + ([Delta(text)] if text else [])
        return [*events, *([ProofGiven(proof)] if proof else []), *self._end_part()]

    def _thought(self, event: _Event) -> list[Event]:
        is_next = self._part is Reasoning and self._index == event.output_index and event.summary_index > self._summary
        between: list[Event] = [Delta(_BETWEEN_THOUGHTS)] if is_next else []
        said = self._more(Reasoning("", Dialect.OPENAI_RESPONSES), event)
        self._summary = event.summary_index
        return between + said

    def _more(self, part: AnswerPart, event: _Event) -> list[Event]:
        if not event.delta:
            return []
        if self._part is type(part) and self._index == event.output_index:
            return [Delta(event.delta)]
        return [*self._begin(part, event.output_index), Delta(event.delta)]

    def _begin(self, part: AnswerPart, index: int) -> list[Event]:
        events = [*self._end_part(), PartBegan(part)]
        self._part, self._index, self._has_text, self._summary = type(part), index, False, 0
        return events

    def _end_part(self) -> list[Event]:
        if self._part is None:
            return []
        self._part = None
        return [PartEnded()]

    def _failed(self, response: dict[str, Any]) -> list[Event]:
        self._has_ended = True
        return [Failed(failure_of(response.get("error"), status=None))]

    def _ended(self, response: WireResponse) -> list[Event]:
        stop = stop_of(response, has_refused=self._has_refused, has_called=self._calls > 0)
        self._has_ended = True
        return [*self._end_part(), AnswerEnded(stop=stop, usage=read_usage(response.usage))]
