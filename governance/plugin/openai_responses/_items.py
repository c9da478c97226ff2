"""Reads the input of a Responses request: items of a conversation, or a text.

Default deny: an item of a kind that is not known here may bring in what is not in the request.
"""

from typing import Final

import msgspec

from governance.plugin import reading
from governance.plugin.errors import RequestInvalid
from governance.plugin.openai_chat import ShownMedia
from governance.plugin.openai_responses._tools import paid_tools
from governance.plugin.splicing import refuse_repeated

_FIELD: Final = "input"
_TEXT_PARTS: Final = frozenset({"input_text", "output_text", "text", "refusal", "reasoning_text", "summary_text"})
_CALLS: Final = frozenset({"function_call", "custom_tool_call", "tool_search_call"})
_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_WITH_TOOLS: Final = frozenset({"tool_search_output", "additional_tools"})
_LONGEST_NAME: Final = 64
_ABSENT: Final = msgspec.Raw(b"")
_NAMES_THAT_DECIDE: Final = ("type", "content", "output", "encrypted_content", "tools")


class _Part(msgspec.Struct):
    type: str = ""


class _Item(msgspec.Struct):
    type: str | msgspec.UnsetType | None = msgspec.UNSET
    id: str | None = None
    content: msgspec.Raw = _ABSENT
    output: msgspec.Raw = _ABSENT
    encrypted_content: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT


class InputReading(msgspec.Struct):
    """What the input holds: items, what is shown beside text, the JSON of tools, and what costs extra."""

    items: int = 0
    shown: ShownMedia = msgspec.field(default_factory=ShownMedia)
    tools: list[bytes] = []
    paid: set[str] = set()


_items = msgspec.json.Decoder(list[_Item])
_parts = msgspec.json.Decoder(list[_Part])
_raw_parts = msgspec.json.Decoder(list[msgspec.Raw])


def read_input(raw: msgspec.Raw) -> InputReading:
    """Read the field `input`, in which every name is spelt plainly. Raises RequestInvalid."""
    text = bytes(raw)
    if text.startswith(b'"'):
        return InputReading(items=1)
    if text in reading.OFF:
        return InputReading()
    items = reading.typed(raw, _FIELD, _items, "a text or an array of items")
    found = InputReading(items=len(items))
    parts = sum([_read_item(item, found) for item in items])
    _refuse_repeated_names(text, items, typed_parts=parts, tools=found.tools)
    return found


def _read_item(item: _Item, found: InputReading) -> int:
    """Add what this item holds; return how many of its parts name a type."""
    kind = item.type or ("message" if _is_there(item.content) else "item_reference")
    if kind == "item_reference" or (kind == "message" and item.id and not _is_there(item.content)):
        raise RequestInvalid(
            f"The input refers to the stored item {(item.id or '')[:_LONGEST_NAME]!r}, which is not in the request, so "
            "that nothing bounds its cost: send the item itself.",
            field=_FIELD,
        )
    if kind == "message":
        return _read_content(item.content, found)
    if kind in _OUTPUTS:
        return _read_content(item.output, found)
    if kind == "reasoning":
        _refuse_stored_reasoning(item)
        return _read_content(item.content, found)
    if kind in _WITH_TOOLS:
        found.tools.append(bytes(item.tools))
        if reading.is_set(item.tools):
            found.paid.update(paid_tools(item.tools, field=_FIELD))
    elif kind not in _CALLS:
        found.paid.add(kind[:_LONGEST_NAME])
    return 0


def _refuse_stored_reasoning(item: _Item) -> None:
    """The vendor looks up reasoning by its id. Encrypted, it is there: about nine bytes for a token in the recordings,
    so that its bytes bound it.
    """
    if item.id and not _is_there(item.encrypted_content):
        raise RequestInvalid(
            f"The reasoning item {item.id[:_LONGEST_NAME]!r} holds no encrypted content, so that the vendor would add "
            "what it stored under that id and nothing bounds its cost: ask for "
            "`include: ['reasoning.encrypted_content']` and send that back, or leave the item or its id out.",
            field=_FIELD,
        )


def _is_there(raw: msgspec.Raw) -> bool:
    return reading.is_set(raw) and bytes(raw) != b'""'


def _read_content(content: msgspec.Raw, found: InputReading) -> int:
    text = bytes(content)
    if text.startswith(b'"') or text in reading.OFF:
        return 0
    parts = reading.typed(content, _FIELD, _parts, "an array of items whose parts name their type")
    if not all(part.type in _TEXT_PARTS for part in parts):
        for part, raw in zip(parts, _raw_parts.decode(content), strict=True):
            if part.type == "input_image":
                found.shown.add_image(raw, holder="", url="image_url", field=_FIELD)
            elif part.type not in _TEXT_PARTS:
                found.shown.add_other(bytes(raw))
    return sum(part.type != "" for part in parts)


def _refuse_repeated_names(text: bytes, items: list[_Item], *, typed_parts: int, tools: list[bytes]) -> None:
    """Refuse an object in which a name that decides stands twice: vendors' parsers disagree about which one counts.

    Where each stands no more often than it was read (or stands in tools, which were looked at by themselves), none can;
    only where one might is the JSON read again, strictly.
    """
    read = {
        "type": sum(item.type is not msgspec.UNSET for item in items) + typed_parts,
        **{name: sum(getattr(item, name) is not _ABSENT for item in items) for name in _NAMES_THAT_DECIDE[1:]},
    }
    for name, times in read.items():
        quoted = b'"%s"' % name.encode()
        if text.count(quoted) > times + sum([tool.count(quoted) for tool in tools]):
            refuse_repeated(text, field=_FIELD)
            return
