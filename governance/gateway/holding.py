"""How much of a text that still grows can be passed on: what no finding can reach any more. Pure.

The last `REACH` characters are held back, since a finding with blanks in it may be cut there, and so is the word at the
end, up to `LONGEST_WORD`: keys, tokens and addresses hold no blanks. What a finding has begun is held until it is over.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from governance.gateway.guarding import Found
from governance.gateway.texts import apart

REACH: Final = 256
"""How far before the end, and before what was passed on, a finding can begin that has not been seen yet."""
LONGEST_WORD: Final = 4_096
LONGEST_HELD: Final = 32 * 1024
"""A finding that goes on for more than this is not followed any further."""
_STEP: Final = 32
"""So many characters are worth another look."""
_WORD: Final = "".join(map(chr, range(0x21, 0x7F)))


class Masked(NamedTuple):
    """A part of what is held that must not be seen: characters from `start` up to `end`, and the word in its place."""

    start: int
    end: int
    word: str


class Going(NamedTuple):
    """So many characters may go, but for these parts, because of what was found in them."""

    characters: int
    masked: list[Masked]
    found: list[Found]


class TooLongToFollow(Exception):
    """A finding goes on for longer than is held."""


class HeldText:
    """One growing text: what was told last, and what is held back."""

    __slots__ = ("_enough", "_told", "held")

    def __init__(self) -> None:
        self.held = ""
        self._told = ""
        self._enough = 0

    def add(self, text: str) -> None:
        """Hold more of it."""
        self.held += text

    def is_worth_a_look(self, *, is_end: bool) -> bool:
        """Return whether some of it may be passed on, if nothing is found in it."""
        if is_end:
            return bool(self.held)
        return len(self.held) >= self._enough and self._limit() >= _STEP

    @property
    def seen(self) -> str:
        """What guards have to look at: also what stands before."""
        return self._told + self.held

    def let_go(self, found: Sequence[Found], *, is_end: bool) -> "Going":
        """Return what of the held text may go, and what in it must not be seen. Raises TooLongToFollow."""
        before = len(self._told)
        ahead = [each for each in found if each.piece.end > before]
        masked = [
            Masked(max(0, each.start - before), each.end - before, each.word)
            for each in apart([one.piece for one in ahead])
        ]
        limit = len(self.held) if is_end else self._limit()
        limit = min([limit, *[each.start for each in masked if each.start < limit < each.end]])
        if len(self.held) - limit > LONGEST_HELD:
            raise TooLongToFollow
        self._told = (self._told + self.held[:limit])[-REACH:]
        self.held = self.held[limit:]
        self._enough = len(self.held) + max(_STEP, len(self.held) // 8)
        return Going(
            limit,
            [each for each in masked if each.start < limit],
            [each for each in ahead if each.piece.start - before < limit],
        )

    def _limit(self) -> int:
        tail = self.held[-LONGEST_WORD:]
        word = len(tail) - len(tail.rstrip(_WORD))
        return max(0, len(self.held) - (max(word, REACH) if word < LONGEST_WORD else REACH))
