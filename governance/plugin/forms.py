"""Bodies of the type multipart/form-data (RFC 7578): where each part stands, without copying the files in them.

Read strictly: servers disagree about what is doubtful in such a form, so what is doubtful is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from governance.plugin.errors import RequestInvalid

MAX_PARTS: Final = 256
"""No API takes more parts; every one costs time."""
MAX_TEXT_BYTES: Final = 1024 * 1024
"""Of a part that is no file: texts are read, and looked at by guards; files are not."""

_CONTENT_TYPE: Final = re.compile(
    rb'multipart/form-data *; *boundary=(?:"([0-9A-Za-z\'()+_,./:=? -]{1,70})"|([0-9A-Za-z\'()+_,./:=?-]{1,70}))', re.I
)
_HEAD: Final = re.compile(rb"((?:[A-Za-z0-9-]{1,64}:[^\r\n]{0,1024}\r\n){1,8})\r\n")
_DISPOSITION: Final = re.compile(
    rb'form-data; name="([A-Za-z0-9_]{1,64}(?:\[[A-Za-z0-9_]{0,64}\])?)"(; filename=.*)?', re.I
)
_PLAIN_ENCODINGS: Final = frozenset({b"7bit", b"8bit", b"binary"})
_PASSIVE: Final = frozenset({b"content-type", b"content-length"})


class Part(NamedTuple):
    """One part: its content stands in the body from `start` up to `end`."""

    name: str
    start: int
    end: int
    is_file: bool


class Form:
    """The parts of one form in their order. Stands where `Members` does for JSON: it can be spliced."""

    __slots__ = ("_parts", "body", "body_bytes")

    def __init__(self, body: bytes, *, content_type: bytes) -> None:
        """Raise RequestInvalid unless the body is one whole form."""
        self.body = body
        self.body_bytes = len(body)
        self._parts = _located(body, _boundary(content_type))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parts as they are spelt, with the brackets of a list."""
        return tuple(part.name for part in self._parts)

    @property
    def fields(self) -> Sequence[Part]:
        """Return the parts that are no files."""
        return [part for part in self._parts if not part.is_file]

    def files(self, name: str) -> list[Part]:
        """Return the files of this name, or of a list of it. Raises RequestInvalid where something else has it."""
        found = [part for part in self._parts if part.name in (name, f"{name}[]")]
        if any(not part.is_file for part in found):
            raise RequestInvalid(f"The field {name!r} must be a file: send it with a file name.", field=name)
        return found

    def text(self, name: str) -> str | None:
        """Return the text of a field, None where it is missing. Raises RequestInvalid where it is none, or twice."""
        found = [part for part in self._parts if part.name == name]
        if not found:
            return None
        if len(found) > 1:
            raise RequestInvalid(f"The field {name!r} stands twice in the form: send it once.", field=name)
        if found[0].is_file:
            raise RequestInvalid(f"The field {name!r} must be a text: send it without a file name.", field=name)
        try:
            return self.body[found[0].start : found[0].end].decode()
        except UnicodeDecodeError as error:
            raise RequestInvalid(f"The field {name!r} is not UTF-8: send it in UTF-8.", field=name) from error

    def span(self, name: str) -> tuple[int, int] | None:
        """Return where the first part of this name stands in the body; None where there is none."""
        return next(((part.start, part.end) for part in self._parts if part.name == name), None)

    def splice(self, edits: Mapping[str, object]) -> bytes:
        """Return the body with these fields, which must be there, set to other texts: the same bytes where none is."""
        changes = sorted((*self._span_of(name), _text(value)) for name, value in edits.items())
        pieces: list[bytes | memoryview] = []
        position = 0
        whole = memoryview(self.body)
        for start, end, text in changes:
            pieces += (whole[position:start], text)
            position = end
        return b"".join((*pieces, whole[position:])) if changes else self.body

    def _span_of(self, name: str) -> tuple[int, int]:
        span = self.span(name)
        if span is None:
            raise TypeError(f"A form cannot be given the new field {name!r}.")
        return span


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"A field of a form is a text, not {type(value).__name__}.")
    return value.encode()


def _boundary(content_type: bytes) -> bytes:
    match = _CONTENT_TYPE.fullmatch(content_type.strip())
    if match is None:
        raise RequestInvalid(
            "The request must be a form: send it as multipart/form-data with a boundary, as the SDKs do."
        )
    return bytes(match[1] or match[2])


def _located(body: bytes, boundary: bytes) -> tuple[Part, ...]:
    line = b"--" + boundary
    if not body.startswith(line + b"\r\n"):
        raise _broken("does not begin with its boundary")
    delimiter = b"\r\n" + line
    parts: list[Part] = []
    position = len(line) + 2
    while True:
        head = _HEAD.match(body, position)
        if head is None:
            raise _broken("has a part without a plain head")
        end = body.find(delimiter, head.end())
        if end < 0:
            raise _broken("does not end with its boundary")
        parts.append(_part(head[1], head.end(), end))
        if len(parts) > MAX_PARTS:
            raise RequestInvalid(f"The form has more than {MAX_PARTS} parts: send only those the API knows.")
        position = end + len(delimiter) + 2
        after = body[position - 2 : position]
        if after == b"--":
            if body[position:] not in (b"", b"\r\n"):
                raise _broken("goes on after its end")
            return tuple(parts)
        if after != b"\r\n":
            raise _broken("has a boundary with something behind it")


def _part(head: bytes, start: int, end: int) -> Part:
    found: tuple[str, bool] | None = None
    for line in head.removesuffix(b"\r\n").split(b"\r\n"):
        spelt, _, value = line.partition(b":")
        header, value = spelt.lower(), value.strip()
        if header == b"content-disposition" and found is None:
            match = _DISPOSITION.fullmatch(value)
            if match is None:
                raise _broken("has a part whose name cannot be read")
            found = (match[1].decode(), match[2] is not None)
        elif header == b"content-transfer-encoding" and value.lower() in _PLAIN_ENCODINGS:
            continue
        elif header not in _PASSIVE:
            raise _broken(f"has a part with the header {spelt[:64].decode('ascii', 'replace')!r} that is not read here")
    if found is None:
        raise _broken("has a part without a name")
    name, is_file = found
    if not is_file and end - start > MAX_TEXT_BYTES:
        raise RequestInvalid(
            f"The field {name!r} is larger than {MAX_TEXT_BYTES} bytes: send less, or a file with a file name.",
            field=name,
        )
    return Part(name, start, end, is_file)


def _broken(how: str) -> RequestInvalid:
    return RequestInvalid(f"The form {how}: send it as RFC 7578 says, as the SDKs do.")
