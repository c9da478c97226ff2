"""What an event of a client's stream says: pieces of texts that grow from event to event, and texts by themselves.

Pure. The four wires each have their own places for pieces; every other JSON string is a text by itself. A text that
grows is known by its group (a choice, a block, an item) and its place in that.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from governance.gateway.texts import Text, decoded
from governance.plugin.provider import Wire

Path: TypeAlias = tuple[str | int, ...]
Channel: TypeAlias = tuple[Hashable, Hashable]
"""A text that grows: its group, and its place within the group."""

_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)"([ \t\n\r]*+:)?|[\[\]{},]')
_OPENING: Final = b"{["
_CLOSING: Final = b"}]"
_CHAT_TEXTS: Final = frozenset({"content", "reasoning_content", "reasoning", "refusal"})
_MESSAGE_TEXTS: Final = frozenset({"text", "thinking", "partial_json"})
_DETAIL_TEXTS: Final = frozenset({"text", "summary"})
_DONE: Final = ".done"
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})


class Delta(NamedTuple):
    """A piece of a growing text, and where it stands among the event's data."""

    channel: Channel
    text: Text


class Said(NamedTuple):
    """What one event says.

    `ended`: the groups whose texts end with it. `ends_all`: all texts do. `repeats`: it says again what pieces said.
    """

    deltas: list[Delta]
    others: list[Text]
    ended: frozenset[Hashable] = frozenset()
    ends_all: bool = False
    repeats: bool = False


class _Ends(NamedTuple):
    groups: frozenset[Hashable] = frozenset()
    all: bool = False
    repeats: bool = False


class _Places(NamedTuple):
    """How a wire is read: the channel of a string by its path, and what an event ends."""

    channel: Callable[[Any, Path], Channel | None]
    ends: Callable[[Any], _Ends]


def said_in(data: bytes, wire: Wire) -> Said:
    """Read the data of one event, which must be valid JSON."""
    event = json.loads(data, parse_int=str, parse_float=str, strict=False)
    places = _PLACES[wire]
    deltas: list[Delta] = []
    others: list[Text] = []
    for path, text in strings_of(data):
        channel = places.channel(event, path) if text.raw else None
        if channel is not None:
            deltas.append(Delta(channel, text))
        elif text.raw:
            others.append(text)
    ends = places.ends(event) if isinstance(event, dict) else _Ends()
    return Said(deltas, others, ends.groups, ends.all, ends.repeats)


def strings_of(data: bytes) -> Iterator[tuple[Path, Text]]:
    """Yield every string that is a value, with the way to it."""
    path: list[str | int] = []
    for match in _TOKEN.finditer(data):
        sign = match[0][:1]
        if sign == b'"':
            if match[2] is None:
                yield tuple(path), Text(match.start(1), match[1])
            else:
                path[-1] = decoded(match[1])
        elif sign in _OPENING:
            path.append("" if sign == b"{" else 0)
        elif sign in _CLOSING:
            path.pop()
        elif isinstance(path[-1], int):
            path[-1] += 1


def _field(holder: Any, *path: str | int) -> Any:
    """Return what stands there, or None where there is no such place."""
    for step in path:
        if isinstance(step, int):
            holder = holder[step] if isinstance(holder, list) and step < len(holder) else None
        else:
            holder = holder.get(step) if isinstance(holder, dict) else None
    return holder if not isinstance(holder, dict | list) else None


def _chat(event: Any, path: Path) -> Channel | None:
    match path:
        case ("choices", int() as at, "delta", str() as name, *rest):
            group = str(_field(event, "choices", at, "index") or 0)
        case _:
            return None
    match name, rest:
        case _, [] | [int(), "text"] if name in _CHAT_TEXTS:
            return group, name
        case "tool_calls", [int() as number, "function", "arguments"]:
            index = _field(event, "choices", at, "delta", name, number, "index")
            return group, (name, str(number) if index is None else index)
        case "function_call", ["arguments"]:
            return group, name
        case "reasoning_details", [int() as number, str() as place] if place in _DETAIL_TEXTS:
            return group, (name, _field(event, "choices", at, "delta", name, number, "index"), place)
    return None


def _chat_ends(event: Any) -> _Ends:
    choices = event.get("choices")
    ended = [
        str(choice.get("index") or 0)
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, dict) and choice.get("finish_reason") is not None
    ]
    return _Ends(frozenset(ended), all="error" in event)


def _messages(event: Any, path: Path) -> Channel | None:
    match path:
        case ("delta" | "content_block", str() as name) if name in _MESSAGE_TEXTS:
            return _field(event, "index"), name
    return None


def _messages_ends(event: Any) -> _Ends:
    return _Ends(all=_field(event, "type") not in ("content_block_delta", "ping"))


def _responses(event: Any, path: Path) -> Channel | None:
    if path != ("delta",):
        return None
    group = _field(event, "output_index")
    return group, (_field(event, "type"), _field(event, "content_index"), _field(event, "summary_index"))


def _responses_ends(event: Any) -> _Ends:
    kind = str(_field(event, "type"))
    is_end = kind.endswith(_DONE) or kind in _ENDS
    return _Ends(all=is_end or kind == "response.output_item.added", repeats=is_end)


def _gemini(event: Any, path: Path) -> Channel | None:
    match path:
        case ("candidates", int() as at, "content", "parts", int() as number, "text"):
            group = str(_field(event, "candidates", at, "index") or 0)
            return group, bool(_field(event, "candidates", at, "content", "parts", number, "thought"))
    return None


def _gemini_ends(event: Any) -> _Ends:
    candidates = event.get("candidates")
    ended = [
        str(candidate.get("index") or 0)
        for candidate in (candidates if isinstance(candidates, list) else ())
        if isinstance(candidate, dict) and candidate.get("finishReason") is not None
    ]
    return _Ends(frozenset(ended), all="error" in event)


_PLACES: Final[Mapping[Wire, _Places]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: _Places(_chat, _chat_ends),
        Wire.ANTHROPIC_MESSAGES: _Places(_messages, _messages_ends),
        Wire.OPENAI_RESPONSES: _Places(_responses, _responses_ends),
        Wire.GEMINI_GENERATE: _Places(_gemini, _gemini_ends),
    }
)
GUARDED_STREAMS: Final = frozenset(_PLACES)
"""The wires whose streams guards can look at."""
