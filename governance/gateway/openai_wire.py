"""The OpenAI wire's own shapes: errors, the list of models, an error inside a stream."""

from collections.abc import Iterable

import msgspec

from governance.core.errors import BursarError
from governance.gateway.exchange import JSON, Headers
from governance.policy.snapshot import AliasPolicy

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_ABOUT_MODEL = frozenset({"model_unknown", "model_not_allowed", "model_retired"})


def error_response(error: BursarError, *, field: str | None = None) -> tuple[int, Headers, bytes]:
    """Render a refusal: status, headers and body.

    Stock SDKs retry 408, 409, 429 and every 5xx unless told otherwise; `x-should-retry` tells them.
    """
    headers: Headers = [JSON]
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_seconds))
    if not error.is_retryable:
        headers.append((b"x-should-retry", b"false"))
    if error.http_status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return error.http_status, headers, error_body(error, field=field)


def error_body(error: BursarError, *, field: str | None = None) -> bytes:
    """Return `{"error": {"message", "type", "param", "code"}}`."""
    kind = _TYPES.get(error.http_status, "server_error" if error.http_status >= 500 else "invalid_request_error")
    param = field or ("model" if error.code in _ABOUT_MODEL else None)
    return msgspec.json.encode({"error": {"message": error.message, "type": kind, "param": param, "code": error.code}})


def error_event(error: BursarError) -> bytes:
    """Return the event that tells a client of a stream that it will not be completed."""
    return b"data: " + error_body(error) + b"\n\n"


def model_object(alias: AliasPolicy) -> dict[str, object]:
    """Describe one alias as the wire's model object."""
    owner = alias.deployments[0].model.provider if alias.deployments else "bursar"
    return {"id": alias.name, "object": "model", "created": int(alias.created_at.timestamp()), "owned_by": owner}


def model_list(aliases: Iterable[AliasPolicy]) -> bytes:
    """Return the list of models."""
    return msgspec.json.encode({"object": "list", "data": [model_object(alias) for alias in aliases]})
