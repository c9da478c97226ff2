"""OpenAI's shapes."""

from collections.abc import Iterable

import msgspec

from governance.core.errors import BursarError
from governance.gateway.dialects.dialect import refusal_headers
from governance.gateway.exchange import JSON, Headers
from governance.policy.snapshot import AliasPolicy

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_ABOUT_MODEL = frozenset({"model_unknown", "model_not_allowed", "model_retired", "model_not_released"})


class OpenAIDialect:
    """See Dialect."""

    def error_response(self, error: BursarError, *, field: str | None = None) -> tuple[int, Headers, bytes]:
        """See Dialect."""
        body = msgspec.json.encode({"error": said(error, field=field)})
        return error.http_status, [JSON, *refusal_headers(error)], body

    def error_event(self, error: BursarError) -> bytes:
        """See Dialect."""
        return b"data: " + msgspec.json.encode({"error": said(error)}) + b"\n\n"

    def model(self, alias: AliasPolicy) -> bytes:
        """See Dialect."""
        return msgspec.json.encode(_model(alias))

    def models(self, aliases: Iterable[AliasPolicy]) -> bytes:
        """See Dialect."""
        return msgspec.json.encode({"object": "list", "data": [_model(alias) for alias in aliases]})


def said(error: BursarError, *, field: str | None = None) -> dict[str, str | None]:
    """Return what OpenAI's APIs say of an error."""
    kind = _TYPES.get(error.http_status, "server_error" if error.http_status >= 500 else "invalid_request_error")
    param = field or ("model" if error.code in _ABOUT_MODEL else None)
    return {"message": error.message, "type": kind, "param": param, "code": error.code}


def _model(alias: AliasPolicy) -> dict[str, object]:
    model = alias.deployments[0].model if alias.deployments else None
    retires_on = model.dates.retires_on if model is not None and model.dates is not None else None
    return {
        "id": alias.name,
        "object": "model",
        "created": int(alias.created_at.timestamp()),
        "owned_by": model.provider if model is not None else "bursar",
        "shutdown_date": retires_on,
    }
