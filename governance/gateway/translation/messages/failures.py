"""Errors of the Anthropic messages wire: `{"type": "error", "error": {"type", "message"}}`."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import Failure
from governance.gateway.translation.statuses import UNAVAILABLE, message_of

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES = {name: status for status, name in _TYPES.items()} | {"api_error": 500}


def failure_of(error: Any, *, status: int | None) -> Failure:
    """Return what the `error` member says, whatever it is. Without an HTTP status its type decides."""
    fields = error if isinstance(error, dict) else {"message": error}
    kind = fields.get("type")
    kind = kind if isinstance(kind, str) else None
    if status is None:
        status = _STATUSES.get(kind or "", UNAVAILABLE)
    return Failure(status=status, message=message_of(fields.get("message"), status), code=kind)


def read_failure(status: int, body: Any) -> Failure:
    """Return what an error reply says."""
    return failure_of(body.get("error") if isinstance(body, dict) else None, status=status)


def write_failure(failure: Failure) -> bytes:
    """Return the body of an error reply, which is also the data of an error event."""
    kind = _TYPES.get(failure.status, "api_error" if failure.status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": failure.message}})
