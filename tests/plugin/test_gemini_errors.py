"""What Gemini's errors mean: one status stands for pace, for a day's quota and for an empty account."""

import json
from typing import Any

import pytest

from governance.plugin import Billing, ErrorReading, Wire
from governance.plugin.gemini import GeminiProvider

PROVIDER = GeminiProvider(name="tiny", title="Tiny", default_base_url="https://api.example.test")


def error(status: int, message: str = "no", name: str = "X", details: list[dict[str, Any]] | None = None) -> bytes:
    return json.dumps(
        {"error": {"code": status, "message": message, "status": name, "details": details or []}}
    ).encode()


def reading(status: int, body: bytes) -> ErrorReading:
    return PROVIDER.read_error(wire=Wire.GEMINI_GENERATE, status=status, body=body)


def quota(name: str, delay: str = "46s") -> list[dict[str, Any]]:
    return [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]


def test_trap_24_a_quota_per_minute_is_worth_a_retry_and_says_when() -> None:
    found = reading(429, error(429, details=quota("GenerateRequestsPerMinutePerProjectPerModel")))
    assert (found.billing, found.is_retryable, found.may_work_elsewhere) == (Billing.UNBILLED, True, True)
    assert found.retry_after_seconds == 46


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, error(429, details=quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"))),
        (429, error(429, "Your project has exceeded its monthly spending cap.")),
        (402, error(402, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED")),
        (402, b""),
    ],
)
def test_trap_24_a_days_quota_and_an_empty_account_are_not(status: int, body: bytes) -> None:
    found = reading(status, body)
    assert (found.billing, found.is_retryable, found.may_work_elsewhere) == (Billing.UNBILLED, False, True)


@pytest.mark.parametrize(
    ("status", "body", "is_retryable", "may_work_elsewhere"),
    [
        (400, error(400, name="INVALID_ARGUMENT"), False, False),
        (400, error(400, details=[{"reason": "API_KEY_INVALID"}]), False, True),
        (400, error(400, name="FAILED_PRECONDITION"), False, True),
        (403, error(403), False, True),
        (404, error(404), False, True),
        (429, b"[" + error(429, details=quota("PerMinute", "1.5s")) + b"]", True, True),
        (500, error(500), True, True),
        (503, error(503, name="UNAVAILABLE"), True, True),
    ],
)
def test_an_error_says_whether_another_attempt_is_worth_it(
    status: int, body: bytes, is_retryable: bool, may_work_elsewhere: bool
) -> None:
    found = reading(status, body)
    assert (found.is_retryable, found.may_work_elsewhere) == (is_retryable, may_work_elsewhere)
    assert (found.billing is Billing.UNBILLED) == (status < 500)


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        ("46s", 46.0),
        ("20.044661790s", 20.04466179),
        ("0s", 0.0),
        ("s", None),
        ("-3s", None),
        ("1e9s", None),
        ("", None),
    ],
)
def test_a_delay_is_a_duration_of_protobufs(delay: str, seconds: float | None) -> None:
    assert reading(429, error(429, details=quota("PerMinute", delay))).retry_after_seconds == seconds


def test_a_stream_that_fails_at_once_answers_with_an_array() -> None:
    body = b"[" + error(429, details=quota("PerMinute", "3s")) + b"]"
    assert reading(429, body).retry_after_seconds == 3
