"""Allow-lists: which aliases a chain of levels lets pass. Pure.

A pattern is an alias, or a glob in which `*` stands for any characters and `?` for one; letters' case counts. A level
without rules (None) restricts nothing; one with rules allows only what one of them matches. Every level must allow.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec


class Rules(msgspec.Struct, frozen=True):
    """One level's patterns. `level` names it for people: "team default". None: the level has no rules."""

    level: str
    patterns: tuple[str, ...] | None


class Decision(msgspec.Struct, frozen=True):
    """Whether the alias may be called, and what decided: the level that refused, or the last pattern that matched.

    Both are None when no level has rules.
    """

    is_allowed: bool
    level: str | None = None
    pattern: str | None = None


def may(alias: str, levels: Iterable[Rules]) -> Decision:
    """Decide about an alias; levels from the organisation down to the key."""
    decision = Decision(is_allowed=True)
    for rules in levels:
        if rules.patterns is None:
            continue
        pattern = first_match(alias, rules.patterns)
        if pattern is None:
            return Decision(is_allowed=False, level=rules.level)
        decision = Decision(is_allowed=True, level=rules.level, pattern=pattern)
    return decision


def first_match(alias: str, patterns: Sequence[str]) -> str | None:
    """Return the first pattern that matches the whole alias, or None."""
    return next((pattern for pattern in patterns if matches(alias, pattern)), None)


def matches(alias: str, pattern: str) -> bool:
    """Return whether the pattern matches the whole alias, case-sensitively."""
    return _compiled(pattern).fullmatch(alias) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # A possessive run of lazy pieces: each star takes the shortest match and never gives it back, which for globs finds
    # a match whenever there is one, in time proportional to alias times pattern.
    head, *pieces = re.split(r"\*+", pattern)
    if not pieces:
        return re.compile(_literal(head), re.DOTALL)
    *middle, tail = pieces
    runs = "".join(f"(?>.*?{_literal(piece)})" for piece in middle)
    return re.compile(f"{_literal(head)}{runs}.*{_literal(tail)}", re.DOTALL)


def _literal(text: str) -> str:
    return "".join("." if sign == "?" else re.escape(sign) for sign in text)
