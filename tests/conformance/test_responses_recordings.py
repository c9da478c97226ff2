"""Real vendors' replies on the Responses, embeddings and chat wires of OpenAI: exact classes, and what they cost.

Prices are those of the vendors' pages at the time of each reply, in nano-USD per token (USD per million tokens, times a
thousand).
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bursar_plugin_openai import OpenAI

from governance.catalog.rating import PriceLine, RateCard
from governance.plugin import GoverningFields, TokenClass, UsageReport, Wire
from governance.plugin.openai_chat import ChatConventions, StreamUsage
from governance.plugin.openai_responses import OpenAIResponsesProvider, ResponsesConventions
from governance.plugin.testing import Subject, check_recorded_reply, check_recorded_stream
from tests.support.recordings import counted, exchange

AT = datetime(2026, 11, 25, tzinfo=UTC)
GPT_4_1_MINI = {"input": 400, "cache_read": 100, "output": 1_600}
GPT_5_FLEX = {"input": 625, "cache_read": Decimal("62.5"), "output": 5_000}
GPT_5_6_SOL = {"input": 4_000, "cache_read": 400, "cache_write": 5_000, "output": 20_000}
EMBEDDING_SMALL = {"input": 20}
GROK_4_FAST = {"input": 200, "cache_read": 50, "output": 500, "web_search": 5_000_000}
GROK_4_6 = {"input": 2_000, "cache_read": 500, "output": 6_000, "web_search": 5_000_000}
DEEPSEEK_FLASH = {"input": 140, "cache_read": Decimal("2.8"), "output": 280}


class ThirdParty(OpenAIResponsesProvider):
    """A vendor that serves this wire, as its plugin would say it."""

    responses_conventions = ResponsesConventions(input_includes_cache=True, output_includes_reasoning=True)

    def __init__(self) -> None:
        conventions = ChatConventions(
            input_includes_cache=True, output_includes_reasoning=False, stream_usage=StreamUsage.ASK
        )
        super().__init__(
            name="third_party",
            title="Third party",
            default_base_url="https://api.example.test/v1",
            needs_credential=True,
            conventions=conventions,
        )


OPENAI = Subject(provider=OpenAI(), base_url="https://api.openai.com/v1")
THIRD = Subject(provider=ThirdParty(), base_url="https://api.example.test/v1")


def cost_nano(report: UsageReport, prices: dict[str, Any]) -> int:
    lines = [
        PriceLine(
            id=number,
            token_class=TokenClass(name),
            nano_per_unit=Decimal(price),
            from_input_tokens=0,
            service_tier=report.service_tier or "standard",
            effective_from=datetime(2025, 1, 1, tzinfo=UTC),
            effective_to=None,
        )
        for number, (name, price) in enumerate(prices.items())
    ]
    rated = RateCard(lines, at=AT).rate(report.usage, service_tier=report.service_tier or "standard")
    assert not rated.is_assumed
    return rated.charge_nano


@pytest.mark.parametrize(
    ("name", "number", "wire", "expected", "prices", "cost"),
    [
        (
            "openai-responses-input_tokens-count.json",
            1,
            Wire.OPENAI_RESPONSES,
            {"input": 18, "output": 28},
            GPT_4_1_MINI,
            18 * 400 + 28 * 1_600,
        ),
        (
            "azure-openai-responses-gpt5.6-sol.json",
            0,
            Wire.OPENAI_RESPONSES,
            {"input": 18, "output": 5},
            GPT_5_6_SOL,
            18 * 4_000 + 5 * 20_000,
        ),
        ("openai-embeddings.json", 0, Wire.OPENAI_EMBEDDINGS, {"input": 4}, EMBEDDING_SMALL, 4 * 20),
        ("openai-responses-input_tokens-count.json", 0, Wire.OPENAI_INPUT_TOKENS, {}, GPT_4_1_MINI, 0),
        (
            "openai-chat-promptcache-write-gpt5.6-sol.json",
            0,
            Wire.OPENAI_CHAT,
            {"input": 8, "cache_write": 4012, "output": 4},
            GPT_5_6_SOL,
            8 * 4_000 + 4012 * 5_000 + 4 * 20_000,
        ),
        (
            "openai-chat-promptcache-write-gpt5.6-sol.json",
            1,
            Wire.OPENAI_CHAT,
            {"input": 8, "cache_read": 4012, "output": 4},
            GPT_5_6_SOL,
            8 * 4_000 + 4012 * 400 + 4 * 20_000,
        ),
    ],
)
def test_a_recorded_reply_gives_exact_classes_and_cost(
    name: str, number: int, wire: Wire, expected: dict[str, int], prices: dict[str, Any], cost: int
) -> None:
    recorded = exchange(name, number)
    body = recorded["response"]["body"].encode()
    is_free = wire is Wire.OPENAI_INPUT_TOKENS
    report = check_recorded_reply(
        OPENAI, wire=wire, body=body, request=None if is_free else json.dumps(recorded["request"]["body"]).encode()
    )
    assert counted(report) == expected
    assert cost_nano(report, prices) == cost
    assert report.raw in body
    assert is_free or report.served_model


@pytest.mark.parametrize(
    ("subject", "name", "expected", "tier", "prices", "cost"),
    [
        (
            OPENAI,
            "openai-responses-stream-usage-gpt5.json",
            {"input": 53, "output": 21, "reasoning": 448},
            "flex",
            GPT_5_FLEX,
            53 * 625 + 469 * 5_000,
        ),
        (
            THIRD,
            "deepseek-responses-v4-flash-stream.json",
            {"input": 90, "output": 8, "reasoning": 7},
            "standard",
            DEEPSEEK_FLASH,
            90 * 140 + 15 * 280,
        ),
        (
            THIRD,
            "xai-responses-websearch-stream.json",
            {"input": 297, "cache_read": 1578, "output": 298, "reasoning": 397, "web_search": 1},
            None,
            GROK_4_FAST,
            297 * 200 + 1578 * 50 + 695 * 500 + 5_000_000,
        ),
    ],
)
def test_a_recorded_stream_gives_exact_classes_and_cost(
    subject: Subject, name: str, expected: dict[str, int], tier: str | None, prices: dict[str, Any], cost: int
) -> None:
    body = exchange(name)["response"]["body"].encode()
    fields = GoverningFields(model="m", stream=True, body_bytes=1, messages=1, client_wants_usage=True)
    report = check_recorded_stream(subject, wire=Wire.OPENAI_RESPONSES, body=body, fields=fields)
    assert (counted(report), report.service_tier) == (expected, tier)
    assert cost_nano(report, prices) == cost
    assert not report.is_doubtful


def test_trap_03_xai_counts_reasoning_inside_here_and_bills_what_we_compute() -> None:
    data = exchange("xai-responses-grok4.6-completed-event.json")["response"]["body"]
    body = f"event: response.completed\ndata: {data}\n\n".encode()
    fields = GoverningFields(model="m", stream=True, body_bytes=1, messages=1, client_wants_usage=True)
    report = check_recorded_stream(THIRD, wire=Wire.OPENAI_RESPONSES, body=body, fields=fields)
    assert counted(report) == {"input": 4315, "cache_read": 1152, "output": 18, "reasoning": 575, "web_search": 1}
    assert report.vendor_cost == "0.0177640000"
    assert cost_nano(report, GROK_4_6) == Decimal(report.vendor_cost) * 10**9 == 17_764_000


@pytest.mark.parametrize(
    ("subject", "name", "status"),
    [(OPENAI, "openai-responses-400-model.json", 400), (THIRD, "deepseek-responses-400.json", 400)],
)
def test_trap_35_a_recorded_refusal_is_unbilled_whatever_its_content_type(
    subject: Subject, name: str, status: int
) -> None:
    recorded = exchange(name)["response"]
    reading = subject.provider.read_error(
        wire=Wire.OPENAI_RESPONSES, status=recorded["status"], body=recorded["body"].encode()
    )
    assert (recorded["status"], reading.billing, reading.is_retryable) == (status, "unbilled", False)
