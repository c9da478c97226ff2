"""Errors of the OpenAI chat wire: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import Failure
from governance.gateway.translation.statuses import known_status, message_of

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_STATUSES = {name: status for status, name in _TYPES.items()} | {
    "invalid_request_error": 400,
    "server_error": 500,
    "rate_limit_exceeded": 429,
}


def failure_of(error: Any, *, status: int | None) -> Failure:
    """Return what the `error` member says, whatever it is. Without an HTTP status its own words decide."""
    fields = error if isinstance(error, dict) else {"message": error}
    code, kind = fields.get("code"), fields.get("type")
    if status is None:
        status = _STATUSES.get(str(kind)) or _STATUSES.get(str(code)) or known_status(code)
    word = code if isinstance(code, str) else kind if isinstance(kind, str) else None
    return Failure(status=status, message=message_of(fields.get("message"), status), code=word)


def read_failure(status: int, body: Any) -> Failure:
    """Return what an error reply says. Older servers of this wire have the fields at the top."""
    fields = body if isinstance(body, dict) else {}
    return failure_of(fields.get("error", fields), status=status)


def write_failure(failure: Failure) -> bytes:
    """Return the body of an error reply."""
    return msgspec.json.encode({"error": error_of(failure)})


def error_of(failure: Failure) -> dict[str, str | None]:
    """Return the fields of an error."""
    kind = _TYPES.get(failure.status, "server_error" if failure.status >= 500 else "invalid_request_error")
    return {"message": failure.message, "type": kind, "param": None, "code": failure.code}
