"""Forms of `multipart/form-data` (RFC 7578): read strictly from a body that is here as a whole, and written anew.

Nothing of what a client sent as framing goes on to a vendor: names and values are read, and framed again.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from governance.core.errors import BadRequest

MOST_PARTS: Final = 8
_BOUNDARY: Final = re.compile(
    rb"^multipart/form-data\s*;.*?\bboundary=(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE
)
_NAME: Final = re.compile(rb'^form-data\b.*?;\s*name="([^"\r\n]{1,64})"', re.IGNORECASE)
_FILE_NAME: Final = re.compile(rb';\s*filename="((?:[^"\\\r\n]|\\.){0,255})"', re.IGNORECASE)
_LONGEST_HEAD: Final = 2048


class Part(NamedTuple):
    """One field of a form; `file_name` is None where it is no file."""

    name: str
    value: bytes
    file_name: str | None = None


def read_form(content_type: bytes, body: bytes) -> dict[str, Part]:
    """Return the fields of a form by name. Raises BadRequest where it is none, or a field stands twice."""
    match = _BOUNDARY.match(content_type)
    if match is None:
        raise BadRequest("Send the file as a form: with the content type multipart/form-data, as the SDKs do.")
    delimiter = b"\r\n--" + (match.group(1) or match.group(2))
    first, *pieces = (b"\r\n" + body).split(delimiter, MOST_PARTS + 2)
    if first or not pieces or not pieces[-1].startswith(b"--"):
        raise BadRequest(
            f"The form is not closed as it was opened, or has more than {MOST_PARTS} fields: send it anew."
        )
    parts = [_read_part(piece) for piece in pieces[:-1]]
    if len({part.name for part in parts}) != len(parts):
        raise BadRequest("A field of the form stands twice: send it once.")
    return {part.name: part for part in parts}


def write_form(parts: Iterable[Part], *, boundary: str) -> bytes:
    """Return the body of a form. The boundary must stand in none of its values, as a random one does not."""
    pieces = []
    for part in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"'
        if part.file_name is not None:
            head += f'; filename="{_plain(part.file_name)}"\r\nContent-Type: application/jsonl'
        pieces.append(head.encode() + b"\r\n\r\n" + part.value + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


def _read_part(piece: bytes) -> Part:
    head, gap, value = piece.partition(b"\r\n\r\n")
    if not gap or not head.startswith(b"\r\n") or len(head) > _LONGEST_HEAD:
        raise BadRequest("A field of the form has no head that can be read: send the form as the SDKs do.")
    for line in head[2:].split(b"\r\n"):
        name, _, text = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            named, filed = _NAME.match(text.strip()), _FILE_NAME.search(text)
            if named is not None:
                file_name = filed.group(1).decode("utf-8", "replace") if filed else None
                return Part(named.group(1).decode("utf-8", "replace"), value, file_name)
    raise BadRequest("A field of the form has no name: send the form as the SDKs do.")


def _plain(name: str) -> str:
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._- ") else "_" for letter in name)
