"""How clients of one API are spoken to: refusals, errors inside a stream, and the list of models, in its shapes."""

from governance.gateway.dialects.dialect import Dialect
from governance.gateway.dialects.gemini import gemini_dialect_of
from governance.gateway.dialects.openai import OpenAIDialect
from governance.gateway.exchange import Exchange

__all__ = ["Dialect", "dialect_of"]

_OPENAI = OpenAIDialect()


def dialect_of(exchange: Exchange) -> Dialect:
    """Return the dialect of whoever sent this: by what is asked for and, where APIs share a path, by its headers."""
    return gemini_dialect_of(exchange) or _OPENAI
