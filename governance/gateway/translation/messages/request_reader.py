"""Reads an Anthropic messages request into the canonical form."""

from collections.abc import Iterable

import msgspec

from governance.gateway.translation import normal, proofs
from governance.gateway.translation.canonical import (
    Conversation,
    Dialect,
    Effort,
    InlineImage,
    LinkedImage,
    Message,
    Part,
    Reasoning,
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
from governance.gateway.translation.images import image_of_url, inline_image
from governance.gateway.translation.messages import request as wire
from governance.gateway.translation.reading import decoded, unsayable
from governance.gateway.translation.tool_calls import name_of_call
from governance.plugin.splicing import Members

_request = msgspec.json.Decoder(wire.Request)
_MODES = {
    wire.AutoChoice: ToolMode.AUTO,
    wire.AnyChoice: ToolMode.REQUIRED,
    wire.NamedChoice: ToolMode.REQUIRED,
    wire.NoChoice: ToolMode.NONE,
}


def read_request(body: bytes, *, is_streamed: bool = False) -> Conversation:
    """Return what the client asks; the body says whether it is a stream. Raises RequestInvalid with the field that
    cannot be said or is wrong.
    """
    wire.FIELDS.check(Members(body))
    asked = decoded(body, _request)
    if asked.max_tokens < 1:
        raise unsayable("max_tokens", "filling a cache without an answer is Anthropic's own; send at least 1")
    return Conversation(
        system=tuple(_texts(asked.system)),
        messages=_messages(asked.messages),
        tools=tuple(_tool(tool) for tool in asked.tools or ()),
        tool_choice=_tool_choice(asked.tool_choice),
        allows_parallel_calls=_allows_parallel_calls(asked.tool_choice),
        sampling=Sampling(temperature=asked.temperature, top_p=asked.top_p, top_k=asked.top_k),
        stop=tuple(asked.stop_sequences or ()),
        maximum_output_tokens=asked.max_tokens,
        reply_format=_reply_format(asked.output_config),
        thinking=_thinking(asked.thinking, asked.output_config),
        user_id=asked.metadata.user_id if asked.metadata else None,
        is_streamed=bool(asked.stream),
    )


def _texts(content: str | Iterable[object] | None) -> list[str]:
    if content is None or isinstance(content, str):
        return [content] if content else []
    return [block.text for block in content if isinstance(block, wire.TextBlock) and block.text]


def _messages(given: Iterable[wire.AnyMessage]) -> tuple[Message, ...]:
    names: dict[str, str] = {}
    read: list[Message] = []
    for message in given:
        if isinstance(message, wire.AssistantMessage):
            parts = _assistant_parts(message.content)
            names |= {part.id: part.name for part in parts if isinstance(part, ToolCall)}
            read.append(Message(Role.ASSISTANT, tuple(parts)))
        elif isinstance(message, wire.UserMessage):
            read.append(Message(Role.USER, tuple(_user_parts(message.content, names))))
        else:
            read.append(Message(Role.SYSTEM, tuple(Text(text) for text in _texts(message.content))))
    return normal.messages(read)


def _user_parts(
    content: str | list[wire.TextBlock | wire.ImageBlock | wire.ToolResultBlock], names: dict[str, str]
) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    return [_result(block, names) if isinstance(block, wire.ToolResultBlock) else _seen(block) for block in content]


def _seen(block: wire.TextBlock | wire.ImageBlock) -> Text | InlineImage | LinkedImage:
    if isinstance(block, wire.TextBlock):
        return Text(block.text)
    if isinstance(block.source, wire.URLSource):
        return image_of_url(block.source.url, field="messages")
    return inline_image(block.source.media_type, block.source.data, field="messages")


def _result(block: wire.ToolResultBlock, names: dict[str, str]) -> ToolResult:
    content = [Text(block.content)] if isinstance(block.content, str) else [_seen(item) for item in block.content or ()]
    return ToolResult(
        block.tool_use_id,
        name_of_call(names, block.tool_use_id, field="messages"),
        tuple(part for part in content if part != Text("")),
        bool(block.is_error),
    )


def _assistant_parts(
    content: str | list[wire.TextBlock | wire.ThinkingBlock | wire.RedactedBlock | wire.ToolUseBlock],
) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    parts: list[Part] = []
    for block in content:
        match block:
            case wire.TextBlock():
                parts.append(Text(block.text))
            case wire.ThinkingBlock():
                own = Reasoning(block.thinking, Dialect.ANTHROPIC_MESSAGES, block.signature)
                parts.append(proofs.unmarked(block.signature, block.thinking) or own)
            case wire.RedactedBlock():
                parts.append(Reasoning("", Dialect.ANTHROPIC_MESSAGES, block.data, is_redacted=True))
            case wire.ToolUseBlock():
                parts.append(ToolCall(block.id, block.name, bytes(block.input).decode()))
    return parts


def _tool(tool: wire.Tool) -> Tool:
    return Tool(name=tool.name, description=tool.description, schema=tool.input_schema, is_strict=bool(tool.strict))


def _tool_choice(choice: wire.AnyToolChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    return ToolChoice(_MODES[type(choice)], (choice.name,) if isinstance(choice, wire.NamedChoice) else ())


def _allows_parallel_calls(choice: wire.AnyToolChoice | None) -> bool | None:
    if choice is None or isinstance(choice, wire.NoChoice) or choice.disable_parallel_tool_use is None:
        return None
    return not choice.disable_parallel_tool_use


def _reply_format(config: wire.OutputConfig | None) -> ReplyFormat | None:
    if config is None or config.format is None:
        return None
    return ReplyFormat(schema=config.format.schema, is_strict=True)


def _thinking(thinking: wire.AnyThinking | None, config: wire.OutputConfig | None) -> Thinking | None:
    effort = Effort(config.effort) if config is not None and config.effort is not None else None
    if isinstance(thinking, wire.Disabled):
        return Thinking(effort=Effort.NONE)
    if thinking is None:
        return Thinking(effort=effort) if effort else None
    return Thinking(
        effort=effort,
        budget_tokens=thinking.budget_tokens if isinstance(thinking, wire.Enabled) else None,
        is_shown=thinking.display != "omitted",
    )
