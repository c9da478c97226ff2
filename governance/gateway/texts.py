"""The texts in a JSON document: every string that is a value, and where it stands among the document's bytes. Pure.

Pieces of such a text can be replaced in the document with every other byte left as it was. Names of members are no
texts. The document must be valid JSON in UTF-8: then a quotation mark stands nowhere but around strings.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

_STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"([ \t\n\r]*+:)?')
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(_PAIR + rb"|\\u[0-9a-fA-F]{4}|\\.")
_DOCUMENTS = msgspec.json.Decoder(msgspec.Raw)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class Text(NamedTuple):
    """One string: what stands between its quotation marks, from the byte `start` on."""

    start: int
    raw: bytes


class Piece(NamedTuple):
    """Bytes from `start` up to `end`, and the word that takes their place."""

    start: int
    end: int
    word: str


def is_json(body: bytes) -> bool:
    """Return whether this is a JSON document in UTF-8.

    Its numbers may have any size, and it may escape half a character, as an answer does that ends within one.
    """
    try:
        text = body.decode()
        try:
            _DOCUMENTS.decode(body)
        except msgspec.DecodeError:
            json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def texts_of(body: bytes, *, outside: Sequence[tuple[int, int]] = ()) -> Iterator[Text]:
    """Return the texts of a JSON document, but for those within these spans of bytes."""
    for match in _STRING.finditer(body):
        start = match.start(1)
        if match[2] is None and not any(begin <= start < end for begin, end in outside):
            yield Text(start, match[1])


def decoded(raw: bytes) -> str:
    """Return what a string says. Half a character, which JSON can escape and no text can hold, becomes U+FFFD."""
    if b"\\" not in raw:
        return raw.decode()
    return _HALF_CHARACTER.sub("\ufffd", json.loads(b'"%s"' % raw, strict=False))


def byte_offsets(raw: bytes, characters: Sequence[int]) -> list[int]:
    """Return where these characters (their numbers ascending) of a string begin among its bytes."""
    wanted = list(characters)
    found: list[int] = []
    byte = character = 0
    for match in (*_ESCAPE.finditer(raw), None):
        end = len(raw) if match is None else match.start()
        plain = raw[byte:end].decode()
        while len(found) < len(wanted) and wanted[len(found)] <= character + len(plain):
            found.append(byte + len(plain[: wanted[len(found)] - character].encode()))
        byte, character = end if match is None else match.end(), character + len(plain) + 1
    return found


def replaced(body: bytes, pieces: Sequence[Piece], *, is_json: bool) -> bytes:
    """Return the document with each piece replaced by its word in brackets. Of overlapping ones the first names all."""
    parts: list[bytes] = []
    position = 0
    for piece in apart(pieces):
        word = f"[{piece.word}]"
        parts += (body[position : piece.start], msgspec.json.encode(word)[1:-1] if is_json else word.encode())
        position = piece.end
    parts.append(body[position:])
    return b"".join(parts)


def apart(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces in their order, of which none overlaps another: the first of overlapping ones names all."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda each: (each.start, -each.end)):
        if joined and piece.start < joined[-1].end:
            joined[-1] = joined[-1]._replace(end=max(joined[-1].end, piece.end))
        else:
            joined.append(piece)
    return joined
