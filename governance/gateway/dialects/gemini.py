"""Gemini's shapes: Google's error model, and models named `models/...`."""

from collections.abc import Iterable
from typing import Final

import msgspec

from governance.core.errors import BursarError
from governance.gateway.dialects.dialect import Dialect, refusal_headers
from governance.gateway.exchange import JSON, Exchange, Headers
from governance.gateway.rendition import others_of
from governance.plugin.provider import Wire
from governance.policy.snapshot import AliasPolicy

_STATUSES: Final = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_METHODS: Final = {
    Wire.GEMINI_GENERATE: ("generateContent", "streamGenerateContent"),
    Wire.GEMINI_COUNT_TOKENS: ("countTokens",),
    Wire.GEMINI_EMBED: ("embedContent",),
    Wire.GEMINI_BATCH_EMBED: ("batchEmbedContents",),
}
_TYPES: Final = "type.googleapis.com/google.rpc."
_BETA: Final = "/v1beta"
_MODELS: Final = "/v1/models/"
_OTHERS: Final = (
    "/v1/chat/",
    "/v1/messages",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/files",
    "/v1/batches",
    "/v1/images/",
    "/v1/audio/",
)
"""Of APIs of their own, whatever header the key comes in."""
_STREAM: Final = ":streamGenerateContent"
_KEY: Final = b"x-goog-api-key"


class GeminiDialect:
    """See Dialect. `is_array`: the client reads a growing JSON array, in which an error is an element like others."""

    def __init__(self, *, is_array: bool = False) -> None:
        self._is_array = is_array

    def error_response(self, error: BursarError, *, field: str | None = None) -> tuple[int, Headers, bytes]:
        """See Dialect."""
        body = _error_body(error, field=field)
        return error.http_status, [JSON, *refusal_headers(error)], b"[%s]" % body if self._is_array else body

    def error_event(self, error: BursarError) -> bytes:
        """See Dialect."""
        body = _error_body(error)
        return b",\r\n%s\n]" % body if self._is_array else b"data: %s\r\n\r\n" % body

    def model(self, alias: AliasPolicy) -> bytes:
        """See Dialect."""
        return msgspec.json.encode(_model(alias))

    def models(self, aliases: Iterable[AliasPolicy]) -> bytes:
        """See Dialect."""
        return msgspec.json.encode({"models": [_model(alias) for alias in aliases]})


_WHOLE: Final = GeminiDialect()
_ARRAY: Final = GeminiDialect(is_array=True)


def gemini_dialect_of(exchange: Exchange) -> Dialect | None:
    """Return the dialect of whoever asks for a path of Gemini's API, or for one that APIs share with Gemini's key."""
    path = exchange.path
    if path.endswith(_STREAM):
        return _WHOLE if b"alt=sse" in exchange.query else _ARRAY
    if path.startswith(_BETA) or (path.startswith(_MODELS) and ":" in path):
        return _WHOLE
    return _WHOLE if _KEY in exchange.headers and not path.startswith(_OTHERS) else None


def _error_body(error: BursarError, *, field: str | None = None) -> bytes:
    default = "INTERNAL" if error.http_status >= 500 else "INVALID_ARGUMENT"
    about = {"field": field} if field else {}
    details: list[dict[str, object]] = [
        {"@type": f"{_TYPES}ErrorInfo", "reason": error.code.upper(), "domain": "bursar", "metadata": about}
    ]
    if error.retry_after_seconds is not None:
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{error.retry_after_seconds}s"})
    status = _STATUSES.get(error.http_status, default)
    return msgspec.json.encode(
        {"error": {"code": error.http_status, "message": error.message, "status": status, "details": details}}
    )


def _model(alias: AliasPolicy) -> dict[str, object]:
    served = {wire for deployment in alias.deployments for wire in deployment.upstreams}
    methods = [
        method
        for wire, names in _METHODS.items()
        if wire in served or not served.isdisjoint(others_of(wire))
        for method in names
    ]
    described: dict[str, object] = {
        "name": f"models/{alias.name}",
        "version": "",
        "displayName": alias.name,
        "supportedGenerationMethods": methods,
    }
    maximum = alias.deployments[0].model.max_output_tokens if alias.deployments else None
    return {**described, "outputTokenLimit": maximum} if maximum is not None else described
