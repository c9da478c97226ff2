"""What of an answer is kept as it goes out to the client: in its own bytes, as far as there is room for it."""

from typing import TypeAlias

_Headers: TypeAlias = list[tuple[bytes, bytes]]


class Recording:
    """One answer, of which at most so many bytes are kept. `added` are headers that it gets besides its own."""

    __slots__ = ("_parts", "_size", "added", "headers", "is_cut", "most", "status")

    def __init__(self, most: int) -> None:
        self.most = most
        self._parts: list[bytes] = []
        self._size = 0
        self.added: _Headers = []
        self.headers: _Headers = []
        self.is_cut = False
        self.status = 0

    def begin(self, status: int, headers: _Headers) -> None:
        """An answer begins; whatever was there is none of it."""
        self._parts, self._size, self.is_cut = [], 0, False
        self.status, self.headers = status, list(headers)
        headers += self.added

    def add(self, part: bytes) -> None:
        """A part of it goes out."""
        room = self.most - self._size
        if len(part) > room:
            self.is_cut, part = True, part[:room]
        self._parts.append(part)
        self._size += len(part)

    @property
    def body(self) -> bytes:
        """What is kept of it."""
        return b"".join(self._parts)
