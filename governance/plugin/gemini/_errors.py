"""What an error of Gemini's API means for the money and for another attempt."""

from collections.abc import Iterator

import msgspec

from governance.plugin.provider import Billing, ErrorReading

_UNBILLED = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
_RETRYABLE = frozenset({408, 409, 425, 429})
_ELSEWHERE = frozenset({401, 402, 403, 404})
_OF_THE_ACCOUNT = (b"API_KEY_INVALID", b"FAILED_PRECONDITION")
"""Refusals with 400 that are about the key, or about where and how the account is billed, not about the request."""
_NOT_SOON = ("perday", "permonth")
"""In a quota's id: it does not come back within the time that any request waits."""
_SPENT = (b"spending cap", b"spend limit", b"prepayment credits", b"credits are depleted")
"""In the message of a 429 that is about money and not about pace."""

_LONGEST_DURATION = 32


class _Violation(msgspec.Struct, rename="camel"):
    quota_id: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    retry_delay: str = ""
    violations: list[_Violation] = []


class _Error(msgspec.Struct):
    details: list[_Detail] = []


class _Reply(msgspec.Struct):
    error: _Error


_reply = msgspec.json.Decoder(_Reply | list[_Reply])


def read_error(*, status: int, body: bytes) -> ErrorReading:
    """Read an error reply (HTTP status >= 400). A stream that fails at once answers with an array of one.

    A refusal before any work is unbilled. Google's FAQ says the same of its 500s; they stay unknown here, since an
    answer that broke off may have been charged for. The delay that the vendor asks for stands in the body alone.
    """
    details = list(_details(body))
    quotas = [violation.quota_id.lower() for detail in details for violation in detail.violations]
    is_spent = status == 402 or any(sentence in body.lower() for sentence in _SPENT)
    is_used_up = is_spent or any(sign in quota for quota in quotas for sign in _NOT_SOON)
    is_retryable = (status in _RETRYABLE or status >= 500) and not is_used_up
    is_its_own = is_used_up or status in _ELSEWHERE or (status == 400 and any(sign in body for sign in _OF_THE_ACCOUNT))
    return ErrorReading(
        billing=Billing.UNBILLED if status in _UNBILLED else Billing.UNKNOWN,
        is_retryable=is_retryable,
        may_work_elsewhere=is_retryable or is_its_own,
        retry_after_seconds=next((found for detail in details if (found := _seconds(detail)) is not None), None),
    )


def _details(body: bytes) -> Iterator[_Detail]:
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for each in reply if isinstance(reply, list) else [reply]:
        yield from each.error.details


def _seconds(detail: _Detail) -> float | None:
    """Return a duration as protobuf writes it in JSON, such as "46s" or "20.044661790s"."""
    text = detail.retry_delay
    whole, _, fraction = text.removesuffix("s").partition(".")
    is_duration = text.isascii() and text.endswith("s") and whole.isdecimal() and (not fraction or fraction.isdecimal())
    return float(text[:-1]) if is_duration and len(text) <= _LONGEST_DURATION else None
