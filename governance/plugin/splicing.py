"""Replaces top-level values of a JSON object by splicing bytes: everything else stays as the client wrote it.

Vendors' prompt caches are byte-sensitive and clients' unknown fields must survive, so a body is never re-serialised.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping

import msgspec

from governance.plugin.errors import RequestInvalid

MAX_MEMBERS = 1_000
"""A request with more top-level fields than this is refused: no API has them, and every one costs time."""

_encode = msgspec.json.Encoder().encode
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KEY = re.compile(rb'[ \t\n\r]*[{,][ \t\n\r]*"(?:[^"\\]++|\\.)*+"[ \t\n\r]*:[ \t\n\r]*')
_END = re.compile(rb"[ \t\n\r]*\}[ \t\n\r]*\Z")
_EMPTY = re.compile(rb"[ \t\n\r]*\{")


class Members:
    """The top-level members of one JSON object: raw values by name, in order, and where they stand in the body."""

    __slots__ = ("_spans", "body", "body_bytes", "values")

    def __init__(self, body: bytes) -> None:
        """Raise RequestInvalid unless the body is one JSON object in UTF-8 with each field once."""
        self.body = body
        self.body_bytes = len(body)
        self.values = _decode(body)
        self._spans = _locate(body, self.values)

    def span(self, name: str) -> tuple[int, int] | None:
        """Return where this field's value stands in the body; None where there is no such field."""
        return self._spans.get(name)

    def splice(self, edits: Mapping[str, object]) -> bytes:
        """Return the body with these fields set: in place where they stand, else after the last one. A field that is to
        be `msgspec.UNSET` is taken out.
        """
        spans = self._spans
        changes: list[tuple[int, int, bytes]] = []
        added: list[bytes] = []
        gone: list[str] = []
        for name, value in edits.items():
            if value is msgspec.UNSET:
                gone.append(name)
            elif name in spans:
                changes.append((*spans[name], _encode(value)))
            else:
                added.append(_encode(name) + b":" + _encode(value))
        is_any_left = bool(spans)
        if gone:
            changes += self._cuts(gone)
            is_any_left = not spans.keys() <= set(gone)
        if len(changes) > 1:
            changes.sort(key=_start)
        pieces: list[bytes] = []
        position = 0
        for start, end, written in changes:
            pieces += (self.body[position:start], written)
            position = end
        if added:
            end = self._end_of_last()
            pieces += (self.body[position:end], b"," if is_any_left else b"", b",".join(added))
            position = end
        pieces.append(self.body[position:])
        return b"".join(pieces)

    def _cuts(self, gone: Collection[str]) -> list[tuple[int, int, bytes]]:
        """Return where to cut so that these members are gone, each with one of the commas beside it."""
        cuts = []
        before = self.body.find(b"{") + 1
        is_first = True
        for name, (_, end) in self._spans.items():
            if name in gone:
                comma = self.body.find(b",", end) + 1 if is_first else 0
                is_last = end == self._end_of_last()
                cuts.append((before, comma if comma and not is_last else end, b""))
                before = cuts[-1][1]
            else:
                is_first = False
                before = end
        return cuts

    def _end_of_last(self) -> int:
        if self._spans:
            # They are in the order in which they stand.
            return next(reversed(self._spans.values()))[1]
        match = _EMPTY.match(self.body)
        return match.end() if match else 0


def splice(body: bytes, edits: Mapping[str, object]) -> bytes:
    """Return the JSON object `body` with the top-level fields of `edits` set, every other byte as it was.

    A value is anything msgspec can encode, `msgspec.Raw` for JSON that is already encoded, or `msgspec.UNSET` to take
    the field out. Raises RequestInvalid when the body is not one JSON object in which every field stands once.
    """
    return Members(body).splice(edits) if edits else body


def refuse_repeated(raw: bytes, *, field: str) -> None:
    """Raise RequestInvalid when a name stands twice in an object anywhere in this JSON, which is known to be valid."""

    def refuse(pairs: list[tuple[str, object]]) -> None:
        if (repeated := _repeated(pairs)) is not None:
            raise RequestInvalid(
                f"The field {repeated[:64]!r} stands twice in an object of {field!r}: send it once.", field=field
            )

    _look_again(raw, refuse)


def _start(change: tuple[int, int, bytes]) -> int:
    return change[0]


def _decode(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        if not body.isascii():
            body.decode()
        return _MEMBERS.decode(body)
    except UnicodeDecodeError as error:
        raise RequestInvalid(f"The request body is not UTF-8 at byte {error.start}: send JSON in UTF-8.") from error
    except RecursionError as error:
        raise RequestInvalid("The request body is nested too deeply: send flatter JSON.") from error
    except msgspec.ValidationError as error:
        raise RequestInvalid("The request body must be a JSON object, such as {...}.") from error
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"The request body is not JSON: {error}.") from error


def _locate(body: bytes, values: dict[str, msgspec.Raw]) -> dict[str, tuple[int, int]]:
    """Return where each value stands. A field that stands twice makes the body and the decoded values disagree."""
    if len(values) > MAX_MEMBERS:
        raise RequestInvalid(f"The request has more than {MAX_MEMBERS} fields: send only those the API knows.")
    spans: dict[str, tuple[int, int]] = {}
    end = 0
    for name, value in values.items():
        # In a compact body: a brace or a comma, the name in quotes, a colon.
        start = end + len(name) + 4
        end = start + memoryview(value).nbytes
        spans[name] = (start, end)
    # A second field of a name, an escape or a space would make the body longer than its decoded members are.
    return spans if spans and end + 1 == len(body) and body.isascii() else _walk_members(body, values)


def _walk_members(body: bytes, values: dict[str, msgspec.Raw]) -> dict[str, tuple[int, int]]:
    """Walk the members in their order, whatever stands between them."""
    spans: dict[str, tuple[int, int]] = {}
    position = 0
    for name, value in values.items():
        match = _KEY.match(body, position)
        start = match.end() if match else len(body)
        raw = bytes(value)
        if not body.startswith(raw, start):
            raise _twice(body)
        position = start + len(raw)
        spans[name] = (start, position)
    if values and not _END.match(body, position):
        raise _twice(body)
    return spans


def _twice(body: bytes) -> RequestInvalid:
    """Name the field that stands twice. Parsers disagree about which one counts, so neither is believed."""
    repeated = ""

    def note(pairs: list[tuple[str, object]]) -> None:
        # The whole body is the object that is complete last.
        nonlocal repeated
        repeated = _repeated(pairs) or ""

    _look_again(body, note)
    return RequestInvalid(f"The field {repeated[:64]!r} stands twice in the request: send it once.", field=repeated)


def _repeated(pairs: list[tuple[str, object]]) -> str | None:
    """Return the first name that stands twice. An object may have millions of names: each is looked at once."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    return None


def _look_again(raw: bytes, look: Callable[[list[tuple[str, object]]], None]) -> None:
    """Look at every object of this JSON. Numbers stay text: Python refuses to read very long ones."""
    try:
        json.loads(raw, object_pairs_hook=look, parse_int=str)
    except RecursionError as error:
        raise RequestInvalid("The request body is nested too deeply: send flatter JSON.") from error
