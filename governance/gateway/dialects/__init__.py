"""How clients of one API are spoken to: refusals, errors inside a stream, and the list of models, in its shapes."""

from governance.gateway.dialects.dialect import Dialect
from governance.gateway.dialects.openai import OpenAIDialect
from governance.gateway.dialects.responses import ResponsesDialect
from governance.gateway.exchange import Exchange

__all__ = ["RESPONSES", "Dialect", "dialect_of"]

RESPONSES = "/v1/responses"

_OPENAI = OpenAIDialect()
_RESPONSES = ResponsesDialect()


def dialect_of(exchange: Exchange) -> Dialect:
    """Return the dialect of whoever sent this: by what is asked for and, where APIs share a path, by its headers."""
    if exchange.path.startswith(RESPONSES):
        return _RESPONSES
    return _OPENAI
