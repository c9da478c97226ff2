"""What Gemini's API reports is read into exact classes; the traps of its counts have a test each."""

import json
from typing import Any

import pytest

from governance.plugin import TokenClass, UsageReport, UsageUnreadable
from governance.plugin.gemini import GeminiStreamMeter, read_reply, read_usage


def counted(report: UsageReport | None) -> dict[str, int]:
    assert report is not None
    return {kind.value: n for kind, n in report.usage.counts().items() if n and kind is not TokenClass.REQUEST}


def usage(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def chunk(text: str = "", *, finish: str | None = None, index: int | None = None, **counts: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}}
    candidate |= {"finishReason": finish} if finish else {}
    candidate |= {"index": index} if index is not None else {}
    return json.dumps({"candidates": [candidate], "usageMetadata": counts, "modelVersion": "m-1"}).encode()


def test_trap_01_the_prompt_includes_what_was_cached() -> None:
    report = read_usage(usage(promptTokenCount=100, cachedContentTokenCount=60, totalTokenCount=100))
    assert counted(report) == {"input": 40, "cache_read": 60}


def test_trap_02_thoughts_and_tools_stand_outside_candidates_and_prompt() -> None:
    reported = usage(
        promptTokenCount=147,
        toolUsePromptTokenCount=360,
        candidatesTokenCount=108,
        thoughtsTokenCount=168,
        totalTokenCount=783,
    )
    assert counted(read_usage(reported)) == {"input": 507, "output": 108, "reasoning": 168}


def test_trap_08_and_09_the_last_chunk_counts_neither_the_sum_nor_the_largest() -> None:
    meter = GeminiStreamMeter(choices=1)
    for prompt, candidates in ((46, 51), (46, 0), (40, 22)):
        meter.feed(chunk("a", promptTokenCount=prompt, candidatesTokenCount=candidates))
    assert meter.report() is None
    meter.feed(chunk("", finish="STOP", promptTokenCount=147, candidatesTokenCount=12))
    assert counted(meter.report()) == {"input": 147, "output": 12}


def test_trap_06_a_stream_that_was_cut_has_the_largest_of_each_count_so_far() -> None:
    meter = GeminiStreamMeter(choices=1)
    meter.feed(chunk("a", promptTokenCount=46, candidatesTokenCount=51, thoughtsTokenCount=101))
    meter.feed(chunk("b", promptTokenCount=60, candidatesTokenCount=10))
    running = meter.running()
    assert meter.report() is None and running is not None
    assert (running.input_tokens, running.output_tokens, running.reasoning_output_tokens) == (60, 152, 101)


def test_trap_10_a_field_that_is_absent_is_zero() -> None:
    assert counted(read_usage(b'{"promptTokenCount": 5}')) == {"input": 5}
    assert counted(read_usage(b'{"promptTokensDetails": [{"modality": "AUDIO"}]}')) == {}


def test_trap_15_the_tier_that_is_billed_stands_in_the_reply() -> None:
    tiers = {
        read_usage(usage(**said)).service_tier
        for said in ({"serviceTier": "standard"}, {"trafficType": "ON_DEMAND"}, {"serviceTier": "STANDARD"})
    }
    assert tiers == {"standard"}
    assert read_usage(usage(serviceTier="flex")).service_tier == "flex"
    assert read_usage(usage(trafficType="ON_DEMAND_PRIORITY")).service_tier == "priority"
    assert read_usage(usage(trafficType="PROVISIONED_THROUGHPUT")).service_tier == "provisioned_throughput"
    assert read_usage(usage()).service_tier is None


def test_trap_19_the_model_that_answered_stands_in_the_reply() -> None:
    report = read_reply(json.dumps({"modelVersion": "flash-002", "usageMetadata": {"promptTokenCount": 1}}).encode())
    assert report is not None and report.served_model == "flash-002"


def test_trap_23_an_error_within_a_stream_leaves_its_cost_unknown() -> None:
    meter = GeminiStreamMeter(choices=1)
    meter.feed(chunk("a", promptTokenCount=4, candidatesTokenCount=2))
    assert meter.feed(b'{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}')
    assert meter.report() is None and meter.running() is not None


