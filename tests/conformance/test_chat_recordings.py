"""Real vendors' replies on the OpenAI chat wire, read into exact token classes."""

import json

import pytest
from bursar_plugin_openai_compatible import OpenAICompatible

from governance.plugin import GoverningFields, Wire
from governance.plugin.testing import Subject, check_recorded_reply, check_recorded_stream
from tests.support.recordings import counted, exchange

REASONING_BESIDE = {"output_includes_reasoning": "no"}
INSIDE: dict[str, str] = {}


def subject(options: dict[str, str]) -> Subject:
    return Subject(provider=OpenAICompatible(), base_url="https://api.example.test/v1", options=options)


@pytest.mark.parametrize(
    ("name", "number", "options", "expected"),
    [
        ("openai-chat-promptcache-write-gpt5.6-sol.json", 0, INSIDE, {"input": 8, "cache_write": 4012, "output": 4}),
        ("openai-chat-promptcache-write-gpt5.6-sol.json", 1, INSIDE, {"input": 8, "cache_read": 4012, "output": 4}),
        ("openai-chat-websearch.json", 0, INSIDE, {"input": 11, "output": 17}),
        ("azure-openai-chat.json", 0, INSIDE, {"input": 14, "output": 9}),
        ("alibaba-qwen-reasoning.json", 0, INSIDE, {"input": 24, "output": 315, "reasoning": 1353}),
        ("deepseek-chat-reasoner.json", 0, INSIDE, {"input": 12, "output": 374, "reasoning": 415}),
        ("deepseek-chat-text.json", 0, INSIDE, {"input": 13, "output": 300}),
        ("gemini-openai-compat-chat.json", 0, REASONING_BESIDE, {"input": 35, "output": 12, "reasoning": 62}),
        ("gemini-openai-compat-chat.json", 1, REASONING_BESIDE, {"input": 66, "output": 6, "reasoning": 28}),
        ("ollama-local-openai-chat.json", 0, INSIDE, {"input": 136, "output": 15}),
        (
            "xai-chat-small.json",
            0,
            REASONING_BESIDE,
            {"input": 10, "cache_read": 2, "output": 1, "reasoning": 228},
        ),
        (
            "xai-chat-toolcall.json",
            0,
            REASONING_BESIDE,
            {"input": 47, "cache_read": 244, "output": 26, "reasoning": 189},
        ),
        ("zai-glm-5.2.json", 0, INSIDE, {"input": 20, "output": 9, "reasoning": 58}),
    ],
)
def test_a_recorded_reply_gives_exact_classes(
    name: str, number: int, options: dict[str, str], expected: dict[str, int]
) -> None:
    recorded = exchange(name, number)
    asked = recorded["request"]
    is_bounded = asked is not None and "web_search_options" not in asked["body"]
    report = check_recorded_reply(
        subject(options),
        wire=Wire.OPENAI_CHAT,
        body=recorded["response"]["body"].encode(),
        request=json.dumps(asked["body"]).encode() if is_bounded else None,
    )
    assert counted(report) == expected
    assert report.raw in recorded["response"]["body"].encode()
    assert report.served_model


@pytest.mark.parametrize(
    ("name", "options", "expected", "hides"),
    [
        ("alibaba-qwen-text-stream.json", INSIDE, {"input": 18, "output": 779}, True),
        (
            "deepseek-chat-toolcall-stream.json",
            INSIDE,
            {"input": 19, "cache_read": 320, "output": 44, "reasoning": 39},
            False,
        ),
        ("openrouter-stream-reasoning.json", INSIDE, {"input": 43, "output": 23, "reasoning": 13}, False),
        (
            "xai-chat-text-stream.json",
            REASONING_BESIDE,
            {"input": 1, "cache_read": 11, "output": 2, "reasoning": 340},
            True,
        ),
        ("zai-glm-4.7-stream.json", INSIDE, {"input": 13, "output": 3, "reasoning": 561}, False),
    ],
)
@pytest.mark.parametrize("wants_usage", [True, False])
def test_a_recorded_stream_gives_exact_classes(
    name: str, options: dict[str, str], expected: dict[str, int], hides: bool, wants_usage: bool
) -> None:
    body = exchange(name)["response"]["body"].encode()
    fields = GoverningFields(model="m", stream=True, body_bytes=1, messages=1, client_wants_usage=wants_usage)
    report = check_recorded_stream(
        subject(options), wire=Wire.OPENAI_CHAT, body=body, fields=fields, may_hide=hides and not wants_usage
    )
    assert counted(report) == expected


@pytest.mark.parametrize(
    ("name", "cost"), [("xai-chat-small.json", "0.0001176500"), ("xai-chat-toolcall.json", "0.0001399000")]
)
def test_the_vendors_own_cost_is_kept_to_the_last_tick(name: str, cost: str) -> None:
    body = exchange(name)["response"]["body"].encode()
    report = check_recorded_reply(subject(REASONING_BESIDE), wire=Wire.OPENAI_CHAT, body=body)
    assert report.vendor_cost == cost


def test_openrouters_cost_is_kept_as_its_decimal_string() -> None:
    body = exchange("openrouter-stream-reasoning.json")["response"]["body"].encode()
    fields = GoverningFields(model="m", stream=True, body_bytes=1, messages=1)
    report = check_recorded_stream(subject(INSIDE), wire=Wire.OPENAI_CHAT, body=body, fields=fields)
    assert report.vendor_cost == "0.000669"


@pytest.mark.parametrize(
    ("name", "status", "is_retryable"),
    [("openai-chat-404-model.json", 404, False), ("openrouter-429-and-errors.json", 429, True)],
)
def test_a_recorded_refusal_is_unbilled(name: str, status: int, is_retryable: bool) -> None:
    recorded = exchange(name)["response"]
    reading = OpenAICompatible().read_error(
        wire=Wire.OPENAI_CHAT, status=recorded["status"], body=recorded["body"].encode()
    )
    assert (recorded["status"], reading.billing, reading.is_retryable) == (status, "unbilled", is_retryable)
