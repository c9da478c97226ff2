"""Anthropic's provider conforms; its options decide where the key goes and which prices can apply."""

import json
from typing import Any

import pytest
from bursar_plugin_anthropic import Anthropic

from governance.plugin import Billing, ConnectionInvalid, ConnectionSettings, RequestUnbounded, Wire
from governance.plugin.anthropic_messages import DEFAULT_VERSION, read_count_tokens_request, read_messages_request
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

PROVIDER = Anthropic()
WIRE = Wire.ANTHROPIC_MESSAGES
KEY = "sk-ant-canary"


def connection(base_url: str = "https://api.anthropic.com", **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="claude", base_url=base_url, credential=KEY, options=options)


def request(**fields: Any) -> bytes:
    messages = [{"role": "user", "content": "Hello"}]
    return json.dumps({"model": "claude-sonnet-5", "max_tokens": 64, "messages": messages, **fields}).encode()


def tiers(options: dict[str, str], **asked: str) -> tuple[str, ...]:
    fields = read_messages_request(request(**asked))
    return PROVIDER.bound(wire=WIRE, connection=connection(**options), fields=fields).service_tiers


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "options", [{}, {"key_header": "authorization", "inference_geo": "us", "priority_tier": "yes"}]
)
def test_the_provider_conforms(check: ProviderCheck, options: dict[str, str]) -> None:
    check(Subject(provider=PROVIDER, base_url="https://api.example.test/v1", options=options))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.anthropic.com",
        "https://api.anthropic.com/",
        "https://api.anthropic.com/v1",
        "https://api.anthropic.com/v1/",
    ],
)
def test_both_wires_are_found_under_any_spelling_of_the_base_url(base_url: str) -> None:
    messages = PROVIDER.upstream(wire=WIRE, connection=connection(base_url))
    count = PROVIDER.upstream(wire=Wire.ANTHROPIC_COUNT_TOKENS, connection=connection(base_url))
    assert messages.url == "https://api.anthropic.com/v1/messages"
    assert count.url == "https://api.anthropic.com/v1/messages/count_tokens"


def test_a_vendor_that_speaks_this_wire_below_a_path_keeps_the_path() -> None:
    upstream = PROVIDER.upstream(wire=WIRE, connection=connection("https://api.example.test/anthropic"))
    assert upstream.url == "https://api.example.test/anthropic/v1/messages"


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [({}, "x-api-key", KEY), ({"key_header": "authorization"}, "authorization", f"Bearer {KEY}")],
)
def test_the_key_goes_into_one_header(options: dict[str, str], header: str, value: str) -> None:
    headers = dict(PROVIDER.upstream(wire=WIRE, connection=connection(**options)).headers)
    assert headers == {"content-type": "application/json", "anthropic-version": DEFAULT_VERSION, header: value}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"geo": "us"}, "unknown option 'geo'"),
        ({"inference_geo": "eu"}, "must be global or us"),
        ({"priority_tier": "maybe"}, "must be no or yes"),
        ({"key_header": "cookie"}, "must be x-api-key or authorization"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.upstream(wire=WIRE, connection=connection(**options))


@pytest.mark.parametrize(
    ("options", "asked", "expected"),
    [
        ({}, {}, ("standard",)),
        ({}, {"service_tier": "auto"}, ("standard",)),
        ({}, {"speed": "fast"}, ("standard", "fast")),
        ({}, {"inference_geo": "us"}, ("us",)),
        ({}, {"inference_geo": "global"}, ("standard",)),
        ({"inference_geo": "us"}, {}, ("us",)),
        ({"inference_geo": "us"}, {"inference_geo": "global"}, ("standard",)),
        ({"priority_tier": "yes"}, {}, ("standard", "priority")),
        ({"priority_tier": "yes"}, {"service_tier": "standard_only"}, ("standard",)),
        (
            {"priority_tier": "yes"},
            {"inference_geo": "us", "speed": "fast"},
            ("us", "fast+us", "priority+us", "priority+fast+us"),
        ),
    ],
)
def test_every_price_that_can_apply_is_named(
    options: dict[str, str], asked: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert tiers(options, **asked) == expected


@pytest.mark.parametrize("asked", [{"service_tier": "priority"}, {"service_tier": "batch"}, {"speed": "ludicrous"}])
def test_a_tier_that_this_api_does_not_have_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(RequestUnbounded, match=r"no known price at Anthropic: remove the field '\w+'\."):
        tiers({}, **asked)


def test_counting_tokens_costs_nothing_whatever_is_counted() -> None:
    asked = json.loads(request(tools=[{"type": "web_search_20250305", "name": "web_search"}]))
    del asked["max_tokens"]
    fields = read_count_tokens_request(json.dumps(asked).encode())
    bound = PROVIDER.bound(wire=Wire.ANTHROPIC_COUNT_TOKENS, connection=connection(), fields=fields)
    assert (bound.input_tokens, bound.calls, fields.max_output_tokens) == (0, {}, 0)


def error(kind: str, message: str = "no", **details: str) -> bytes:
    described = {"type": kind, "message": message, **({"details": details} if details else {})}
    return json.dumps({"type": "error", "error": described, "request_id": "req_1"}).encode()


SPEND_LIMIT = error("rate_limit_error", error_code="enforced_spend_limit_reached")
NO_CREDIT = error("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")


@pytest.mark.parametrize(
    ("status", "body", "billing", "is_retryable", "may_work_elsewhere"),
    [
        (400, error("invalid_request_error"), Billing.UNBILLED, False, False),
        (400, NO_CREDIT, Billing.UNBILLED, False, True),
        (401, error("authentication_error"), Billing.UNBILLED, False, True),
        (402, error("billing_error"), Billing.UNBILLED, False, True),
        (403, error("permission_error"), Billing.UNBILLED, False, True),
        (404, error("not_found_error"), Billing.UNBILLED, False, True),
        (413, error("request_too_large"), Billing.UNBILLED, False, False),
        (429, error("rate_limit_error"), Billing.UNBILLED, True, True),
        (429, SPEND_LIMIT, Billing.UNBILLED, False, True),
        (500, error("api_error"), Billing.UNKNOWN, True, True),
        (504, error("timeout_error"), Billing.UNKNOWN, True, True),
        (529, error("overloaded_error"), Billing.UNKNOWN, True, True),
    ],
)
def test_trap_24_each_error_says_what_it_costs_and_whether_another_attempt_is_worth_it(
    status: int, body: bytes, billing: Billing, is_retryable: bool, may_work_elsewhere: bool
) -> None:
    reading = PROVIDER.read_error(wire=WIRE, status=status, body=body)
    assert (reading.billing, reading.is_retryable, reading.may_work_elsewhere) == (
        billing,
        is_retryable,
        may_work_elsewhere,
    )
