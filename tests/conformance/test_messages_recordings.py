"""Anthropic's real replies, read into exact token classes and the cost that a person computes from its price page."""

import json
from decimal import Decimal
from typing import Any

import pytest
from bursar_plugin_anthropic import Anthropic

from governance.plugin import GoverningFields, StreamMeter, TokenClass, Usage, UsageReport, UsageUnreadable, Wire
from governance.plugin.anthropic_messages import MessageStreamMeter, read_messages_reply
from governance.plugin.sse import EventSplitter
from governance.plugin.testing import Subject, check_recorded_reply, check_recorded_stream
from tests.support.recordings import counted, exchange

SUBJECT = Subject(provider=Anthropic(), base_url="https://api.example.test")
FIELDS = GoverningFields(model="m", stream=True, body_bytes=1, messages=1)
SEARCHING = GoverningFields(model="m", stream=True, body_bytes=1, messages=1, paid_tools=("web_search_20250305",))

USD_PER_MILLION = {
    "claude-sonnet-4-5-20250929": {"input": "3", "output": "15", "reasoning": "15"},
    "claude-haiku-4-5-20251001": {"input": "1", "output": "5", "reasoning": "5"},
    "claude-opus-4-1-20250805": {"input": "15", "output": "75", "reasoning": "75", "web_search": "10000"},
    "claude-opus-4-8": {"input": "5", "output": "25", "reasoning": "25"},
}
"""List prices of Anthropic's page at the time of the recordings; a web search is 10 USD per thousand."""


def cost_usd(report: UsageReport) -> Decimal:
    prices = USD_PER_MILLION[report.served_model or ""]
    return sum((Decimal(prices[kind]) * count for kind, count in counted(report).items()), Decimal(0)) / 10**6


def test_a_recorded_reply_gives_exact_classes_and_its_cost() -> None:
    recorded = exchange("anthropic-cache-breakpoint-opus4.8.json")
    report = check_recorded_reply(
        SUBJECT,
        wire=Wire.ANTHROPIC_MESSAGES,
        body=recorded["response"]["body"].encode(),
        request=json.dumps(recorded["request"]["body"]).encode(),
    )
    assert counted(report) == {"input": 68, "output": 359}
    assert cost_usd(report) == Decimal("0.009315")
    assert report.raw in recorded["response"]["body"].encode()
    assert report.service_tier == "standard"


@pytest.mark.parametrize(
    ("name", "fields", "expected", "cost"),
    [
        ("anthropic-stream-simple.json", FIELDS, {"input": 20, "output": 5}, "0.000135"),
        ("anthropic-thinking-stream.json", FIELDS, {"input": 46, "output": 133}, "0.000711"),
        (
            "anthropic-websearch-stream-with-ratelimit-headers.json",
            SEARCHING,
            {"input": 10423, "output": 341, "web_search": 1},
            "0.19192",
        ),
    ],
)
def test_a_recorded_stream_gives_exact_classes_and_its_cost(
    name: str, fields: GoverningFields, expected: dict[str, int], cost: str
) -> None:
    body = exchange(name)["response"]["body"].encode()
    report = check_recorded_stream(SUBJECT, wire=Wire.ANTHROPIC_MESSAGES, body=body, fields=fields, may_hide=False)
    assert counted(report) == expected
    assert cost_usd(report) == Decimal(cost)
    assert set(json.loads(report.raw)) == {"message_start", "message_delta"}
    assert not report.is_doubtful and report.visible_output_bytes > 0


def test_trap_34_a_recorded_count_of_tokens_used_none() -> None:
    recorded = exchange("anthropic-count_tokens.json")
    report = check_recorded_reply(
        SUBJECT,
        wire=Wire.ANTHROPIC_COUNT_TOKENS,
        body=recorded["response"]["body"].encode(),
        request=json.dumps(recorded["request"]["body"]).encode(),
    )
    assert (counted(report), report.raw) == ({}, b'{"input_tokens": 16}')


def test_a_recorded_refusal_is_unbilled_and_final() -> None:
    recorded = exchange("anthropic-400-effort.json")["response"]
    reading = Anthropic().read_error(
        wire=Wire.ANTHROPIC_MESSAGES, status=recorded["status"], body=recorded["body"].encode()
    )
    assert (recorded["status"], reading.billing, reading.is_retryable) == (400, "unbilled", False)


