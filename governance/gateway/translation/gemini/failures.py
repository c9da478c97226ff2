"""Errors of the Gemini wire: `{"error": {"code", "message", "status"}}`, in a JSON array's stream inside the array."""

from typing import Any

import msgspec

from governance.gateway.translation.canonical import Failure
from governance.gateway.translation.statuses import known_status, message_of

_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


def failure_of(error: Any, *, status: int | None) -> Failure:
    """Return what the `error` member says, whatever it is."""
    fields = error if isinstance(error, dict) else {"message": error}
    status = status if status is not None else known_status(fields.get("code"))
    name = fields.get("status")
    return Failure(
        status=status, message=message_of(fields.get("message"), status), code=name if isinstance(name, str) else None
    )


def read_failure(status: int, body: Any) -> Failure:
    """Return what an error reply says."""
    first = body[0] if isinstance(body, list) and body else body
    return failure_of(first.get("error") if isinstance(first, dict) else None, status=status)


def write_failure(failure: Failure) -> bytes:
    """Return the body of an error reply."""
    name = _NAMES.get(failure.status, "INTERNAL" if failure.status >= 500 else "FAILED_PRECONDITION")
    return msgspec.json.encode({"error": {"code": failure.status, "message": failure.message, "status": name}})
