"""Brings messages and parts into the normal form that `canonical` describes."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from governance.gateway.translation.canonical import Message, Part, Role, Text, ToolResult

_P = TypeVar("_P", bound=Part)
_EMPTY = Text("")


def messages(given: Iterable[Message]) -> tuple[Message, ...]:
    """Join messages of one role that follow each other, results of tools first, and leave out what says nothing."""
    joined: list[Message] = []
    for message in given:
        parts = tuple(part for part in message.parts if part != _EMPTY)
        if not parts:
            continue
        if joined and joined[-1].role == message.role:
            parts = joined.pop().parts + parts
        joined.append(Message(message.role, _ordered(message.role, parts)))
    return tuple(joined)


def answer_parts(parts: Iterable[_P]) -> tuple[_P, ...]:
    """Join texts that follow each other, and leave out empty ones."""
    joined: list[_P] = []
    for part in parts:
        before = joined[-1] if joined else None
        if isinstance(part, Text) and isinstance(before, Text):
            joined[-1] = type(part)(before.text + part.text)
        elif part != _EMPTY:
            joined.append(part)
    return tuple(joined)


def _ordered(role: Role, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    if role == Role.ASSISTANT:
        return answer_parts(parts)
    return (*_results(parts), *[part for part in parts if not isinstance(part, ToolResult)])


def _results(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if isinstance(part, ToolResult)]
