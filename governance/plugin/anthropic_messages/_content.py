"""What a conversation holds beside text: images, documents and references, found in every content block.

Each object is located member by member, so that a name that stands twice is found at every level: parsers disagree
about which of the two counts.
"""

import msgspec

from governance.plugin.errors import RequestInvalid
from governance.plugin.splicing import Members

IMAGE = "image"
DOCUMENT = "document"
MESSAGE_MEMBERS = frozenset({"role", "content"})

MAX_ITEMS = 20_000
"""Messages and blocks of one request, or its tools: each costs time to look at, and no conversation has so many."""

_TEXT_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_NESTING_BLOCKS = frozenset({"tool_result", "search_result"})
_STORED = frozenset({"file", "container_upload"})
_DEEPEST = 8
"""Results hold documents, and documents hold images; nothing that the API knows is nested deeper than this."""

_string = msgspec.json.Decoder(str)
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Contents:
    """Counts what a request's content blocks hold, and names what nothing bounds.

    `remote` and `inline` count media by reference and by value, `images` those of both that are images, `bytes` the
    characters of media by value, `items` messages and content blocks, `references` mentions of tools that the vendor
    writes out again. `unbounded` names blocks whose cost has no known bound.
    """

    __slots__ = ("bytes", "images", "inline", "items", "references", "remote", "unbounded")

    def __init__(self) -> None:
        self.remote = self.inline = self.images = self.bytes = self.items = self.references = 0
        self.unbounded: set[str] = set()

    def read_messages(self, raw: msgspec.Raw) -> None:
        """Read all messages. Raises RequestInvalid."""
        for message in items(raw, field="messages"):
            self._count(field="messages")
            values = members(message, field="messages")
            unknown = next((name for name in values if name not in MESSAGE_MEMBERS), None)
            if unknown is not None:
                raise RequestInvalid(
                    f"A message has the field {unknown[:64]!r}, which is not known to Bursar: remove it.",
                    field="messages",
                )
            if "content" not in values:
                raise RequestInvalid("A message has no content: set its field 'content'.", field="messages")
            self.read(values["content"], field="messages")

    def read(self, raw: msgspec.Raw, *, field: str, depth: int = 0) -> None:
        """Read one content: a text, or a list of blocks. Raises RequestInvalid."""
        first = bytes(memoryview(raw)[:1])
        if first == b'"':
            return
        if first != b"[":
            raise RequestInvalid(f"The field {field!r} holds content that is neither text nor blocks.", field=field)
        if depth > _DEEPEST:
            raise RequestInvalid(f"The field {field!r} is nested too deeply: send flatter content.", field=field)
        for block in items(raw, field=field):
            self._read_block(members(block, field=field), field=field, depth=depth)

    def _read_block(self, values: dict[str, msgspec.Raw], *, field: str, depth: int) -> None:
        kind = text_of(values.get("type"), field=field, what="A content block's type")
        self._count(field=field)
        if kind in _TEXT_BLOCKS:
            return
        if _asks_for_citations(values, field=field):
            # The vendor cuts the text up and numbers every piece, with words that nobody counts beforehand.
            self.unbounded.add("citations")
        if kind in _NESTING_BLOCKS:
            if "content" in values:
                self.read(values["content"], field=field, depth=depth + 1)
        elif kind in (IMAGE, DOCUMENT):
            self._read_source(kind, values, field=field, depth=depth)
        elif kind == "tool_reference":
            self.references += 1
        elif kind in _STORED:
            raise stored(kind, field=field)
        else:
            self.unbounded.add(kind[:64])

    def _count(self, *, field: str) -> None:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise too_many(field)

    def _read_source(self, kind: str, values: dict[str, msgspec.Raw], *, field: str, depth: int) -> None:
        if "source" not in values:
            raise RequestInvalid(
                f"A content block of type {kind!r} has no source: set its field 'source'.", field=field
            )
        source = members(values["source"], field=field)
        form = text_of(source.get("type"), field=field, what="A source's type")
        if form == "base64":
            data = bytes(source.get("data", b""))
            if not data.startswith(b'"'):
                raise RequestInvalid(f"A source in the field {field!r} has no data: send it in base64.", field=field)
            self.inline += 1
            self.bytes += len(data) - 2
        elif form == "url":
            self.remote += 1
        elif kind == DOCUMENT and form == "text":
            return
        elif kind == DOCUMENT and form == "content":
            self.read(source.get("content", msgspec.Raw(b"[]")), field=field, depth=depth + 1)
            return
        elif form in _STORED:
            raise stored("file_id", field=field)
        else:
            self.unbounded.add(f"{kind} {form}"[:64])
            return
        self.images += kind == IMAGE


def _asks_for_citations(values: dict[str, msgspec.Raw], *, field: str) -> bool:
    asked = values.get("citations")
    if asked is None or bytes(asked) == b"null":
        return False
    return bytes(members(asked, field=field).get("enabled", b"false")) != b"false"


def items(raw: msgspec.Raw, *, field: str) -> list[msgspec.Raw]:
    """Return the items of a JSON array. Raises RequestInvalid."""
    try:
        found = _list.decode(raw)
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"The field {field!r} must be an array of objects ({error}).", field=field) from error
    if len(found) > MAX_ITEMS:
        raise too_many(field)
    return found


def members(raw: msgspec.Raw, *, field: str) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object in which every name stands once. Raises RequestInvalid."""
    text = bytes(raw)
    if not text.startswith(b"{"):
        raise RequestInvalid(
            f"The field {field!r} holds something that is not an object where one belongs.", field=field
        )
    try:
        return Members(text).values
    except RequestInvalid as error:
        raise RequestInvalid(f"In the field {field!r}: {error}", field=field) from error


def text_of(raw: msgspec.Raw | None, *, field: str, what: str) -> str:
    """Return a string member that must be there. Raises RequestInvalid."""
    try:
        return _string.decode(raw if raw is not None else b"null")
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"{what} in the field {field!r} must be a string ({error}).", field=field) from error


def too_many(field: str) -> RequestInvalid:
    """Return the refusal of a request that has more parts than anybody reads."""
    return RequestInvalid(f"The field {field!r} has more than {MAX_ITEMS} parts: send fewer, larger ones.", field=field)


def stored(name: str, *, field: str) -> RequestInvalid:
    """Return the refusal of what is kept at the vendor, in an account that all teams share."""
    return RequestInvalid(
        f"{name!r} names what is stored at the vendor, in an account that other teams use too, and nothing bounds its "
        "cost: send the content itself.",
        field=field,
    )
