"""Whole answers of the Gemini wire, which are also the chunks of its streams."""

from typing import Any

import msgspec

from governance.gateway.translation import normal
from governance.gateway.translation.canonical import Answer, AnswerPart, Dialect, Reasoning, Stop, Text, ToolCall
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.gemini import proofs
from governance.gateway.translation.gemini.usage import read_usage, write_usage
from governance.gateway.translation.reading import NULL, AnswerUntranslatable, answered, given, is_object
from governance.gateway.translation.tool_calls import call_id

_STOPS = {
    "STOP": Stop.END,
    "MAX_TOKENS": Stop.MAXIMUM,
    "SAFETY": Stop.REFUSED,
    "RECITATION": Stop.REFUSED,
    "BLOCKLIST": Stop.REFUSED,
    "PROHIBITED_CONTENT": Stop.REFUSED,
    "SPII": Stop.REFUSED,
    "MODEL_ARMOR": Stop.REFUSED,
}
_WORDS = {
    Stop.END: "STOP",
    Stop.STOP_SEQUENCE: "STOP",
    Stop.MAXIMUM: "MAX_TOKENS",
    Stop.TOOL_CALLS: "STOP",
    Stop.REFUSED: "SAFETY",
}


class WireCall(msgspec.Struct):
    """A function call."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = NULL


class WirePart(msgspec.Struct, rename="camel"):
    """One part of an answer. What the vendor's own tools wrote is not read."""

    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: WireCall | None = None
    inline_data: msgspec.Raw = NULL


class _Content(msgspec.Struct):
    parts: list[WirePart] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int = 0


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class WireAnswer(msgspec.Struct, rename="camel"):
    """An answer, or a chunk of one."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = NULL
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_answer = msgspec.json.Decoder(WireAnswer)


def read_chunk(body: bytes) -> WireAnswer:
    """Decode an answer or a chunk. Raises AnswerUntranslatable, also where it has more than one candidate."""
    said = answered(body, _answer)
    candidates = said.candidates or []
    if len(candidates) > 1 or any(candidate.index != 0 for candidate in candidates):
        raise AnswerUntranslatable("The vendor gave several answers, and one was asked for.")
    return said


def read_answer(body: bytes, circumstances: Circumstances) -> Answer:
    """Return the answer. Raises AnswerUntranslatable."""
    said = read_chunk(body)
    identity = said.response_id or circumstances.request_id
    parts: list[AnswerPart] = []
    for part in parts_of(said):
        calls = sum(isinstance(read, ToolCall) for read in parts)
        parts += read_part(part, identity, calls)
    stop = stop_of(said)
    if stop is None:
        raise AnswerUntranslatable("The vendor's answer has no end: it is incomplete.")
    if stop == Stop.END and any(isinstance(part, ToolCall) for part in parts):
        stop = Stop.TOOL_CALLS
    return Answer(
        id=identity,
        model=said.model_version or circumstances.model,
        parts=normal.answer_parts(parts),
        stop=stop,
        usage=read_usage(said.usage_metadata),
    )


def parts_of(said: WireAnswer) -> list[WirePart]:
    """Return the parts of the only candidate."""
    contents = [candidate.content for candidate in said.candidates or () if candidate.content]
    return [part for content in contents for part in content.parts or ()]


def read_part(part: WirePart, answer_id: str, calls: int) -> list[AnswerPart]:
    """Return what a part says; `calls` is how many calls came before it. Its signature stands right before a call, and
    after a text. Raises AnswerUntranslatable for media.
    """
    proof = part.thought_signature
    if given(part.inline_data) is not None:
        raise AnswerUntranslatable("The vendor's answer holds media, and only text is translated.")
    if part.thought:
        return [Reasoning(part.text or "", Dialect.GEMINI, proof)]
    signed = [Reasoning("", Dialect.GEMINI, proof)] if proof else []
    if (call := part.function_call) is not None:
        arguments = "{}" if given(call.args) is None else bytes(call.args).decode()
        return [*signed, ToolCall(call.id or call_id(answer_id, calls), call.name, arguments)]
    if part.text is None:
        return []
    return [Text(part.text), *signed] if part.text else [*signed]


def stop_of(said: WireAnswer) -> Stop | None:
    """Return why it ended, None if it has not. Raises AnswerUntranslatable for a reason that no other wire has."""
    if said.prompt_feedback is not None and said.prompt_feedback.block_reason is not None:
        return Stop.REFUSED
    for candidate in said.candidates or ():
        if (word := candidate.finish_reason) is not None and word != "FINISH_REASON_UNSPECIFIED":
            if (stop := _STOPS.get(word)) is not None:
                return stop
            raise AnswerUntranslatable(f"The vendor ended its answer for the reason {word!r}: it is incomplete.")
    return None


def word_of(stop: Stop) -> str:
    """Return `finishReason`."""
    return _WORDS[stop]


def write_answer(answer: Answer, circumstances: Circumstances) -> bytes:
    """Return the body of an answer. Raises AnswerUntranslatable when a call's arguments are not an object."""
    parts = [written for part in answer.parts for written in write_part(part)]
    candidate = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": word_of(answer.stop),
        "index": 0,
    }
    written: dict[str, Any] = {"candidates": [candidate]}
    if answer.usage is not None:
        written["usageMetadata"] = write_usage(answer.usage)
    return msgspec.json.encode(written | {"modelVersion": answer.model, "responseId": answer.id})


def write_part(part: AnswerPart) -> list[dict[str, Any]]:
    """Return the parts that say this one. A thought is signed with whose it is, at least."""
    if isinstance(part, Text):
        return [{"text": part.text}]
    if isinstance(part, Reasoning):
        return [{"text": part.text, "thought": True, "thoughtSignature": proofs.marked(part)}]
    if not is_object(part.arguments):
        raise AnswerUntranslatable(
            f"The vendor's answer calls the tool {part.name[:64]!r} with arguments that are not a JSON object."
        )
    return [{"functionCall": {"id": part.id, "name": part.name, "args": msgspec.Raw(part.arguments.encode())}}]
