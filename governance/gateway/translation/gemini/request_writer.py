"""Writes a conversation as a Gemini generateContent request. The address has the model, and whether it is a stream."""

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
    Thinking,
    Tool,
    ToolCall,
    ToolMode,
    ToolResult,
)
from governance.gateway.translation.gemini import proofs
from governance.gateway.translation.reading import is_object, refuse_description, refuse_verbosity, unsayable

_LEVELS = {
    Effort.MINIMAL: "MINIMAL",
    Effort.LOW: "LOW",
    Effort.MEDIUM: "MEDIUM",
    Effort.HIGH: "HIGH",
    Effort.XHIGH: "XHIGH",
    Effort.MAX: "XHIGH",
}
_MODES = {ToolMode.AUTO: "AUTO", ToolMode.REQUIRED: "ANY", ToolMode.NONE: "NONE"}


def write_request(conversation: Conversation, destination: Destination) -> bytes:
    """Return the body. Raises RequestInvalid for what the Gemini wire has no words for."""
    _refuse(conversation)
    body: dict[str, Any] = {
        "contents": [_content(message) for message in conversation.messages],
        "systemInstruction": {"parts": [{"text": text} for text in conversation.system]}
        if conversation.system
        else None,
        "tools": [{"functionDeclarations": [_declaration(tool) for tool in conversation.tools]}]
        if conversation.tools
        else None,
        "toolConfig": _tool_config(conversation),
        "generationConfig": _generation_config(conversation) or None,
    }
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def _refuse(conversation: Conversation) -> None:
    if conversation.allows_parallel_calls is False and conversation.tools:
        raise unsayable("parallel_tool_calls", "the model may call several tools at once; leave it out")
    thinking = conversation.thinking
    if thinking is not None and thinking.budget_tokens is not None and thinking.effort is not None:
        raise unsayable("thinking", "a budget and an effort exclude each other; send one of them")
    if any(message.role == Role.SYSTEM for message in conversation.messages):
        raise unsayable(
            "messages", "an instruction in the middle of a conversation is not offered; put it at the beginning"
        )
    refuse_description(conversation.reply_format)
    refuse_verbosity(conversation.verbosity)


def _generation_config(conversation: Conversation) -> dict[str, Any]:
    sampling = conversation.sampling
    asked = conversation.reply_format
    written: dict[str, Any] = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "maxOutputTokens": conversation.maximum_output_tokens,
        "stopSequences": list(conversation.stop) or None,
        "presencePenalty": sampling.presence_penalty,
        "frequencyPenalty": sampling.frequency_penalty,
        "seed": sampling.seed,
        "responseMimeType": "application/json" if asked is not None else None,
        "responseJsonSchema": asked.schema if asked is not None else None,
        "thinkingConfig": _thinking_config(conversation.thinking) or None,
    }
    return {name: value for name, value in written.items() if value is not None}


def _thinking_config(thinking: Thinking | None) -> dict[str, Any]:
    """A level and a budget exclude each other. There is no level above xhigh."""
    if thinking is None:
        return {}
    written: dict[str, Any] = {}
    if thinking.effort == Effort.NONE:
        written["thinkingBudget"] = 0
    elif thinking.effort is not None:
        written["thinkingLevel"] = _LEVELS[thinking.effort]
    elif thinking.budget_tokens is not None:
        written["thinkingBudget"] = thinking.budget_tokens
    if thinking.is_shown is not None:
        written["includeThoughts"] = thinking.is_shown
    return written


def _content(message: Message) -> dict[str, Any]:
    if message.role == Role.ASSISTANT:
        return {"role": "model", "parts": _said(message.parts)}
    return {"role": "user", "parts": [_given(part) for part in message.parts]}


def _said(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    """Gemini's own signatures stand where it put them. Without one its models refuse the first call of an answer."""
    written: list[dict[str, Any]] = []
    waiting: str | None = None
    is_first_call = True
    for at, part in enumerate(parts):
        if isinstance(part, Reasoning):
            is_before_call = at + 1 < len(parts) and isinstance(parts[at + 1], ToolCall)
            if part.origin != Dialect.GEMINI:
                continue
            if is_before_call and part.proof is not None and not part.text:
                waiting = part.proof
            else:
                written.append(_thought(part))
        elif isinstance(part, ToolCall):
            proof = waiting or (proofs.UNSIGNED if is_first_call else None)
            signed = {"thoughtSignature": proof} if proof else {}
            written.append({"functionCall": _call(part)} | signed)
            waiting, is_first_call = None, False
        else:
            written.append(_given(part))
    return written or [{"text": ""}]


def _thought(thought: Reasoning) -> dict[str, Any]:
    """A bare signature is of the text before it, and stands on an empty one."""
    if not thought.text:
        return {"text": "", "thoughtSignature": thought.proof}
    signed = {} if thought.proof is None else {"thoughtSignature": thought.proof}
    return {"text": thought.text, "thought": True} | signed


def _call(call: ToolCall) -> dict[str, Any]:
    if not is_object(call.arguments):
        raise unsayable("arguments", "those of a call must be a JSON object", within="messages")
    return {"id": call.id, "name": call.name, "args": msgspec.Raw(call.arguments.encode())}


def _given(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"text": part.text}
        case InlineImage():
            return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
        case LinkedImage():
            kind = {} if part.media_type is None else {"mimeType": part.media_type}
            return {"fileData": {"fileUri": part.url} | kind}
        case ToolResult():
            return {"functionResponse": _response(part)}
    raise TypeError(f"A turn of the user's holds a {type(part).__name__}.")


def _response(result: ToolResult) -> dict[str, Any]:
    text = "".join(part.text for part in result.content if isinstance(part, Text))
    written: dict[str, Any] = {
        "id": result.call_id,
        "name": result.name,
        "response": {"error" if result.is_error else "output": text},
    }
    if any(isinstance(part, LinkedImage) for part in result.content):
        raise unsayable("image", "the result of a tool can hold images by value only", within="messages")
    images = [_given(part) for part in result.content if isinstance(part, InlineImage)]
    return written | {"parts": images} if images else written


def _declaration(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.schema is not None:
        written["parametersJsonSchema"] = tool.schema
    return written


def _tool_config(conversation: Conversation) -> dict[str, Any] | None:
    """Calls hold to their schemas in the mode VALIDATED and where one must be made; of all functions or of none."""
    if not conversation.tools:
        return None
    choice = conversation.tool_choice
    mode = _MODES[choice.mode] if choice is not None else "AUTO"
    names = list(choice.names) if choice is not None else []
    if mode == "AUTO" and (names or any(tool.is_strict for tool in conversation.tools)):
        mode = "VALIDATED"
    if choice is None and mode == "AUTO":
        return None
    named = {"allowedFunctionNames": names} if names else {}
    return {"functionCallingConfig": {"mode": mode} | named}
