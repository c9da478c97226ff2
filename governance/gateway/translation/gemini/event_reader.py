"""Reads the chunks of a Gemini stream into canonical events."""

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
    Stop,
    Text,
    ToolCall,
)
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.gemini.answers import parts_of, read_chunk, read_part, stop_of
from governance.gateway.translation.gemini.failures import failure_of
from governance.gateway.translation.gemini.usage import read_usage
from governance.gateway.translation.reading import NULL, given


class EventReader:
    """One stream, with server-sent events. The last chunk's usage counts, whatever those before it said."""

    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._identity = ""
        self._part: AnswerPart | None = None
        self._calls = 0
        self._stop: Stop | None = None
        self._usage = NULL
        self._has_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """Return what the data of one event says. Raises AnswerUntranslatable."""
        if self._has_ended:
            return []
        chunk = read_chunk(data)
        if chunk.error is not None:
            self._has_ended = True
            return [Failed(failure_of(chunk.error, status=None))]
        events: list[Event] = []
        if not self._identity:
            self._identity = chunk.response_id or self._circumstances.request_id
            model = chunk.model_version or self._circumstances.model
            events.append(AnswerBegan(id=self._identity, model=model, usage=read_usage(chunk.usage_metadata)))
        self._usage = given(chunk.usage_metadata) or self._usage
        for part in parts_of(chunk):
            for read in read_part(part, self._identity, self._calls):
                events += self._said(read, is_thought=part.thought)
        self._stop = stop_of(chunk) or self._stop
        return events

    def close(self) -> list[Event]:
        """Return what the end of the stream says: that the answer is complete, if the vendor gave a reason."""
        if self._has_ended or self._stop is None:
            return []
        self._has_ended = True
        stop = Stop.TOOL_CALLS if self._stop == Stop.END and self._calls else self._stop
        return [*self._end_part(), AnswerEnded(stop=stop, usage=read_usage(self._usage))]

    def _said(self, part: AnswerPart, *, is_thought: bool) -> list[Event]:
        """Go on with the current part where this one is of its kind. A call is always whole, and so is the signature
        that stands on a call or a text.
        """
        if isinstance(part, ToolCall):
            self._calls += 1
            began = PartBegan(ToolCall(part.id, part.name, ""))
            return [*self._end_part(), began, Delta(part.arguments), PartEnded()]
        events: list[Event] = []
        if type(part) is not type(self._part) or (isinstance(part, Reasoning) and not is_thought):
            events = [*self._end_part(), PartBegan(Text("") if isinstance(part, Text) else Reasoning("", part.origin))]
            self._part = part
        if part.text:
            events.append(Delta(part.text))
        if isinstance(part, Reasoning) and part.proof is not None:
            events += [ProofGiven(part.proof), *self._end_part()]
        return events

    def _end_part(self) -> list[Event]:
        if self._part is None:
            return []
        self._part = None
        return [PartEnded()]
