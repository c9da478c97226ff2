"""Errors of the API, and how every error becomes a problem (RFC 9457): the one place that renders them.

BadRequest
├── FieldsInvalid        fields of the body or the query do not make sense; says which
├── CursorInvalid
└── KeyReused            the Idempotency-Key was used for another request
Conflict
└── Changed              If-Match names another version
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from governance.core.errors import BadRequest, BursarError, Conflict

PROBLEM_TYPE: Final = "application/problem+json"
_log = structlog.get_logger(__name__)


class FieldsInvalid(BadRequest):
    """Fields of the body or the query do not make sense."""

    code = "fields_invalid"


class CursorInvalid(BadRequest):
    """The cursor is none that a page gave."""

    code = "cursor_invalid"


class KeyReused(BadRequest):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"
    http_status = 422


class Changed(Conflict):
    """Somebody else changed it meanwhile."""

    code = "changed_meanwhile"
    http_status = 412


_TITLES: Final = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    422: "Key reused",
    429: "Too many calls",
    500: "Internal error",
    503: "Unavailable",
}
_WORDS: Final = {
    405: "This address does not know the method: the OpenAPI document at /api/v1/openapi.json says which it knows.",
    406: "The management API answers in JSON: accept application/json.",
    415: "The management API reads JSON: send it as application/json.",
}


def problem(*, status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Return the body of a problem."""
    body: dict[str, Any] = {
        "type": f"urn:bursar:error:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
    }
    return body | ({"errors": errors} if errors else {})


def render(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to a request that failed. What nobody foresaw is logged, and says nothing about itself."""
    headers: dict[str, str] = {}
    if isinstance(error, BursarError):
        body = problem(status=error.http_status, code=error.code, detail=error.message)
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
        if error.http_status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="Bursar"'
    elif isinstance(error, exceptions.ValidationError):
        body = _invalid(error)
    elif isinstance(error, Http404):
        body = problem(status=404, code="not_found", detail="There is nothing here, or nothing that you may know of.")
    elif isinstance(error, PermissionDenied):
        body = problem(status=403, code="forbidden", detail=str(error) or "You may not do this.")
    elif isinstance(error, RequestDataTooBig):
        body = problem(status=413, code="request_too_large", detail="The body is larger than the API reads.")
    elif isinstance(error, exceptions.APIException):
        body = _of_framework(error)
        if isinstance(error, exceptions.MethodNotAllowed):
            headers["Allow"] = ", ".join(context["view"].allowed_methods)
    elif isinstance(error, OperationalError):
        _log.warning("api_database_failed", exc_info=error)
        body = problem(status=503, code="governance_unavailable", detail="The database cannot be asked: try again.")
        headers["Retry-After"] = "5"
    else:
        _log.error("api_request_failed", exc_info=error)
        body = problem(status=500, code="internal_error", detail="Bursar failed. The console's log says why.")
    return Response(body, status=body["status"], headers=headers, content_type=PROBLEM_TYPE)


def _of_framework(error: exceptions.APIException) -> dict[str, Any]:
    status = error.status_code
    code = {405: "method_not_allowed", 406: "not_acceptable", 415: "unsupported_media_type"}.get(status, "bad_request")
    return problem(status=status, code=code, detail=_WORDS.get(status, str(error.detail)))


def _invalid(error: exceptions.ValidationError) -> dict[str, Any]:
    errors = list(_flat(error.detail, ""))
    detail = " ".join(f"{each['pointer'] or 'The body'}: {each['detail']}" for each in errors)
    return problem(status=400, code="fields_invalid", detail=detail[:1000], errors=errors)


def _flat(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Yield each complaint with the JSON pointer of its field."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, pointer if name == "non_field_errors" else f"{pointer}/{name}")
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flat(inner, pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}
