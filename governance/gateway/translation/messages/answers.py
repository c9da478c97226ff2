"""Whole answers of the Anthropic messages wire."""

from typing import Any

import msgspec

from governance.gateway.translation import normal, proofs
from governance.gateway.translation.canonical import Answer, AnswerPart, Dialect, Reasoning, Stop, Text, ToolCall
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.messages.usage import read_usage, wire_usage, write_usage
from governance.gateway.translation.reading import NULL, AnswerUntranslatable, answered, given, is_object

_STOPS = {
    "end_turn": Stop.END,
    "stop_sequence": Stop.STOP_SEQUENCE,
    "max_tokens": Stop.MAXIMUM,
    "model_context_window_exceeded": Stop.MAXIMUM,
    "tool_use": Stop.TOOL_CALLS,
    "refusal": Stop.REFUSED,
}
_WORDS = {
    Stop.END: "end_turn",
    Stop.STOP_SEQUENCE: "stop_sequence",
    Stop.MAXIMUM: "max_tokens",
    Stop.TOOL_CALLS: "tool_use",
    Stop.REFUSED: "refusal",
}


class WireBlock(msgspec.Struct):
    """One block of an answer, whatever its type."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = NULL


class _Answer(msgspec.Struct):
    content: list[WireBlock]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: msgspec.Raw = NULL


_answer = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes, circumstances: Circumstances) -> Answer:
    """Return the answer. Raises AnswerUntranslatable.

    Blocks of the vendor's own tools cannot be asked for in a translated request; one that comes all the same is left
    out, and the text around it stays.
    """
    said = answered(body, _answer)
    return Answer(
        id=said.id or circumstances.request_id,
        model=said.model or circumstances.model,
        parts=normal.answer_parts(part for block in said.content if (part := part_of(block)) is not None),
        stop=stop_of(said.stop_reason),
        stop_sequence=said.stop_sequence,
        usage=read_usage(wire_usage(said.usage)),
    )


def part_of(block: WireBlock) -> AnswerPart | None:
    """Return the part, or None for a block that no other wire has."""
    if block.type == "text":
        return Text(block.text)
    if block.type == "thinking":
        return Reasoning(block.thinking, Dialect.ANTHROPIC_MESSAGES, block.signature or None)
    if block.type == "redacted_thinking":
        return Reasoning("", Dialect.ANTHROPIC_MESSAGES, block.data, is_redacted=True)
    if block.type == "tool_use":
        arguments = given(block.input)
        return ToolCall(block.id, block.name, "{}" if arguments is None else bytes(arguments).decode())
    return None


def stop_of(word: str | None) -> Stop:
    """Return why it ended. Raises AnswerUntranslatable for a reason that no other wire has."""
    stop = _STOPS.get(word or "end_turn")
    if stop is None:
        raise AnswerUntranslatable(f"The vendor ended its answer for the reason {word!r}: the answer is incomplete.")
    return stop


def word_of(stop: Stop) -> str:
    """Return `stop_reason`."""
    return _WORDS[stop]


def write_answer(answer: Answer, circumstances: Circumstances) -> bytes:
    """Return the body of a message. Raises AnswerUntranslatable when a call's arguments are not an object."""
    return msgspec.json.encode(
        {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": [_block(part) for part in answer.parts],
            "stop_reason": word_of(answer.stop),
            "stop_sequence": answer.stop_sequence,
            "usage": write_usage(answer.usage),
        }
    )


def _block(part: AnswerPart) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Reasoning):
        return {"type": "thinking", "thinking": part.text, "signature": proofs.marked(part)}
    if not is_object(part.arguments):
        raise AnswerUntranslatable(
            f"The vendor's answer calls the tool {part.name[:64]!r} with arguments that are not a JSON object."
        )
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": msgspec.Raw(part.arguments.encode())}
