"""Lists of what a team has at its vendors: what is asked of one, and which page of it."""

from urllib.parse import parse_qsl

from governance.core.errors import BadRequest
from governance.gateway.exchange import Exchange


def asked_of(exchange: Exchange) -> dict[str, str]:
    """Return the query, each name once."""
    return dict(parse_qsl(exchange.query.decode("latin-1")))


def limit_of(asked: dict[str, str], *, usual: int, most: int) -> int:
    """Return how many are to be listed. Raises BadRequest."""
    text = asked.get("limit", str(usual))
    if not text.isdecimal() or len(text) > 6 or not 1 <= int(text) <= most:
        raise BadRequest(f"The limit must be a number from 1 to {most}.")
    return int(text)
