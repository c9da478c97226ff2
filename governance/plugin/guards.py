"""What a guard plugin implements: it finds what must not pass in a text, and says what it is."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

MAX_KIND_CHARACTERS: Final = 64


class Finding(msgspec.Struct, frozen=True):
    """A piece of a text: characters from `start` up to `end`, and what it is in words for people ("card number").

    `kind` stands in refusals, logs and metrics, and in a masked text in the piece's place: printable, at most
    MAX_KIND_CHARACTERS, one of few, and never the piece itself.
    """

    start: int
    end: int
    kind: str


class Guard(Protocol):
    """Looks at texts of requests and replies. Stateless, or safe to share between requests and threads.

    `name` is what administrators choose; `title` says what it finds.
    """

    name: str
    title: str

    def find(self, text: str) -> Sequence[Finding]:
        """Return what was found in one text, in any order. Pure: the same text gives the same, without any I/O.

        Called for every text of a guarded request or reply, so its time counts. Where it raises, or returns what does
        not lie in the text, nothing passes.
        """
