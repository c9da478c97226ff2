"""Writes a conversation as a Responses request, of which the vendor stores nothing."""

from collections.abc import Iterator
from typing import Any

import msgspec

from governance.gateway.translation.canonical import (
    Conversation,
    Destination,
    Dialect,
    Effort,
    InlineImage,
    LinkedImage,
    Message,
    Part,
    Reasoning,
    ReplyFormat,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
    Verbosity,
)
from governance.gateway.translation.images import url_of_image
from governance.gateway.translation.reading import unsayable

_LONGEST_USER_CHARACTERS = 128
_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')


def write_request(conversation: Conversation, destination: Destination) -> bytes:
    """Return the body. Raises RequestInvalid for what the Responses wire has no words for."""
    _refuse(conversation)
    user = conversation.user_id
    body: dict[str, Any] = {
        "model": destination.model,
        "input": [
            *[_said("developer", [Text(text)]) for text in conversation.system],
            *[item for message in conversation.messages for item in _items(message)],
        ],
        "max_output_tokens": conversation.maximum_output_tokens,
        "temperature": conversation.sampling.temperature,
        "top_p": conversation.sampling.top_p,
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": _tool_choice(conversation.tool_choice),
        "parallel_tool_calls": conversation.allows_parallel_calls if conversation.tools else None,
        "text": _text(conversation.reply_format, conversation.verbosity) or None,
        "reasoning": _reasoning(conversation.thinking),
        "include": ["reasoning.encrypted_content"] if _thinks(conversation.thinking) else None,
        "safety_identifier": user if user and len(user) <= _LONGEST_USER_CHARACTERS else None,
        "store": False,
        "stream": True if conversation.is_streamed else None,
    }
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def _refuse(conversation: Conversation) -> None:
    sampling, thinking = conversation.sampling, conversation.thinking
    for name, value in (
        ("top_k", sampling.top_k),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
    ):
        if value:
            raise unsayable(name, "leave it out, and set the temperature or top_p")
    if sampling.seed is not None:
        raise unsayable("seed", "its answers cannot be repeated; leave it out")
    if conversation.stop:
        raise unsayable("stop", "it knows no stop sequences; leave them out")
    if thinking is not None and thinking.budget_tokens is not None:
        raise unsayable("thinking", "ask for an effort instead of a budget of tokens")


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the items of a turn: texts and images that follow each other are one message."""
    role = "developer" if message.role == Role.SYSTEM else str(message.role)
    said: list[Text | InlineImage | LinkedImage] = []
    for part in message.parts:
        if isinstance(part, Text | InlineImage | LinkedImage):
            said.append(part)
            continue
        item = _item(part)
        if said and item is not None:
            yield _said(role, said)
            said = []
        if item is not None:
            yield item
    if said:
        yield _said(role, said)


def _said(role: str, parts: list[Text | InlineImage | LinkedImage]) -> dict[str, Any]:
    """What the assistant says is one text, as in an answer's normal form; it shows no images."""
    message: dict[str, Any] = {"type": "message", "role": role}
    if role == Role.ASSISTANT:
        return message | {"content": "".join([part.text for part in parts if isinstance(part, Text)])}
    return message | {"content": [_content(part) for part in parts]}


def _content(part: Text | InlineImage | LinkedImage) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    return {"type": "input_image", "image_url": url_of_image(part), "detail": "auto"}


def _item(part: Part) -> dict[str, Any] | None:
    match part:
        case Reasoning():
            return _thought(part)
        case ToolCall():
            return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
        case ToolResult():
            return _result(part)
    raise TypeError(f"A turn holds a {type(part).__name__}.")


def _thought(thought: Reasoning) -> dict[str, Any] | None:
    """The vendor takes back only thoughts that it encrypted; another's are left out."""
    if thought.origin != Dialect.OPENAI_RESPONSES or thought.proof is None:
        return None
    summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
    return {"type": "reasoning", "summary": summary, "encrypted_content": thought.proof}


def _result(result: ToolResult) -> dict[str, Any]:
    """Whether it is an error this wire does not say: the text does."""
    parts = [_content(part) for part in result.content]
    is_plain = len(parts) == 1 and parts[0]["type"] == "input_text"
    return {
        "type": "function_call_output",
        "call_id": result.call_id,
        "output": parts[0]["text"] if is_plain else parts or "",
    }


def _tool(tool: Tool) -> dict[str, Any]:
    """A function is strict here where it does not say that it is not."""
    written: dict[str, Any] = {
        "type": "function",
        "name": tool.name,
        "parameters": tool.schema or _NO_ARGUMENTS,
        "strict": tool.is_strict,
    }
    return written if tool.description is None else written | {"description": tool.description}


def _tool_choice(choice: ToolChoice | None) -> object:
    if choice is None:
        return None
    if not choice.names or choice.mode == ToolMode.NONE:
        return choice.mode
    named = [{"type": "function", "name": name} for name in choice.names]
    if choice.mode == ToolMode.REQUIRED and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "mode": choice.mode, "tools": named}


def _text(asked: ReplyFormat | None, verbosity: Verbosity | None) -> dict[str, Any]:
    written: dict[str, Any] = {} if verbosity is None else {"verbosity": verbosity}
    if asked is None:
        return written
    if asked.schema is None:
        return written | {"format": {"type": "json_object"}}
    form: dict[str, Any] = {"type": "json_schema", "name": asked.name or "answer", "schema": asked.schema}
    if asked.description is not None:
        form["description"] = asked.description
    return written | {"format": form | {"strict": asked.is_strict}}


def _thinks(thinking: Thinking | None) -> bool:
    return thinking is not None and thinking.effort != Effort.NONE


def _reasoning(thinking: Thinking | None) -> dict[str, Any] | None:
    if thinking is None:
        return None
    written: dict[str, Any] = {} if thinking.effort is None else {"effort": thinking.effort}
    return (written | {"summary": "auto"} if thinking.is_shown else written) or None