def reply(usage: dict[str, Any], model: str = "claude-sonnet-5") -> bytes:
    return json.dumps({"type": "message", "model": model, "content": [], "usage": usage}).encode()


def usage_of(usage: dict[str, Any]) -> Usage:
    report = read_messages_reply(reply(usage))
    assert report is not None
    return report.usage


def fed(*events: dict[str, Any], may_grow: bool = False) -> MessageStreamMeter:
    meter = MessageStreamMeter(service_tiers=("standard",), may_grow=may_grow)
    for event in events:
        assert meter.feed(json.dumps(event).encode())
    return meter


def begun(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"model": "claude-sonnet-5", "usage": {"output_tokens": 1, **usage}}}


def ended(**usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


def test_trap_01_input_leaves_out_the_cache_and_ours_includes_it() -> None:
    usage = usage_of(
        {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 7}
    )
    assert (usage.input_tokens, usage.output_tokens) == (125, 7)
    assert usage.counts()[TokenClass.INPUT] == 5


def test_trap_02_thinking_is_inside_the_output() -> None:
    usage = usage_of({"input_tokens": 5, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 28}})
    counts = usage.counts()
    assert (usage.output_tokens, counts[TokenClass.OUTPUT], counts[TokenClass.REASONING]) == (50, 22, 28)


