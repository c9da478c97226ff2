"""Bedrock's errors: a status and a sentence, `{"message": "..."}`, whatever the wire. Clients get them in their own.

Source: docs.aws.amazon.com/bedrock (InvokeModel, Errors; troubleshooting API error codes); recorded replies.
"""

from typing import Final

import msgspec

from governance.plugin import Billing, ErrorReading

_ANTHROPIC: Final = {
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
_OPENAI: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_UNBILLED: Final = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
_RETRYABLE: Final = frozenset({408, 424, 429})
"""424 is a model that failed. 408 is one that took too long."""
_EXHAUSTED: Final = (b"Too many tokens per day", b"per day, please wait", b"INVALID_PAYMENT_INSTRUMENT")
_OWN: Final = (
    b"model identifier is invalid",
    b"on-demand throughput",
    b"reached the end of its life",
    b"security token",
    b"not authorized",
    b"access to the model",
    b"Operation not allowed",
    b"support counting tokens",
)
"""What is wrong with this account, region or model alone."""


class _Said(msgspec.Struct):
    message: str | None = None
    other: str | None = msgspec.field(name="Message", default=None)
    error: msgspec.Raw = msgspec.Raw(b"")


_said = msgspec.json.Decoder(_Said)


def anthropic_error(status: int, body: bytes) -> bytes:
    """Return this error as Anthropic's API would have it; as it is, where it has another shape than AWS's."""
    sentence = _sentence(body)
    if sentence is None:
        return body
    kind = _ANTHROPIC.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": sentence}})


def openai_error(status: int, body: bytes) -> bytes:
    """Return this error as OpenAI's API would have it; as it is, where it has another shape than AWS's."""
    sentence = _sentence(body)
    if sentence is None:
        return body
    kind = _OPENAI.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"error": {"message": sentence, "type": kind, "param": None, "code": None}})


def read_error(*, status: int, body: bytes) -> ErrorReading:
    """Say what an error means. A refusal before any work is unbilled; of anything else nothing is documented."""
    is_exhausted = status == 402 or any(sign in body for sign in _EXHAUSTED)
    is_own = status in (401, 403, 404) or (status < 500 and any(sign in body for sign in _OWN))
    is_retryable = (status in _RETRYABLE or status >= 500) and not is_exhausted
    return ErrorReading(
        billing=Billing.UNBILLED if status in _UNBILLED else Billing.UNKNOWN,
        is_retryable=is_retryable,
        may_work_elsewhere=is_retryable or is_exhausted or is_own,
    )


def _sentence(body: bytes) -> str | None:
    try:
        said = _said.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if bytes(said.error) else said.message or said.other