def test_trap_26_an_empty_answer_costs_what_was_thought() -> None:
    body = json.dumps(
        {
            "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}],
            "usageMetadata": {"promptTokenCount": 8, "thoughtsTokenCount": 95, "totalTokenCount": 103},
        }
    ).encode()
    assert counted(read_reply(body)) == {"input": 8, "reasoning": 95}


def test_trap_28_every_candidate_must_have_finished() -> None:
    meter = GeminiStreamMeter(choices=2)
    meter.feed(chunk("a", finish="STOP", promptTokenCount=4, candidatesTokenCount=2))
    assert meter.report() is None
    meter.feed(chunk("b", finish="STOP", index=1, promptTokenCount=4, candidatesTokenCount=5))
    assert counted(meter.report()) == {"input": 4, "output": 5}


def test_trap_33_details_beyond_their_total_are_taken_at_their_word() -> None:
    reported = usage(promptTokenCount=5, promptTokensDetails=[{"modality": "AUDIO", "tokenCount": 9}])
    assert counted(read_usage(reported)) == {"input_audio": 9}


def test_trap_35_a_byte_order_mark_is_no_reason_to_lose_the_usage() -> None:
    assert counted(read_reply(b'\xef\xbb\xbf{"usageMetadata": {"promptTokenCount": 3}}')) == {"input": 3}


def test_audio_is_dearer_and_cached_audio_stays_with_it() -> None:
    reported = usage(
        promptTokenCount=100,
        cachedContentTokenCount=50,
        promptTokensDetails=[
            {"modality": "TEXT", "tokenCount": 20},
            {"modality": "AUDIO", "tokenCount": 60},
            {"modality": "IMAGE", "tokenCount": 20},
        ],
        cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 40}, {"modality": "IMAGE", "tokenCount": 10}],
        candidatesTokenCount=30,
        candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 25}],
    )
    assert counted(read_usage(reported)) == {
        "input": 20,
        "cache_read": 10,
        "input_audio": 60,
        "input_image": 10,
        "output": 5,
        "output_image": 25,
    }


def test_a_total_of_more_than_its_parts_is_billed_as_output() -> None:
    reported = usage(promptTokenCount=10, candidatesTokenCount=5, totalTokenCount=20)
    assert counted(read_usage(reported)) == {"input": 10, "output": 5, "reasoning": 5}


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b'{"promptTokenCount": -1}',
        b'{"promptTokenCount": 1.5}',
        b'{"promptTokenCount": "7"}',
        b'{"candidatesTokenCount": true}',
        b'{"thoughtsTokenCount": 99999999999999}',
        b'{"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": -4}]}',
    ],
)
def test_counts_that_are_none_are_not_believed(raw: bytes) -> None:
    with pytest.raises(UsageUnreadable, match=r"\.$"):
        read_usage(raw)


def test_a_reply_without_usage_reports_none() -> None:
    assert read_reply(b'{"candidates": []}') is None
    with pytest.raises(UsageUnreadable, match="not the JSON"):
        read_reply(b"<html>")


def test_a_blocked_prompt_is_final_without_a_candidate() -> None:
    meter = GeminiStreamMeter(choices=1)
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 6}}
    meter.feed(json.dumps(blocked).encode())
    assert counted(meter.report()) == {"input": 6}


def test_usage_that_cannot_be_believed_takes_back_what_was_final() -> None:
    meter = GeminiStreamMeter(choices=1)
    meter.feed(chunk("a", finish="STOP", promptTokenCount=4))
    meter.feed(chunk("", promptTokenCount=-4))
    assert meter.report() is None
    meter.feed(b"not json")
    assert meter.report() is None and meter.running() is not None


def test_visible_output_is_counted_whatever_it_is_made_of() -> None:
    meter = GeminiStreamMeter(choices=1)
    meter.feed(chunk("héllo"))
    call = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}}]}
    meter.feed(json.dumps(call).encode())
    meter.feed(chunk(""))
    assert meter.seen_output_events() == 2
    assert meter.seen_output_bytes() == len(json.dumps("héllo")) - 2 + len('{"name": "f", "args": {"a": 1}}')


def test_a_reply_that_shows_more_than_it_reports_is_doubtful() -> None:
    body = json.dumps(
        {
            "candidates": [{"content": {"parts": [{"text": "x" * 1000}]}}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2},
        }
    ).encode()
    report = read_reply(body)
    assert report is not None and report.is_doubtful