def test_trap_06_what_was_reported_so_far_is_running_and_not_final() -> None:
    meter = fed(begun(input_tokens=9), {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hel"}})
    running = meter.running()
    assert running is not None and (running.input_tokens, running.output_tokens) == (9, 1)
    assert (meter.report(), meter.seen_output_bytes(), meter.seen_output_events()) == (None, 3, 1)


def test_trap_07_message_start_is_not_final_and_message_delta_replaces_it() -> None:
    body = exchange("anthropic-websearch-stream-with-ratelimit-headers.json")["response"]["body"].encode()
    meter: StreamMeter = Anthropic().stream_meter(
        wire=Wire.ANTHROPIC_MESSAGES, connection=SUBJECT.connection(), fields=SEARCHING
    )
    seen = []
    for event in EventSplitter().feed(body):
        meter.feed(event.data or b"")
        running = meter.running()
        seen.append(running.input_tokens if running else None)
    assert (seen[0], seen[-1]) == (2039, 10423)
    assert getattr(meter, "bounds")() is None  # noqa: B009 - a meter need not have it


def test_trap_07_without_tools_of_the_vendor_the_first_count_of_input_bounds_it() -> None:
    meter = fed(begun(input_tokens=9, cache_read_input_tokens=100))
    bound = meter.bounds()
    assert bound is not None and (bound.input_tokens, bound.service_tiers) == (109, ("standard",))
    assert fed(begun(input_tokens=9), may_grow=True).bounds() is None


def test_trap_08_reports_are_cumulative_and_never_added() -> None:
    meter = fed(begun(input_tokens=9), ended(output_tokens=40) | {"delta": {}}, ended(output_tokens=50))
    report = meter.report()
    assert report is not None and (report.usage.input_tokens, report.usage.output_tokens) == (9, 50)


def test_trap_11_tokens_of_a_second_model_are_never_dropped() -> None:
    body = exchange("anthropic-sonnet5-advisor-tool.json")["response"]["body"].encode()
    with pytest.raises(UsageUnreadable, match=r"of a second model, 'claude-opus-4-8'") as caught:
        read_messages_reply(body)
    assert caught.value.reason == "usage_of_a_second_model"
    iterations = [{"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 1, "output_tokens": 1}]
    meter = fed(begun(input_tokens=9), ended(output_tokens=5, iterations=iterations))
    with pytest.raises(UsageUnreadable) as in_stream:
        meter.report()
    assert (in_stream.value.reason, meter.running()) == ("usage_of_a_second_model", None)


def test_trap_11_what_this_model_used_beside_the_totals_is_added() -> None:
    iterations = [
        {"type": "message", "input_tokens": 9, "output_tokens": 5},
        {"type": "compaction", "input_tokens": 100, "cache_read_input_tokens": 30, "output_tokens": 40},
    ]
    usage = usage_of({"input_tokens": 9, "output_tokens": 5, "iterations": iterations})
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (139, 30, 45)
    with pytest.raises(UsageUnreadable, match="a kind that is not known: 'dream'"):
        usage_of({"input_tokens": 9, "output_tokens": 5, "iterations": [{"type": "dream"}]})


@pytest.mark.parametrize(
    ("split", "written", "expected"),
    [
        ({"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0}, 20, (20, 0)),
        ({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20}, 20, (0, 20)),
        ({"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 20}, 25, (5, 20)),
        ({"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 0}, 9, (9, 0)),
        ({"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 20}, 30, (5, 25)),
        (None, 9, (9, 0)),
    ],
)
def test_trap_12_how_long_cached_tokens_stay_is_said_when_a_stream_begins(
    split: dict[str, int] | None, written: int, expected: tuple[int, int]
) -> None:
    first = begun(input_tokens=9, cache_creation_input_tokens=1, cache_creation=split)
    report = fed(first, ended(output_tokens=5, cache_creation_input_tokens=written)).report()
    assert report is not None
    counts = report.usage.counts()
    assert (counts[TokenClass.CACHE_WRITE], counts[TokenClass.CACHE_WRITE_LONG]) == expected


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({}, "standard"),
        ({"service_tier": "standard", "speed": "standard", "inference_geo": "global"}, "standard"),
        ({"inference_geo": "not_available"}, "standard"),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "batch"}, "batch"),
        ({"speed": "fast"}, "fast"),
        ({"inference_geo": "us"}, "us"),
        ({"service_tier": "priority", "speed": "fast", "inference_geo": "us"}, "priority+fast+us"),
    ],
)
def test_traps_15_and_16_the_tier_is_what_the_reply_says_of_tier_speed_and_place(
    said: dict[str, str], tier: str
) -> None:
    whole = read_messages_reply(reply({"input_tokens": 9, "output_tokens": 5, **said}))
    streamed = fed(begun(input_tokens=9, **said), ended(output_tokens=5)).report()
    assert whole is not None and streamed is not None
    assert whole.service_tier == streamed.service_tier == tier


def test_trap_21_searches_are_counted_beside_tokens() -> None:
    usage = usage_of({"input_tokens": 9, "output_tokens": 5, "server_tool_use": {"web_search_requests": 3}})
    assert usage.counts()[TokenClass.WEB_SEARCH] == 3


def test_trap_23_an_error_within_a_stream_ends_it_without_final_usage() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert fed(begun(input_tokens=9), error, {"type": "message_stop"}).report() is None


def test_usage_is_final_at_the_latest_when_the_message_stops() -> None:
    unfinished = ended(output_tokens=5) | {"delta": {"stop_reason": None}}
    assert fed(begun(input_tokens=9), unfinished).report() is None
    assert fed(begun(input_tokens=9), unfinished, {"type": "message_stop"}).report() is not None


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"input_tokens": 9},
        {"output_tokens": 9},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1},
        {"input_tokens": "1", "output_tokens": 1},
        {"input_tokens": 2**63, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": -5},
        {"input_tokens": 1, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": -5}},
    ],
)
def test_a_report_that_is_none_is_not_believed(usage: dict[str, Any]) -> None:
    with pytest.raises(UsageUnreadable):
        read_messages_reply(reply(usage))
    with pytest.raises(UsageUnreadable):
        fed(begun(), ended(**usage)).report()


def test_text_that_looks_like_usage_is_only_text() -> None:
    text = {"type": "text_delta", "text": '{"usage": {"input_tokens": 5}} "message_stop"'}
    meter = fed(begun(input_tokens=9), {"type": "content_block_delta", "delta": text})
    used = {"type": "tool_use", "input": {"usage": {"output_tokens": 9}, "type": "message_delta"}}
    meter.feed(json.dumps({"type": "content_block_start", "content_block": used}).encode())
    running = meter.running()
    assert meter.report() is None and running is not None and running.output_tokens == 1
