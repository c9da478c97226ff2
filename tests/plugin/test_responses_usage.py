"""Usage of the Responses wire is read by declared conventions, in replies and in the event that ends a stream."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.plugin import TokenClass, UsageReport, UsageUnreadable
from governance.plugin.openai_responses import ResponsesStreamMeter, read_response

TOKENS = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}


def read(usage: Any, *, cache: bool = True, inside: bool = True, **fields: Any) -> UsageReport:
    body = json.dumps({"object": "response", "model": "m-1", "usage": usage, **fields}).encode()
    report = read_response(body, input_includes_cache=cache, output_includes_reasoning=inside)
    assert report is not None
    return report


def meter() -> ResponsesStreamMeter:
    return ResponsesStreamMeter(input_includes_cache=True, output_includes_reasoning=True)


def event(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, "sequence_number": 1, **fields}).encode()


def ending(kind: str, usage: Any, **fields: Any) -> bytes:
    return event(kind, response={"model": "m-1", "service_tier": "default", "usage": usage, **fields})


def test_trap_01_cached_tokens_are_inside_or_beside_the_input_as_declared() -> None:
    usage = {**TOKENS, "input_tokens": 100, "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10}}
    assert read(usage).usage.input_tokens == 100
    assert read(usage, cache=False).usage.input_tokens == 150


def test_trap_02_reasoning_is_inside_or_beside_the_output_as_declared() -> None:
    usage = {**TOKENS, "output_tokens": 30, "output_tokens_details": {"reasoning_tokens": 20}}
    assert read(usage).usage.output_tokens == 30
    assert read(usage, inside=False).usage.output_tokens == 50


def test_trap_12_cache_writes_are_told_apart_by_how_long_they_last() -> None:
    written = {"ttl_30m_tokens": 3000, "ttl_12h_tokens": 1000}
    details = {"cached_tokens": 8, "cache_write_tokens": 4000, "cache_write_tokens_details": written}
    usage = {"input_tokens": 4020, "output_tokens": 4, "input_tokens_details": details}
    counts = read(usage).usage.counts()
    assert counts[TokenClass.INPUT] == 12
    assert counts[TokenClass.CACHE_READ] == 8
    assert counts[TokenClass.CACHE_WRITE] == 3000
    assert counts[TokenClass.CACHE_WRITE_LONG] == 1000


@pytest.mark.parametrize(
    ("said", "billed"),
    [("default", "standard"), ("auto", None), (None, None), ("fast", "priority"), ("flex", "flex"), ("new", "new")],
)
def test_trap_15_the_tier_is_the_replys(said: str | None, billed: str | None) -> None:
    assert read(TOKENS, service_tier=said).service_tier == billed


def test_trap_21_searches_are_counted_from_the_output_where_nothing_else_counts_them() -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
        {"type": "web_search_call", "action": {"type": "open_page", "url": "https://example.test"}},
        {"type": "web_search_call", "action": {"type": "find_in_page"}},
        {"type": "web_search_call", "status": "completed"},
        {"type": "message", "content": [{"type": "output_text", "text": "web_search_call"}]},
    ]
    assert read(TOKENS, output=output).usage.web_search_calls == 2
    assert read(TOKENS, output=output, tool_usage={"web_search": {"num_requests": 5}}).usage.web_search_calls == 5
    xai = {**TOKENS, "server_side_tool_usage_details": {"web_search_calls": 3, "x_search_calls": 1}}
    assert read(xai, output=output).usage.web_search_calls == 4
    assert read(TOKENS, output=[]).usage.web_search_calls == 0


def test_the_vendors_own_cost_is_kept_exactly() -> None:
    assert read({**TOKENS, "cost_in_usd_ticks": 177640000}).vendor_cost == "0.0177640000"
    assert read({**TOKENS, "cost": 0.0001}).vendor_cost == "0.0001"
    assert read(TOKENS).vendor_cost is None


@pytest.mark.parametrize(
    "usage",
    [
        {},
        [],
        5,
        {"input_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 2**60},
        {"input_tokens": 1, "output_tokens": 1, "input_tokens_details": {"cached_tokens": -1}},
    ],
)
def test_a_report_that_cannot_be_believed_is_no_usage(usage: Any) -> None:
    with pytest.raises(UsageUnreadable):
        read(usage)
    metered = meter()
    metered.feed(ending("response.completed", usage))
    assert metered.report() is None


def test_a_reply_without_usage_reports_none() -> None:
    for body in (b'{"object":"response","usage":null}', b'{"object":"response"}'):
        assert read_response(body, input_includes_cache=True, output_includes_reasoning=True) is None


def test_a_reply_that_shows_more_than_it_reports_is_doubtful() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "x" * 1000}]}]
    assert read(TOKENS, output=output).is_doubtful
    assert not read(TOKENS, output=[], instructions="x" * 1000).is_doubtful


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_trap_23_every_event_that_ends_a_response_is_billed(kind: str) -> None:
    metered = meter()
    assert metered.feed(event("response.created", response={"usage": None, "tools": []}))
    assert metered.report() is None
    assert metered.feed(ending(kind, TOKENS))
    report = metered.report()
    assert report is not None
    assert (report.usage.input_tokens, report.usage.output_tokens) == (9, 3)
    assert (report.served_model, report.service_tier) == ("m-1", "standard")
    assert metered.running() == report.usage


def test_a_response_that_failed_without_usage_costs_nobody_knows_what() -> None:
    metered = meter()
    metered.feed(ending("response.failed", None, error={"code": "server_error", "message": "no"}))
    assert metered.report() is None
    metered.feed(event("error", code="server_error", message="no", param=None))
    assert metered.report() is metered.running() is None


def test_usage_in_any_other_event_is_not_the_end() -> None:
    metered = meter()
    schema = {"type": "function", "parameters": {"properties": {"usage": {"type": "object", **TOKENS}}}}
    metered.feed(event("response.created", response={"tools": [schema], "usage": None}))
    metered.feed(ending("response.in_progress", TOKENS))
    metered.feed(event("response.output_text.delta", delta='"usage":{"input_tokens":1,"output_tokens":1}'))
    assert metered.report() is None


def test_every_kind_of_delta_is_output_and_padding_is_not() -> None:
    metered = meter()
    for kind in ("output_text", "refusal", "function_call_arguments", "reasoning_summary_text", "reasoning_text"):
        metered.feed(event(f"response.{kind}.delta", delta="abc", obfuscation="xxxxxxxx"))
        metered.feed(event(f"response.{kind}.done", text="abc"))
    metered.feed(event("response.output_text.delta", delta=""))
    assert (metered.seen_output_bytes(), metered.seen_output_events()) == (15, 5)


@given(st.binary(max_size=200))
def test_no_event_makes_the_meter_raise(data: bytes) -> None:
    metered = meter()
    assert metered.feed(data)
    assert metered.report() is None
