"""Writes a conversation as an OpenAI chat request."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import (
    Conversation,
    Destination,
    Dialect,
    InlineImage,
    LinkedImage,
    Message,
    Reasoning,
    ReplyFormat,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from governance.gateway.translation.chat.thoughts import call_proofs, extra_of_call
from governance.gateway.translation.images import url_of_image
from governance.gateway.translation.reading import unsayable

LONGEST_USER_CHARACTERS = 128
"""What OpenAI takes as an identifier of a user. A longer one is left out: it names nobody to another vendor."""


def write_request(conversation: Conversation, destination: Destination) -> bytes:
    """Return the body. Raises RequestInvalid for what the chat wire has no words for."""
    _refuse(conversation)
    sampling = conversation.sampling
    body: dict[str, Any] = {
        "model": destination.model,
        "messages": [
            *[{"role": "system", "content": text} for text in conversation.system],
            *[written for message in conversation.messages for written in _message(message)],
        ],
        destination.maximum_field: conversation.maximum_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stop": list(conversation.stop) or None,
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": _tool_choice(conversation.tool_choice),
        "parallel_tool_calls": conversation.allows_parallel_calls if conversation.tools else None,
        "response_format": _reply_format(conversation.reply_format),
        "reasoning_effort": conversation.thinking.effort if conversation.thinking else None,
        "verbosity": conversation.verbosity,
        "user": _user(conversation.user_id),
    }
    if conversation.is_streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def _refuse(conversation: Conversation) -> None:
    thinking = conversation.thinking
    if conversation.sampling.top_k is not None:
        raise unsayable("top_k", "leave it out, and set the temperature or top_p")
    if thinking is not None and thinking.budget_tokens is not None:
        raise unsayable("thinking", "ask for an effort instead of a budget of tokens")


def _message(message: Message) -> list[dict[str, Any]]:
    if message.role == Role.SYSTEM:
        return [{"role": "system", "content": "".join(_texts(message))}]
    if message.role == Role.ASSISTANT:
        return [_assistant(message)]
    results = [_result(part) for part in message.parts if isinstance(part, ToolResult)]
    said = [_user_part(part) for part in message.parts if isinstance(part, Text | InlineImage | LinkedImage)]
    if len(said) == 1 and said[0]["type"] == "text":
        return [*results, {"role": "user", "content": said[0]["text"]}]
    return [*results, {"role": "user", "content": said}] if said else results


def _texts(message: Message) -> list[str]:
    return [part.text for part in message.parts if isinstance(part, Text)]


def _assistant(message: Message) -> dict[str, Any]:
    """A vendor of this wire gets its own thoughts back; another's would be no use to it, and are left out."""
    proofs = call_proofs(message.parts, origin=Dialect.OPENAI_CHAT)
    calls = [_call(part, proofs.get(at)) for at, part in enumerate(message.parts) if isinstance(part, ToolCall)]
    thoughts = [
        part.text for part in message.parts if isinstance(part, Reasoning) and part.origin == Dialect.OPENAI_CHAT
    ]
    written: dict[str, Any] = {"role": "assistant", "content": "".join(_texts(message)) or None}
    if text := "".join(thoughts):
        written["reasoning_content"] = text
    if calls:
        written["tool_calls"] = calls
    elif written["content"] is None:
        written["content"] = ""
    return written


def _call(call: ToolCall, proof: str | None) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    written: dict[str, Any] = {"id": call.id, "type": "function", "function": function}
    return written | {"extra_content": extra_of_call(proof)} if proof else written


def _result(result: ToolResult) -> dict[str, Any]:
    """Whether it is an error this wire does not say: the text does."""
    if not all(isinstance(part, Text) for part in result.content):
        raise unsayable("image", "the result of a tool can only be text here", within="messages")
    texts = [part.text for part in result.content if isinstance(part, Text)]
    return {
        "role": "tool",
        "tool_call_id": result.call_id,
        "content": texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts] or "",
    }


def _user_part(part: Text | InlineImage | LinkedImage) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": url_of_image(part)}}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.is_strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice | None) -> object:
    if choice is None:
        return None
    if not choice.names or choice.mode == ToolMode.NONE:
        return choice.mode
    named = [{"type": "function", "function": {"name": name}} for name in choice.names]
    if choice.mode == ToolMode.REQUIRED and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}


def _reply_format(asked: ReplyFormat | None) -> object:
    if asked is None:
        return None
    if asked.schema is None:
        return {"type": "json_object"}
    written: dict[str, Any] = {"name": asked.name or "answer", "schema": asked.schema}
    if asked.description is not None:
        written["description"] = asked.description
    if asked.is_strict:
        written["strict"] = True
    return {"type": "json_schema", "json_schema": written}


def _user(user_id: str | None) -> str | None:
    return user_id if user_id and len(user_id) <= LONGEST_USER_CHARACTERS else None
