"""Writes a conversation as an Anthropic messages request, for the version that `VERSION` names."""

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
    Role,
    Text,
    Tool,
    ToolCall,
    ToolMode,
    ToolResult,
)
from governance.gateway.translation.reading import is_object, refuse_description, refuse_verbosity, unsayable
from governance.plugin.errors import RequestInvalid

_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')
_LARGEST_TEMPERATURE = 1


def write_request(conversation: Conversation, destination: Destination) -> bytes:
    """Return the body. Raises RequestInvalid for what the messages wire has no words for."""
    _refuse(conversation)
    maximum = conversation.maximum_output_tokens or destination.default_maximum_tokens
    if maximum is None:
        raise RequestInvalid(
            "This model's vendor needs a maximum of output tokens: send max_completion_tokens or maxOutputTokens.",
            field="max_completion_tokens",
        )
    sampling = conversation.sampling
    body: dict[str, Any] = {
        "model": destination.model,
        "max_tokens": maximum,
        "system": [{"type": "text", "text": text} for text in conversation.system] or None,
        "messages": _messages(conversation.messages),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "stop_sequences": list(conversation.stop) or None,
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": _tool_choice(conversation),
        "thinking": _thinking(conversation),
        "output_config": _output_config(conversation),
        "metadata": {"user_id": conversation.user_id} if conversation.user_id else None,
        "stream": True if conversation.is_streamed else None,
    }
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def _refuse(conversation: Conversation) -> None:
    sampling = conversation.sampling
    for name, penalty in (
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
    ):
        if penalty:
            raise unsayable(name, "leave it out")
    if sampling.seed is not None:
        raise unsayable("seed", "its answers cannot be repeated; leave it out")
    if sampling.temperature is not None and sampling.temperature > _LARGEST_TEMPERATURE:
        raise unsayable("temperature", f"it takes at most {_LARGEST_TEMPERATURE}")
    if conversation.reply_format is not None and conversation.reply_format.schema is None:
        raise unsayable("response_format", "JSON without a schema is not offered; send a json_schema")
    refuse_description(conversation.reply_format)
    refuse_verbosity(conversation.verbosity)
    choice = conversation.tool_choice
    if choice is not None and choice.names and (choice.mode != ToolMode.REQUIRED or len(choice.names) > 1):
        raise unsayable("tool_choice", "a choice among some of the tools is not offered; send only those tools")


def _messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """An instruction in the middle stands where it stood. The vendor takes one only after a user's turn, and not of
    every model; moved to the front it would be another instruction, so elsewhere it is refused.
    """
    written = []
    before: Role | None = None
    for message in messages:
        if message.role == Role.SYSTEM and before != Role.USER:
            raise RequestInvalid(
                "The field 'messages' holds a system message that follows no user's message, which cannot be said to "
                "this model's vendor: put it at the beginning, or after a user's message.",
                field="messages",
            )
        parts = [block for part in message.parts if (block := _block(part)) is not None]
        if parts:
            written.append({"role": message.role, "content": parts})
            before = message.role
    return written


def _block(part: Part) -> dict[str, Any] | None:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case InlineImage():
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
            return {"type": "image", "source": source}
        case LinkedImage():
            return {"type": "image", "source": {"type": "url", "url": part.url}}
        case Reasoning():
            return _thought(part)
        case ToolCall():
            if not is_object(part.arguments):
                raise unsayable("arguments", "those of a call must be a JSON object", within="messages")
            return {
                "type": "tool_use",
                "id": part.id,
                "name": part.name,
                "input": msgspec.Raw(part.arguments.encode()),
            }
        case ToolResult():
            return _result(part)


def _thought(thought: Reasoning) -> dict[str, Any] | None:
    """The vendor takes back only thoughts that it signed; another's are left out."""
    if thought.origin != Dialect.ANTHROPIC_MESSAGES or thought.proof is None:
        return None
    if thought.is_redacted:
        return {"type": "redacted_thinking", "data": thought.proof}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.proof}


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call_id}
    if result.content:
        block["content"] = [_block(part) for part in result.content]
    if result.is_error:
        block["is_error"] = True
    return block


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name, "input_schema": tool.schema or _NO_ARGUMENTS}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.is_strict:
        written["strict"] = True
    return written


def _tool_choice(conversation: Conversation) -> dict[str, Any] | None:
    choice = conversation.tool_choice
    if not conversation.tools:
        return None
    if choice is not None and choice.mode == ToolMode.NONE:
        return {"type": "none"}
    written: dict[str, Any] = {"type": "auto"}
    if choice is not None and choice.mode == ToolMode.REQUIRED:
        written = {"type": "tool", "name": choice.names[0]} if choice.names else {"type": "any"}
    if conversation.allows_parallel_calls is not None:
        written["disable_parallel_tool_use"] = not conversation.allows_parallel_calls
    return written if choice is not None or conversation.allows_parallel_calls is not None else None


def _thinking(conversation: Conversation) -> dict[str, Any] | None:
    """An effort is of use only to a model that thinks; one that must call a tool may not."""
    thinking, choice = conversation.thinking, conversation.tool_choice
    if thinking is None:
        return None
    if thinking.effort == Effort.NONE:
        return {"type": "disabled"}
    if choice is not None and choice.mode == ToolMode.REQUIRED:
        return None
    shown = {} if thinking.is_shown is None else {"display": "summarized" if thinking.is_shown else "omitted"}
    if thinking.budget_tokens is not None:
        return {"type": "enabled", "budget_tokens": thinking.budget_tokens} | shown
    return {"type": "adaptive"} | shown


def _output_config(conversation: Conversation) -> dict[str, Any] | None:
    """There is no effort below low."""
    written: dict[str, Any] = {}
    effort = conversation.thinking.effort if conversation.thinking else None
    if effort is not None and effort != Effort.NONE:
        written["effort"] = Effort.LOW if effort == Effort.MINIMAL else effort
    if conversation.reply_format is not None:
        written["format"] = {"type": "json_schema", "schema": conversation.reply_format.schema}
    return written or None
