"""Reads the events of an OpenAI chat stream into canonical ones."""

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
    Stop,
    Text,
    ToolCall,
)
from governance.gateway.translation.chat.answers import WireCall, WireMessage, stop_of
from governance.gateway.translation.chat.failures import failure_of
from governance.gateway.translation.chat.thoughts import proof_of_call
from governance.gateway.translation.chat.usage import read_usage
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.reading import NULL, AnswerUntranslatable, answered, given
from governance.gateway.translation.tool_calls import call_id


class _Choice(msgspec.Struct):
    delta: WireMessage | None = None
    finish_reason: str | None = None
    index: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: msgspec.Raw = NULL
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk)


class EventReader:
    """One stream. A chunk that is unknown, or says nothing, gives no events."""

    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._identity = ""
        self._part: type[AnswerPart] | None = None
        self._call: int | None = None
        self._calls = 0
        self._stop: Stop | None = None
        self._is_refusal = False
        self._usage = NULL
        self._has_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Return what the data of one event says. Raises AnswerUntranslatable."""
        if self._has_ended:
            return []
        if data.startswith(b"[DONE]"):
            return self.close()
        chunk = answered(data, _chunk)
        if chunk.error is not None:
            self._has_ended = True
            return [Failed(failure_of(chunk.error, status=None))]
        events: list[Event] = []
        if not self._identity:
            self._identity = chunk.id or self._circumstances.request_id
            events.append(AnswerBegan(id=self._identity, model=chunk.model or self._circumstances.model))
        self._usage = given(chunk.usage) or self._usage
        for choice in chunk.choices or ():
            if choice.index != 0:
                raise AnswerUntranslatable("The vendor gave several answers, and one was asked for.")
            events += self._choice(choice)
        return events

    def close(self) -> list[Event]:
        """Return what the end of the stream says: that the answer is complete, if the vendor gave a reason."""
        if self._has_ended or self._stop is None:
            return []
        self._has_ended = True
        stop = Stop.REFUSED if self._is_refusal else self._stop
        return [*self._end_part(), AnswerEnded(stop=stop, usage=read_usage(self._usage))]

    def _choice(self, choice: _Choice) -> list[Event]:
        events: list[Event] = []
        if (delta := choice.delta) is not None:
            if thought := delta.reasoning_content or delta.reasoning:
                events += self._more(Reasoning("", Dialect.OPENAI_CHAT), thought)
            self._is_refusal = self._is_refusal or bool(delta.refusal)
            if text := (delta.content or "") + (delta.refusal or ""):
                events += self._more(Text(""), text)
            for call in delta.tool_calls or ():
                events += self._call_piece(call)
        if choice.finish_reason is not None:
            self._stop = stop_of(choice.finish_reason)
        return events

    def _more(self, part: AnswerPart, text: str) -> list[Event]:
        if self._part is type(part):
            return [Delta(text)]
        return [*self._begin(part), Delta(text)]

    def _begin(self, part: AnswerPart) -> list[Event]:
        events = [*self._end_part(), PartBegan(part)]
        self._part = type(part)
        self._call = None
        return events

    def _end_part(self) -> list[Event]:
        if self._part is None:
            return []
        self._part = None
        return [PartEnded()]

    def _call_piece(self, call: WireCall) -> list[Event]:
        """A call begins where a name comes, and goes on while its number is the same."""
        function = call.function
        arguments = (function.arguments if function else None) or ""
        index = call.index if call.index is not None else self._calls - (0 if function and function.name else 1)
        if self._part is ToolCall and index == self._call:
            return [Delta(arguments)] if arguments else []
        if function is None or not function.name:
            raise AnswerUntranslatable("The vendor's stream goes on with a call that has ended or never began.")
        events: list[Event] = []
        for proof in proof_of_call(call.extra_content, origin=Dialect.OPENAI_CHAT):
            events += [*self._begin(Reasoning("", proof.origin)), ProofGiven(proof.proof or ""), *self._end_part()]
        identity = call.id or call_id(self._identity, self._calls)
        events += self._begin(ToolCall(identity, function.name, ""))
        self._call = index
        self._calls += 1
        return [*events, Delta(arguments)] if arguments else events
