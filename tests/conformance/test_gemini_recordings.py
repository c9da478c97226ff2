"""Real replies on Gemini's wire, read into exact token classes and the cost a person computes from the price page."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bursar_plugin_gemini import Gemini

from governance.catalog.rating import PriceLine, RateCard
from governance.plugin import GoverningFields, UsageReport, Wire
from governance.plugin.gemini import batch_embed_fields, generate_fields
from governance.plugin.splicing import Members
from governance.plugin.testing import CANARY, Subject, check_recorded_reply, check_recorded_stream
from governance.plugin.usage import TokenClass
from tests.support.recordings import counted, exchange

SUBJECT = Subject(provider=Gemini(), base_url="https://api.example.test/v1beta")
FIELDS = GoverningFields(model="m", stream=True, body_bytes=1, messages=1)
FLASH_3 = {"input": "500", "output": "3000"}
"""USD per thousand million tokens: 0.50 in, 3.00 out per million. Thoughts are billed as output."""


def nano(report: UsageReport, prices: dict[str, str]) -> int:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    lines = [
        PriceLine(
            id=number,
            token_class=TokenClass(name),
            nano_per_unit=Decimal(price),
            from_input_tokens=0,
            service_tier=tier,
            effective_from=datetime(2026, 1, 1, tzinfo=UTC),
            effective_to=None,
        )
        for tier, share in (("standard", 1), ("flex", 2))
        for number, (name, price) in enumerate((each, str(Decimal(p) / share)) for each, p in prices.items())
    ]
    return RateCard(lines, at=at).rate(report.usage, service_tier=report.service_tier or "standard").charge_nano


@pytest.mark.parametrize(
    ("name", "number", "expected", "tier", "prices", "charge"),
    [
        (
            "gemini-2.5-flash-stream-usage-midstream.json",
            0,
            {"input": 18, "output": 80, "reasoning": 35},
            "standard",
            {"input": "300", "output": "2500"},
            18 * 300 + 115 * 2500,
        ),
        (
            "gemini-3-flash-stream-codeexec.json",
            0,
            {"input": 507, "output": 108, "reasoning": 168},
            None,
            FLASH_3,
            507 * 500 + 276 * 3000,
        ),
        (
            "gemini-3-tools-thought-signature-raw.json",
            0,
            {"input": 60, "output": 16, "reasoning": 32},
            None,
            FLASH_3,
            60 * 500 + 48 * 3000,
        ),
        (
            "gemini-3-tools-thought-signature-raw.json",
            1,
            {"input": 121, "output": 9},
            None,
            FLASH_3,
            121 * 500 + 9 * 3000,
        ),
    ],
)
def test_a_recorded_stream_gives_exact_classes_and_cost(
    name: str, number: int, expected: dict[str, int], tier: str | None, prices: dict[str, str], charge: int
) -> None:
    body = exchange(name, number)["response"]["body"].encode()
    report = check_recorded_stream(SUBJECT, wire=Wire.GEMINI_GENERATE, body=body, fields=FIELDS, may_hide=False)
    assert (counted(report), report.service_tier) == (expected, tier)
    assert nano(report, prices) == charge
    assert report.raw in body and (report.served_model or "").startswith("gemini-")


@pytest.mark.parametrize(
    ("name", "expected", "tier", "charge"),
    [
        ("vertex-generateContent.json", {"input": 13, "output": 8}, "standard", 13 * 500 + 8 * 3000),
        ("vertex-flex-tier.json", {"input": 5, "output": 1, "reasoning": 51}, "flex", 5 * 250 + 52 * 1500),
    ],
)
def test_a_recorded_reply_gives_exact_classes_and_the_tiers_price(
    name: str, expected: dict[str, int], tier: str, charge: int
) -> None:
    recorded = exchange(name)
    report = check_recorded_reply(
        SUBJECT,
        wire=Wire.GEMINI_GENERATE,
        body=recorded["response"]["body"].encode(),
        request=json.dumps(recorded["request"]["body"]).encode(),
    )
    assert (counted(report), report.service_tier) == (expected, tier)
    assert nano(report, FLASH_3) == charge


@pytest.mark.parametrize("number", [0, 1])
def test_the_bound_covers_the_recorded_conversation_with_tools(number: int) -> None:
    recorded = exchange("gemini-3-tools-thought-signature-raw.json", number)
    members = Members(json.dumps(recorded["request"]["body"]).encode())
    bound = SUBJECT.provider.bound(
        wire=Wire.GEMINI_GENERATE,
        connection=SUBJECT.connection(),
        fields=generate_fields(members, model="gemini-3-flash-preview", stream=True),
    )
    assert bound.input_tokens >= (60, 121)[number]


def test_trap_34_recorded_embeddings_report_nothing_and_their_bound_covers_what_was_counted() -> None:
    recorded, counts = exchange("gemini-embedding-2-no-usage.json"), exchange("gemini-countTokens.json")
    provider, connection = Gemini(), SUBJECT.connection()
    wire = Wire.GEMINI_BATCH_EMBED
    body = recorded["response"]["body"].encode()
    assert provider.read_reply(wire=wire, connection=connection, body=body) is None
    members = Members(json.dumps(recorded["request"]["body"]).encode())
    fields = batch_embed_fields(members, model="gemini-embedding-2-preview")
    booked = provider.unreported(wire=wire, connection=connection, fields=fields)
    # The same text, counted by the vendor.
    assert "Hello, world!" in str(recorded["request"]) and "Hello, world!" in str(counts["request"])
    assert booked is not None and booked.input_tokens >= json.loads(counts["response"]["body"])["totalTokens"]


def test_a_recorded_embedding_with_a_report_is_read() -> None:
    body = exchange("vertex-embedding-2-usageMetadata.json")["response"]["body"].encode()
    report = check_recorded_reply(SUBJECT, wire=Wire.GEMINI_EMBED, body=body)
    assert counted(report) == {"input": 11}


def test_a_recorded_refusal_is_unbilled() -> None:
    recorded: dict[str, Any] = exchange("gemini-404-model.json")["response"]
    body = recorded["body"].encode()
    reading = Gemini().read_error(wire=Wire.GEMINI_GENERATE, status=recorded["status"], body=body)
    assert (reading.billing, reading.is_retryable, reading.may_work_elsewhere) == ("unbilled", False, True)
    assert CANARY not in str(reading)
