"""Anthropic's shapes."""

import uuid
from collections.abc import Iterable
from datetime import date

import msgspec

from governance.catalog.lifecycle import Dates
from governance.core.errors import BursarError
from governance.gateway.dialects.dialect import refusal_headers
from governance.gateway.exchange import JSON, Headers
from governance.gateway.formats import ANTHROPIC_ID_HEADER
from governance.policy.snapshot import AliasPolicy

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


class AnthropicDialect:
    """See Dialect. Its errors name the request, so there is one for each."""

    __slots__ = ("_request_id",)

    def __init__(self, *, request_id: uuid.UUID) -> None:
        self._request_id = str(request_id)

    def error_response(self, error: BursarError, *, field: str | None = None) -> tuple[int, Headers, bytes]:
        """See Dialect. This API's errors name no field but in their message."""
        headers = [JSON, *refusal_headers(error), (ANTHROPIC_ID_HEADER, self._request_id.encode())]
        return error.http_status, headers, self._error_body(error)

    def error_event(self, error: BursarError) -> bytes:
        """See Dialect."""
        return b"event: error\ndata: " + self._error_body(error) + b"\n\n"

    def model(self, alias: AliasPolicy) -> bytes:
        """See Dialect."""
        return msgspec.json.encode(_model(alias))

    def models(self, aliases: Iterable[AliasPolicy]) -> bytes:
        """See Dialect. All of them make one page."""
        every = [_model(alias) for alias in aliases]
        ends = (
            {"first_id": every[0]["id"], "last_id": every[-1]["id"]} if every else {"first_id": None, "last_id": None}
        )
        return msgspec.json.encode({"data": every, "has_more": False, **ends})

    def _error_body(self, error: BursarError) -> bytes:
        kind = _TYPES.get(error.http_status, "api_error" if error.http_status >= 500 else "invalid_request_error")
        described = {"type": kind, "message": error.message, "details": {"error_code": error.code}}
        return msgspec.json.encode({"type": "error", "error": described, "request_id": self._request_id})


def _model(alias: AliasPolicy) -> dict[str, object]:
    model = alias.deployments[0].model if alias.deployments else None
    dates = (model.dates if model is not None else None) or Dates()
    return {
        "type": "model",
        "id": alias.name,
        "display_name": alias.name,
        "created_at": alias.created_at,
        "lifecycle": "active" if dates.closes_from is None else "deprecated",
        "deprecated_at": _midnight(dates.deprecated_on),
        "retires_at": _midnight(dates.retires_on),
        "max_tokens": None if model is None else model.max_output_tokens,
    }


def _midnight(day: date | None) -> str | None:
    return None if day is None else f"{day}T00:00:00Z"
