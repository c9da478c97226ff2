"""Usage of the chat wire is read by declared conventions, and a report that cannot be believed is not usage."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.plugin import Usage, UsageUnreadable
from governance.plugin.openai_chat import ChatStreamMeter, read_chat_reply, read_chat_usage


def read(*, inside: bool = True, cache: bool = True, **usage: Any) -> Usage:
    raw = json.dumps(usage).encode()
    return read_chat_usage(raw, input_includes_cache=cache, output_includes_reasoning=inside).usage


def meter(*, choices: int = 1, hides: bool = True) -> ChatStreamMeter:
    return ChatStreamMeter(
        input_includes_cache=True, output_includes_reasoning=True, choices=choices, hides_usage_chunk=hides
    )


def chunk(**fields: Any) -> bytes:
    return json.dumps({"id": "c", "model": "m-1", **fields}).encode()


def content(text: str, *, finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    return chunk(choices=[{"index": index, "delta": {"content": text}, "finish_reason": finish}], **fields)


def tokens(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def test_cached_tokens_are_inside_or_beside_the_input_as_declared() -> None:
    details = {"cached_tokens": 40, "cache_write_tokens": 10}
    assert read(prompt_tokens=100, completion_tokens=1, prompt_tokens_details=details).input_tokens == 100
    assert read(cache=False, prompt_tokens=100, completion_tokens=1, prompt_tokens_details=details).input_tokens == 150


def test_reasoning_is_inside_or_beside_the_output_as_declared() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 20}}
    assert (read(**usage).output_tokens, read(**usage).reasoning_output_tokens) == (30, 20)
    assert read(inside=False, **usage).output_tokens == 50


def test_a_total_above_its_parts_is_output_that_was_hidden() -> None:
    usage = read(prompt_tokens=35, completion_tokens=12, total_tokens=109)
    assert (usage.output_tokens, usage.reasoning_output_tokens) == (74, 62)


def test_a_missing_completion_count_is_what_the_total_leaves() -> None:
    assert read(prompt_tokens=10, total_tokens=15).output_tokens == 5


def test_the_spellings_of_other_vendors_are_read() -> None:
    assert read(prompt_tokens=9, completion_tokens=1, prompt_cache_hit_tokens=4).cache_read_input_tokens == 4
    assert read(prompt_tokens=9, completion_tokens=1, cached_tokens=3).cache_read_input_tokens == 3
    written = {"cache_creation_input_tokens": 5}
    assert read(prompt_tokens=9, completion_tokens=1, prompt_tokens_details=written).cache_write_input_tokens == 5
    searched = read(prompt_tokens=9, completion_tokens=1, server_tool_use_details={"web_search_requests": 2})
    assert searched.web_search_calls == 2


@pytest.mark.parametrize(
    "usage",
    [
        "{}",
        '{"prompt_tokens":1}',
        '{"completion_tokens":1}',
        '{"prompt_tokens":-1,"completion_tokens":1}',
        '{"prompt_tokens":1,"completion_tokens":-1}',
        '{"prompt_tokens":1.5,"completion_tokens":1}',
        '{"prompt_tokens":true,"completion_tokens":1}',
        '{"prompt_tokens":"1","completion_tokens":1}',
        '{"prompt_tokens":99999999999999,"completion_tokens":1}',
        '{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-5}}',
    ],
)
def test_a_report_that_cannot_be_believed_is_no_usage(usage: str) -> None:
    with pytest.raises(UsageUnreadable):
        read_chat_usage(usage.encode(), input_includes_cache=True, output_includes_reasoning=True)
    watching = meter()
    watching.feed(f'{{"choices":[],"usage":{usage}}}'.encode())
    watching.feed(b"[DONE]")
    assert watching.report() is None


def test_null_usage_is_no_usage_yet_and_a_byte_order_mark_is_no_obstacle() -> None:
    conventions = {"input_includes_cache": True, "output_includes_reasoning": True}
    assert read_chat_reply(b'{"usage":null}', **conventions) is None
    report = read_chat_reply(b'\xef\xbb\xbf{"usage":{"prompt_tokens":1,"completion_tokens":2}}', **conventions)
    assert report is not None
    assert report.usage.output_tokens == 2


def test_the_tier_is_named_as_prices_name_it() -> None:
    conventions = {"input_includes_cache": True, "output_includes_reasoning": True}
    for said, meant in (("default", "standard"), ("flex", "flex"), ("auto", None)):
        body = json.dumps({"service_tier": said, "usage": tokens(1, 1)}).encode()
        report = read_chat_reply(body, **conventions)
        assert report is not None
        assert report.service_tier == meant


def test_the_extra_usage_chunk_is_hidden_from_a_client_that_did_not_ask() -> None:
    extra = chunk(choices=[], usage=tokens(5, 2))
    watching, asked = meter(), meter(hides=False)
    assert watching.feed(content("Hi", usage=None))
    assert not watching.feed(extra)
    assert asked.feed(extra)
    for one in (watching, asked):
        report = one.report()
        assert report is not None
        assert (report.usage.output_tokens, report.served_model) == (2, "m-1")


def test_no_other_event_is_hidden() -> None:
    watching = meter()
    assert watching.feed(chunk(choices=[], prompt_filter_results=[]))
    assert watching.feed(content("", finish="stop", usage=tokens(5, 2)))
    assert watching.feed(chunk(choices=[], error={"code": 500}, usage=tokens(5, 2)))
    assert watching.feed(chunk(usage=tokens(5, 2)))
    assert watching.feed(b"[DONE]")


def test_the_last_of_running_totals_wins_once_the_stream_has_finished() -> None:
    watching = meter()
    for count in (1, 2, 3):
        watching.feed(content("x", usage=tokens(5, count)))
    assert watching.report() is None
    watching.feed(b"[DONE]")
    report = watching.report()
    assert report is not None
    assert report.usage.output_tokens == 3


def test_one_of_two_choices_finishing_is_not_the_end() -> None:
    watching = meter(choices=2)
    watching.feed(content("x", finish="stop", usage=tokens(5, 4)))
    assert watching.report() is None
    watching.feed(content("y", finish="stop", index=1, usage=tokens(5, 9)))
    watching.feed(b"[DONE]")
    report = watching.report()
    assert report is not None
    assert report.usage.output_tokens == 9


def test_the_word_usage_in_a_text_is_only_text() -> None:
    watching = meter()
    assert watching.feed(content('about "usage": {"prompt_tokens": 1}'))
    watching.feed(b"[DONE]")
    assert watching.report() is None


def test_visible_output_is_measured_in_text_and_tool_arguments() -> None:
    watching = meter()
    watching.feed(content("four"))
    watching.feed(chunk(choices=[{"delta": {"tool_calls": [{"function": {"arguments": "{}"}}]}}]))
    watching.feed(chunk(choices=[{"delta": {"role": "assistant"}}]))
    assert watching.seen_output_bytes() == 6


@given(data=st.lists(st.binary(max_size=80) | st.just(b'{"usage":{"prompt_tokens":1'), max_size=5))
def test_a_meter_never_raises(data: list[bytes]) -> None:
    watching = meter()
    assert all(watching.feed(event) for event in data)
    assert watching.report() is None
