"""What a token is for: `keys:read` lists and shows keys, `keys:write` changes them too. Pure."""

from collections.abc import Collection, Iterable
from typing import Final

from governance.tokens.errors import TokenRefused

AREAS: Final = {
    "teams": "teams, units, cost centres, members, and what requests of a team may do",
    "people": "people and their roles",
    "keys": "virtual keys",
    "budgets": "budgets, increases and requests for more money",
    "limits": "rate limits",
    "models": "models, prices, aliases, access groups and allow-lists",
    "connections": "accounts at vendors",
    "requests": "requests and what they cost",
    "prompts": "what is stored of requests and replies",
    "statements": "statements and reports",
    "alerts": "who is told, and what they were told",
    "audit": "the audit trail",
    "tokens": "tokens of this interface",
}
EVERYTHING: Final = "all"
_APART: Final = frozenset({"prompts"})
"""Not in `all`: reading what people wrote is asked for by name."""

READ: Final = "read"
WRITE: Final = "write"
SCOPES: Final = tuple(f"{area}:{verb}" for area in (EVERYTHING, *AREAS) for verb in (READ, WRITE))


def clean_scopes(wanted: Iterable[str]) -> list[str]:
    """Return the scopes in order, each once. Raises TokenRefused for none, and for one that does not exist."""
    found = sorted(set(wanted))
    if not found:
        raise TokenRefused("A token without scopes could do nothing: give it some, such as keys:write or all:read.")
    for scope in found:
        if scope not in SCOPES:
            raise TokenRefused(f"{scope[:64]!r} is no scope. There is: {', '.join(SCOPES)}.")
    return found


def allows(held: Collection[str], *, area: str, verb: str) -> bool:
    """Return whether a token with these scopes is for reading or writing in this area. Who may write may read."""
    areas = {area} if area in _APART else {area, EVERYTHING}
    verbs = {WRITE} if verb == WRITE else {READ, WRITE}
    return any(f"{each}:{kind}" in held for each in areas for kind in verbs)
