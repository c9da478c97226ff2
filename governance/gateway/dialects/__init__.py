"""How clients of one API are spoken to: refusals, errors inside a stream, and the list of models, in its shapes."""

from governance.gateway.dialects.anthropic import AnthropicDialect
from governance.gateway.dialects.dialect import Dialect
from governance.gateway.dialects.gemini import gemini_dialect_of
from governance.gateway.dialects.openai import OpenAIDialect
from governance.gateway.dialects.responses import ResponsesDialect
from governance.gateway.exchange import Exchange

__all__ = ["RESPONSES", "Dialect", "dialect_of"]

RESPONSES = "/v1/responses"

_OPENAI = OpenAIDialect()
_OPENAIS = ("/v1/chat/", "/v1/embeddings", "/v1/moderations", "/v1/images/", "/v1/audio/")
_RESPONSES = ResponsesDialect()


def dialect_of(exchange: Exchange) -> Dialect:
    """Return the dialect of whoever sent this: by what is asked for and, where APIs share a path, by its headers."""
    path = exchange.path
    if path.startswith(RESPONSES):
        return _RESPONSES
    if path.startswith(_OPENAIS):
        return _OPENAI
    if path.startswith("/v1/messages") or b"anthropic-version" in exchange.headers:
        return AnthropicDialect(request_id=exchange.request_id)
    return gemini_dialect_of(exchange) or _OPENAI
