"""Tools of the Responses wire that other wires do not have: those that take a text, and those in a namespace.

The vendor is offered a function instead: of a text as its only argument, and with the namespace before its name. What
it calls is told to the client as a call of the client's own tool.
"""

from collections.abc import Iterable, Iterator

import msgspec

from governance.gateway.translation.canonical import ClientTool, Tool
from governance.gateway.translation.reading import answered, given, unsayable
from governance.gateway.translation.responses import request as wire

_TEXT = "input"
_TEXT_SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)
_BETWEEN = "__"
_LONGEST_NAME = 64
"""What OpenAI, Anthropic and Google take as the name of a function."""


class _TextArguments(msgspec.Struct):
    input: str


_text_arguments = msgspec.json.Decoder(_TextArguments)


def read_tools(offered: Iterable[wire.AnyTool]) -> tuple[tuple[Tool, ...], dict[str, ClientTool]]:
    """Return the functions to offer, and those of them that the client knows otherwise. Raises RequestInvalid."""
    tools: dict[str, Tool] = {}
    known: dict[str, ClientTool] = {}
    for tool, namespace in _spread(offered):
        name = flat_name(tool.name, namespace)
        if name in tools:
            raise unsayable(tool.name, "two tools would have its name; name each differently", within="tools")
        is_text = isinstance(tool, wire.CustomTool)
        if is_text or namespace:
            known[name] = ClientTool(name=tool.name, namespace=namespace, is_text=is_text)
        tools[name] = _text_tool(tool, name) if isinstance(tool, wire.CustomTool) else _function(tool, name)
    return tuple(tools.values()), known


def flat_name(name: str, namespace: str | None) -> str:
    """Return the name of the function that stands for this tool. Raises RequestInvalid when it is too long."""
    if not namespace:
        return name
    flat = f"{namespace}{_BETWEEN}{name}"
    if len(flat) > _LONGEST_NAME:
        raise unsayable(
            flat[:_LONGEST_NAME], f"with its namespace a name has at most {_LONGEST_NAME} letters", within="tools"
        )
    return flat


def text_as_arguments(text: str) -> str:
    """Return the arguments of the function that stands for a tool of this text."""
    return msgspec.json.encode({_TEXT: text}).decode()


def arguments_as_text(arguments: str) -> str:
    """Return the text again. Raises AnswerUntranslatable when the model did not keep to the function's schema."""
    return answered(arguments.encode(), _text_arguments).input


def _spread(offered: Iterable[wire.AnyTool]) -> Iterator[tuple[wire.FunctionTool | wire.CustomTool, str | None]]:
    for tool in offered:
        if isinstance(tool, wire.Namespace):
            yield from ((inner, tool.name) for inner in tool.tools)
        else:
            yield tool, None


def _function(tool: wire.FunctionTool, name: str) -> Tool:
    return Tool(name=name, description=tool.description, schema=given(tool.parameters), is_strict=bool(tool.strict))


def _text_tool(tool: wire.CustomTool, name: str) -> Tool:
    """No other wire holds a model to a grammar: it is told of it."""
    described = tool.description or ""
    if isinstance(tool.format, wire.Grammar):
        described += f"\n\nThe input must be of this {tool.format.syntax} grammar:\n{tool.format.definition}"
    return Tool(name=name, description=described or None, schema=_TEXT_SCHEMA)
