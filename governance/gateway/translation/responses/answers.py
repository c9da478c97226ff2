"""Whole answers of the Responses wire."""

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
from governance.gateway.translation.circumstances import Circumstances
from governance.gateway.translation.reading import NULL, AnswerUntranslatable, answered
from governance.gateway.translation.responses.items import Item, id_of, is_refusal, kind_of, text_of, thought_of, whole
from governance.gateway.translation.responses.usage import read_usage, write_usage
from governance.gateway.translation.tool_calls import call_id

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_INCOMPLETE = {"max_output_tokens": Stop.MAXIMUM, "content_filter": Stop.REFUSED}
_REASONS = {stop: reason for reason, stop in _INCOMPLETE.items()}
_USUALLY: dict[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "temperature": None,
    "top_p": None,
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "reasoning": None,
    "metadata": {},
    "user": None,
}
"""What an answer repeats of a request that did not say it."""


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Error(msgspec.Struct):
    message: str | None = None


class WireResponse(msgspec.Struct):
    """A response, whole or within an event of its stream."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Item] = []
    usage: msgspec.Raw = NULL
    incomplete_details: _Incomplete | None = None
    error: _Error | None = None


_response = msgspec.json.Decoder(WireResponse)


def read_answer(body: bytes, circumstances: Circumstances) -> Answer:
    """Return the answer. Raises AnswerUntranslatable.

    Items of the vendor's own tools cannot be asked for in a translated request; one that comes all the same is left
    out, and the text around it stays.
    """
    given = answered(body.removeprefix(_BYTE_ORDER_MARK), _response)
    identity = given.id or circumstances.request_id
    parts = normal.answer_parts(
        part for number, item in enumerate(given.output) if (part := _part(item, identity, number)) is not None
    )
    has_refused = any(is_refusal(item) for item in given.output if item.type == "message")
    return Answer(
        id=identity,
        model=given.model or circumstances.model,
        parts=parts,
        stop=stop_of(given, has_refused=has_refused, has_called=any(isinstance(part, ToolCall) for part in parts)),
        usage=read_usage(given.usage),
    )


def stop_of(response: WireResponse, *, has_refused: bool, has_called: bool) -> Stop:
    """Return why it ended. Raises AnswerUntranslatable where it did not, or for a reason that no other wire has."""
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details else None
        stop = _INCOMPLETE.get(reason or "")
        if stop is None:
            raise AnswerUntranslatable(
                f"The vendor ended its answer for the reason {reason!r}: the answer is incomplete."
            )
        return stop
    if response.status not in (None, "completed"):
        told = response.error.message if response.error else None
        raise AnswerUntranslatable(f"The vendor's answer is {response.status}: {told or 'it does not say why'}.")
    return Stop.REFUSED if has_refused else Stop.TOOL_CALLS if has_called else Stop.END


def write_answer(answer: Answer, circumstances: Circumstances) -> bytes:
    """Return the body of a response. Raises AnswerUntranslatable."""
    tools = circumstances.asked.tools
    output = [
        whole(part, id_of(kind_of(part, tools), answer.id, index), tools) for index, part in enumerate(answer.parts)
    ]
    return msgspec.json.encode(
        opening(answer.id, answer.model, circumstances)
        | closing(answer.stop)
        | {"output": output, "usage": write_usage(answer.usage)}
    )


def opening(identity: str, model: str, circumstances: Circumstances) -> dict[str, Any]:
    """Return a response that has just begun."""
    return {
        "id": identity,
        "object": "response",
        "created_at": circumstances.created_at_seconds,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        "truncation": "disabled",
        "usage": None,
        **_USUALLY,
        **circumstances.asked.repeated,
    }


def closing(stop: Stop) -> dict[str, Any]:
    """Return what a response says of its end."""
    reason = _REASONS.get(stop)
    if reason is None:
        return {"status": "completed"}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def _part(item: Item, identity: str, number: int) -> AnswerPart | None:
    if item.type == "message":
        return Text(text_of(item))
    if item.type == "reasoning":
        text = thought_of(item)
        proof = item.encrypted_content or None
        return Reasoning(text, Dialect.OPENAI_RESPONSES, proof) if text or proof else None
    if item.type != "function_call":
        return None
    if not item.name:
        raise AnswerUntranslatable("The vendor's answer calls a tool without a name.")
    return ToolCall(item.call_id or call_id(identity, number), item.name, item.arguments or "{}")
