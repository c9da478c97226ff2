"""Reads a Responses request into the canonical form."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from governance.gateway.translation import normal, proofs
from governance.gateway.translation.canonical import (
    Asked,
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
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from governance.gateway.translation.images import image_of_url
from governance.gateway.translation.reading import NULL, decoded, given, unless_usual, unsayable
from governance.gateway.translation.responses import request as wire
from governance.gateway.translation.responses.tools import flat_name, read_tools, text_as_arguments
from governance.gateway.translation.tool_calls import name_of_call
from governance.plugin.errors import RequestInvalid
from governance.plugin.splicing import Members

_FIELD = "input"
_LONGEST_KIND = 64
_ITEMS: dict[str, msgspec.json.Decoder[Any]] = {
    "message": msgspec.json.Decoder(wire.Message),
    "function_call": msgspec.json.Decoder(wire.FunctionCall),
    "custom_tool_call": msgspec.json.Decoder(wire.CustomCall),
    "function_call_output": msgspec.json.Decoder(wire.Output),
    "custom_tool_call_output": msgspec.json.Decoder(wire.Output),
    "reasoning": msgspec.json.Decoder(wire.ReasoningItem),
    "additional_tools": msgspec.json.Decoder(wire.AdditionalTools),
}
_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}


class _Kind(msgspec.Struct):
    type: str | None = None


_kind = msgspec.json.Decoder(_Kind)
_request = msgspec.json.Decoder(wire.Request)


def read_request(body: bytes, *, is_streamed: bool = False) -> Conversation:
    """Return what the client asks; the body says whether it is a stream. Raises RequestInvalid with the field that
    cannot be said or is wrong.
    """
    members = Members(body)
    wire.FIELDS.check(members)
    asked = decoded(body, _request)
    items = _items(asked.input)
    added = [tool for item in items if isinstance(item, wire.AdditionalTools) for tool in item.tools]
    tools, known = read_tools([*(asked.tools or ()), *added])
    turns = list(_turns(items))
    leading = next((at for at, turn in enumerate(turns) if turn.role != Role.SYSTEM), len(turns))
    instructions = [asked.instructions] if asked.instructions else []
    config = asked.text or wire.TextConfig()
    return Conversation(
        system=(*instructions, *[text for turn in turns[:leading] for text in _texts(turn)]),
        messages=normal.messages(turns[leading:]),
        tools=tools,
        tool_choice=_tool_choice(asked.tool_choice),
        allows_parallel_calls=asked.parallel_tool_calls,
        sampling=Sampling(temperature=asked.temperature, top_p=asked.top_p),
        maximum_output_tokens=asked.max_output_tokens,
        reply_format=_reply_format(config),
        thinking=_thinking(asked.reasoning),
        verbosity=unless_usual(config.verbosity),
        user_id=asked.safety_identifier or asked.user,
        is_streamed=bool(asked.stream),
        asked=Asked(repeated=_repeated(members), tools=known),
    )


def _repeated(members: Members) -> dict[str, msgspec.Raw]:
    values = members.values
    return {name: msgspec.Raw(bytes(values[name])) for name in wire.REPEATED if given(values.get(name, NULL))}


def _items(given_input: str | list[msgspec.Raw]) -> list[Any]:
    if isinstance(given_input, str):
        return [wire.Message(role="user", content=given_input)]
    items = []
    for raw in given_input:
        kind = decoded(raw, _kind, field=_FIELD).type or "message"
        decoder = _ITEMS.get(kind)
        if decoder is None:
            raise unsayable(
                kind[:_LONGEST_KIND], "items of its kind are OpenAI's own; leave it out of 'input'", within=_FIELD
            )
        items.append(decoded(raw, decoder, field=_FIELD))
    return items


def _turns(items: Iterable[Any]) -> Iterator[Message]:
    """Yield what each item says, in the order in which it is said."""
    names: dict[str, str] = {}
    for item in items:
        match item:
            case wire.Message():
                yield Message(_ROLES[item.role], tuple(_parts(item)))
            case wire.ReasoningItem():
                yield Message(Role.ASSISTANT, _thought(item))
            case wire.FunctionCall():
                names[item.call_id] = flat_name(item.name, item.namespace)
                yield Message(Role.ASSISTANT, (ToolCall(item.call_id, names[item.call_id], item.arguments or "{}"),))
            case wire.CustomCall():
                names[item.call_id] = flat_name(item.name, item.namespace)
                call = ToolCall(item.call_id, names[item.call_id], text_as_arguments(item.input))
                yield Message(Role.ASSISTANT, (call,))
            case wire.Output():
                name = name_of_call(names, item.call_id, field=_FIELD)
                yield Message(Role.USER, (ToolResult(item.call_id, name, tuple(_content(item.output))),))


def _texts(message: Message) -> list[str]:
    return [part.text for part in message.parts if isinstance(part, Text) and part.text]


def _parts(message: wire.Message) -> Iterator[Part]:
    """Yield what a turn says. Only a user shows images."""
    if isinstance(message.content, str):
        yield Text(message.content)
        return
    for part in message.content:
        if isinstance(part, wire.ImagePart):
            if message.role != "user":
                raise unsayable("input_image", "only a user's message may show one", within=_FIELD)
            yield image_of_url(part.image_url, field=_FIELD)
        else:
            yield Text(part.refusal if isinstance(part, wire.RefusalPart) else part.text)


def _content(output: str | list[wire.TextPart | wire.ImagePart]) -> Iterator[Text | InlineImage | LinkedImage]:
    if isinstance(output, str):
        if output:
            yield Text(output)
        return
    for part in output:
        yield image_of_url(part.image_url, field=_FIELD) if isinstance(part, wire.ImagePart) else Text(part.text)


def _thought(item: wire.ReasoningItem) -> tuple[Reasoning, ...]:
    """Return an earlier answer's thought: another vendor's if its signature is marked so, else OpenAI's own."""
    text = "\n\n".join([piece.text for piece in (item.summary or item.content or ())])
    if not item.encrypted_content:
        return ()
    own = Reasoning(text, Dialect.OPENAI_RESPONSES, item.encrypted_content)
    return (proofs.unmarked(item.encrypted_content, text) or own,)


def _tool_choice(
    choice: str | wire.NamedFunction | wire.NamedCustom | wire.AllowedTools | None,
) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(ToolMode(choice))
    if isinstance(choice, wire.AllowedTools):
        if not choice.tools:
            raise RequestInvalid("The field 'tool_choice' allows no tool: name at least one.", field="tool_choice")
        return ToolChoice(ToolMode(choice.mode), tuple(flat_name(tool.name, tool.namespace) for tool in choice.tools))
    return ToolChoice(ToolMode.REQUIRED, (flat_name(choice.name, choice.namespace),))


def _reply_format(config: wire.TextConfig) -> ReplyFormat | None:
    form = config.format
    if isinstance(form, wire.ObjectFormat):
        return ReplyFormat()
    if isinstance(form, wire.SchemaFormat):
        return ReplyFormat(
            schema=given(form.schema), name=form.name, description=form.description, is_strict=bool(form.strict)
        )
    return None


def _thinking(asked: wire.Reasoning | None) -> Thinking | None:
    if asked is None:
        return None
    effort = Effort(asked.effort) if asked.effort else None
    is_shown = True if asked.summary or asked.generate_summary else None
    return None if effort is None and is_shown is None else Thinking(effort=effort, is_shown=is_shown)
