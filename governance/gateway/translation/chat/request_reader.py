"""Reads an OpenAI chat request into the canonical form."""

from collections.abc import Iterable

import msgspec

from governance.gateway.translation import normal
from governance.gateway.translation.canonical import (
    Conversation,
    Dialect,
    Effort,
    InlineImage,
    LinkedImage,
    Message,
    Part,
    ReplyFormat,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from governance.gateway.translation.chat import request as wire
from governance.gateway.translation.chat.thoughts import proof_of_call, thoughts_of
from governance.gateway.translation.images import image_of_url
from governance.gateway.translation.reading import decoded, given, unless_usual
from governance.gateway.translation.tool_calls import name_of_call
from governance.plugin.errors import RequestInvalid
from governance.plugin.splicing import Members

_request = msgspec.json.Decoder(wire.Request)
_System = wire.SystemMessage | wire.DeveloperMessage


def read_request(body: bytes, *, is_streamed: bool = False) -> Conversation:
    """Return what the client asks; the body says whether it is a stream. Raises RequestInvalid with the field that
    cannot be said or is wrong.
    """
    wire.FIELDS.check(Members(body))
    asked = decoded(body, _request)
    leading = _leading(asked.messages)
    caps = [cap for cap in (asked.max_tokens, asked.max_completion_tokens) if cap is not None]
    return Conversation(
        system=tuple(text for message in asked.messages[:leading] for text in _texts(message)),
        messages=_messages(asked.messages[leading:]),
        tools=tuple(_tool(tool.function) for tool in asked.tools or ()),
        tool_choice=_tool_choice(asked.tool_choice),
        allows_parallel_calls=asked.parallel_tool_calls,
        sampling=Sampling(
            temperature=asked.temperature,
            top_p=asked.top_p,
            frequency_penalty=asked.frequency_penalty,
            presence_penalty=asked.presence_penalty,
            seed=asked.seed,
        ),
        stop=(asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
        maximum_output_tokens=min(caps) if caps else None,
        reply_format=_reply_format(asked.response_format),
        thinking=Thinking(effort=Effort(asked.reasoning_effort)) if asked.reasoning_effort else None,
        verbosity=unless_usual(asked.verbosity),
        user_id=asked.safety_identifier or asked.user,
        is_streamed=bool(asked.stream),
        wants_usage=asked.stream_options is not None and asked.stream_options.include_usage is True,
    )


def _leading(messages: list[wire.AnyMessage]) -> int:
    """Return how many instructions stand before the first turn."""
    return next((at for at, message in enumerate(messages) if not isinstance(message, _System)), len(messages))


def _messages(sent: Iterable[wire.AnyMessage]) -> tuple[Message, ...]:
    names: dict[str, str] = {}
    read: list[Message] = []
    for message in sent:
        if isinstance(message, wire.AssistantMessage):
            for call in message.tool_calls or ():
                names[call.id] = call.function.name
            read.append(Message(Role.ASSISTANT, _assistant_parts(message)))
        elif isinstance(message, wire.ToolMessage):
            name = name_of_call(names, message.tool_call_id, field="messages")
            content = tuple(Text(text) for text in _texts(message))
            read.append(Message(Role.USER, (ToolResult(message.tool_call_id, name, content),)))
        elif isinstance(message, wire.UserMessage):
            read.append(Message(Role.USER, tuple(_user_parts(message))))
        else:
            read.append(Message(Role.SYSTEM, tuple(Text(text) for text in _texts(message))))
    return normal.messages(read)


def _texts(message: wire.AnyMessage) -> list[str]:
    content = message.content
    if content is None or isinstance(content, str):
        return [content] if content else []
    return [part.text for part in content if isinstance(part, wire.TextPart) and part.text]


def _user_parts(message: wire.UserMessage) -> list[Text | InlineImage | LinkedImage]:
    if isinstance(message.content, str):
        return [Text(message.content)]
    return [
        Text(part.text) if isinstance(part, wire.TextPart) else image_of_url(part.image_url.url, field="messages")
        for part in message.content
    ]


def _assistant_parts(message: wire.AssistantMessage) -> tuple[Part, ...]:
    """Order the fields of a message as models speak: thoughts, text, calls."""
    parts: list[Part] = [*thoughts_of(message.reasoning_details, message.reasoning_content or message.reasoning)]
    if isinstance(message.content, str):
        parts.append(Text(message.content))
    for part in message.content if isinstance(message.content, list) else ():
        parts.append(Text(part.text if isinstance(part, wire.TextPart) else part.refusal))
    parts.append(Text(message.refusal or ""))
    for call in message.tool_calls or ():
        parts += proof_of_call(call.extra_content, origin=Dialect.GEMINI)
        parts.append(ToolCall(call.id, call.function.name, call.function.arguments or "{}"))
    return tuple(parts)


def _tool(function: wire.FunctionDefinition) -> Tool:
    return Tool(
        name=function.name,
        description=function.description,
        schema=given(function.parameters),
        is_strict=bool(function.strict),
    )


def _tool_choice(choice: str | wire.NamedFunction | wire.AllowedChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(ToolMode(choice))
    if isinstance(choice, wire.NamedFunction):
        return ToolChoice(ToolMode.REQUIRED, (choice.function.name,))
    allowed = choice.allowed_tools
    if not allowed.tools:
        raise RequestInvalid("The field 'tool_choice' allows no tool: name at least one.", field="tool_choice")
    return ToolChoice(ToolMode(allowed.mode), tuple(tool.function.name for tool in allowed.tools))


def _reply_format(asked: wire.TextFormat | wire.ObjectFormat | wire.SchemaFormat | None) -> ReplyFormat | None:
    if isinstance(asked, wire.ObjectFormat):
        return ReplyFormat()
    if isinstance(asked, wire.SchemaFormat):
        form = asked.json_schema
        return ReplyFormat(
            schema=given(form.schema), name=form.name, description=form.description, is_strict=bool(form.strict)
        )
    return None
