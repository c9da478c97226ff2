"""Whole answers of the OpenAI chat wire."""

from typing import Any

import msgspec

from governance.gateway.translation import normal
from governance.gateway.translation.canonical import (
    Answer,
    AnswerPart,
    Dialect,
    Reasoning,
    Stop,
    Text,
    ToolCall,
)
from governance.gateway.translation.chat.request import ExtraContent
from governance.gateway.translation.chat.thoughts import call_proofs, detail_of, extra_of_call, proof_of_call
from governance.gateway.translation.chat.usage import read_usage, write_usage
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.reading import NULL, AnswerUntranslatable, answered
from governance.gateway.translation.tool_calls import call_id

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STOPS = {
    "stop": Stop.END,
    "length": Stop.MAXIMUM,
    "tool_calls": Stop.TOOL_CALLS,
    "function_call": Stop.TOOL_CALLS,
    "content_filter": Stop.REFUSED,
}
_WORDS = {
    Stop.END: "stop",
    Stop.STOP_SEQUENCE: "stop",
    Stop.MAXIMUM: "length",
    Stop.TOOL_CALLS: "tool_calls",
    Stop.REFUSED: "content_filter",
}


class WireFunction(msgspec.Struct):
    """A call's function, or a piece of it."""

    name: str | None = None
    arguments: str | None = None


class WireCall(msgspec.Struct):
    """A call, or a piece of it."""

    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None
    extra_content: ExtraContent | None = None


class WireMessage(msgspec.Struct):
    """An answer's message, or a piece of it. What is not read here comments on it: annotations, native reasons."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[WireCall] | None = None


class _Choice(msgspec.Struct):
    message: WireMessage
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    id: str | None = None
    model: str | None = None
    usage: msgspec.Raw = NULL


_answer = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes, circumstances: Circumstances) -> Answer:
    """Return the answer. Raises AnswerUntranslatable."""
    given = answered(body.removeprefix(_BYTE_ORDER_MARK), _answer)
    if len(given.choices) != 1:
        raise AnswerUntranslatable(f"The vendor gave {len(given.choices)} answers, and one was asked for.")
    choice = given.choices[0]
    identity = given.id or circumstances.request_id
    return Answer(
        id=identity,
        model=given.model or circumstances.model,
        parts=_parts(choice.message, identity),
        stop=Stop.REFUSED if choice.message.refusal else stop_of(choice.finish_reason),
        usage=read_usage(given.usage),
    )


def stop_of(word: str | None) -> Stop:
    """Return why it ended. Raises AnswerUntranslatable for a reason that no other wire has."""
    stop = _STOPS.get(word or "stop")
    if stop is None:
        raise AnswerUntranslatable(f"The vendor ended its answer for the reason {word!r}: the answer is incomplete.")
    return stop


def word_of(stop: Stop) -> str:
    """Return `finish_reason`."""
    return _WORDS[stop]


def write_answer(answer: Answer, circumstances: Circumstances) -> bytes:
    """Return the body of a chat completion."""
    texts = [part.text for part in answer.parts if isinstance(part, Text)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": None}
    message |= _thoughts(answer.parts)
    if calls := _calls(answer.parts):
        message["tool_calls"] = calls
    written: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": circumstances.created_at_seconds,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": word_of(answer.stop)}],
    }
    if answer.usage is not None:
        written["usage"] = write_usage(answer.usage)
    return msgspec.json.encode(written)


def _parts(message: WireMessage, identity: str) -> tuple[AnswerPart, ...]:
    parts: list[AnswerPart] = []
    if thought := message.reasoning_content or message.reasoning:
        parts.append(Reasoning(thought, Dialect.OPENAI_CHAT))
    parts += [Text(message.content or ""), Text(message.refusal or "")]
    for number, call in enumerate(message.tool_calls or ()):
        if call.function is None or not call.function.name:
            raise AnswerUntranslatable("The vendor's answer calls a tool without a name.")
        parts += proof_of_call(call.extra_content, origin=Dialect.OPENAI_CHAT)
        arguments = call.function.arguments or "{}"
        parts.append(ToolCall(call.id or call_id(identity, number), call.function.name, arguments))
    return normal.answer_parts(parts)


def _thoughts(parts: tuple[AnswerPart, ...]) -> dict[str, Any]:
    on_calls = {at - 1 for at in call_proofs(parts, origin=Dialect.GEMINI)}
    thoughts = [part for at, part in enumerate(parts) if isinstance(part, Reasoning) and at not in on_calls]
    if not thoughts:
        return {}
    details = [detail_of(thought, index=index) for index, thought in enumerate(thoughts)]
    text = "".join(thought.text for thought in thoughts)
    return ({"reasoning_content": text} if text else {}) | {"reasoning_details": details}


def _calls(parts: tuple[AnswerPart, ...]) -> list[dict[str, Any]]:
    proofs = call_proofs(parts, origin=Dialect.GEMINI)
    calls: list[dict[str, Any]] = []
    for at, part in enumerate(parts):
        if isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments}
            calls.append({"id": part.id, "type": "function", "function": function})
            if at in proofs:
                calls[-1]["extra_content"] = extra_of_call(proofs[at])
    return calls
