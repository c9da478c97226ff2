"""Output items of a response: what a stream says piece by piece, and an answer at once."""

from collections.abc import Mapping
from typing import Any

import msgspec

from governance.gateway.translation import proofs
from governance.gateway.translation.canonical import AnswerPart, ClientTool, Reasoning, Text
from governance.gateway.translation.responses.tools import arguments_as_text

_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}


class Piece(msgspec.Struct):
    """A piece of an item's content, whatever its type."""

    type: str = ""
    text: str = ""
    refusal: str = ""


class Item(msgspec.Struct):
    """An output item of a vendor's, whatever its type."""

    type: str = ""
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    summary: list[Piece] | None = None
    content: list[Piece] | None = None
    encrypted_content: str | None = None


def thought_of(item: Item) -> str:
    """Return the text of a reasoning item: its summary, or the thought itself where the vendor shows it."""
    return "\n\n".join([piece.text for piece in (item.summary or item.content or ())])


def text_of(item: Item) -> str:
    """Return what a message says, or why it says nothing."""
    return "".join([piece.text + piece.refusal for piece in item.content or ()])


def is_refusal(item: Item) -> bool:
    """Return whether the model declined."""
    return any(piece.refusal for piece in item.content or ())


def kind_of(part: AnswerPart, tools: Mapping[str, ClientTool]) -> str:
    """Return the type of the item that says this part."""
    if isinstance(part, Text):
        return "message"
    if isinstance(part, Reasoning):
        return "reasoning"
    tool = tools.get(part.name)
    return "custom_tool_call" if tool is not None and tool.is_text else "function_call"


def id_of(kind: str, answer_id: str, index: int) -> str:
    """Return an item's id: the same whenever the answer is written."""
    return f"{_PREFIXES[kind]}_{answer_id.removeprefix('resp_')}_{index}"


def begun(part: AnswerPart, item_id: str, tools: Mapping[str, ClientTool]) -> dict[str, Any]:
    """Return the item as it begins, empty."""
    head = {"id": item_id, "type": kind_of(part, tools)}
    if isinstance(part, Text):
        return head | {"status": "in_progress", "role": "assistant", "content": []}
    if isinstance(part, Reasoning):
        return head | {"summary": []}
    content = "input" if head["type"] == "custom_tool_call" else "arguments"
    return head | {"status": "in_progress"} | _called(part.id, part.name, tools) | {content: ""}


def whole(part: AnswerPart, item_id: str, tools: Mapping[str, ClientTool]) -> dict[str, Any]:
    """Return the item as it ends. Raises AnswerUntranslatable."""
    item = begun(part, item_id, tools)
    if isinstance(part, Text):
        return item | {"status": "completed", "content": [said(part.text)]}
    if isinstance(part, Reasoning):
        return item | {"summary": summary(part.text), "encrypted_content": proofs.marked(part)}
    if "input" in item:
        return item | {"status": "completed", "input": arguments_as_text(part.arguments)}
    return item | {"status": "completed", "arguments": part.arguments}


def said(text: str) -> dict[str, Any]:
    """Return the one piece that a message has."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def summary(text: str) -> list[dict[str, Any]]:
    """Return the pieces of a thought that are shown."""
    return [{"type": "summary_text", "text": text}] if text else []


def _called(call_id: str, name: str, tools: Mapping[str, ClientTool]) -> dict[str, Any]:
    tool = tools.get(name)
    if tool is None:
        return {"call_id": call_id, "name": name}
    called = {"call_id": call_id, "name": tool.name}
    return called | {"namespace": tool.namespace} if tool.namespace else called
