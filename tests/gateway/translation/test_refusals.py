"""What cannot be said in another wire is refused by its name, and what asks for nothing is not."""

from typing import Any

import pytest

from governance.gateway.translation import Destination, Dialect, Translation
from governance.plugin.errors import RequestInvalid
from tests.gateway.translation.support import HELLO, SAID, refusal, translated

CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
TOOL = {"type": "function", "function": {"name": "f"}}
REFUSED: list[tuple[Dialect, Dialect | None, dict[str, Any], str, str]] = [
    (CHAT, None, {"frobnicate": 1}, "frobnicate", "'frobnicate' cannot be said"),
    (CHAT, None, {"n": 2}, "n", "send n=1"),
    (CHAT, None, {"logprobs": True}, "logprobs", "log probabilities"),
    (CHAT, None, {"store": True}, "store", "not stored"),
    (CHAT, None, {"service_tier": "flex"}, "service_tier", "tiers differ"),
    (CHAT, None, {"audio": {"voice": "alloy"}}, "audio", "only text"),
    (CHAT, None, {"web_search_options": {}}, "web_search_options", "offer a function"),
    (CHAT, None, {"functions": [{"name": "f"}]}, "functions", "send 'tools'"),
    (CHAT, None, {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools", "custom"),
    (CHAT, None, {"messages": [HELLO | {"name": "bob"}]}, "messages", "name"),
    (CHAT, None, {"messages": [HELLO | {"colour": "red"}]}, "messages", "'colour' (at $.messages[0])"),
    (CHAT, None, {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages", "input_audio"),
    (CHAT, None, {"messages": [{"role": "function", "content": "x"}]}, "messages", "function"),
    (CHAT, None, {"messages": [HELLO, {"role": "assistant", "content": "So"}]}, "messages", "last message"),
    (CHAT, None, {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "messages", "the call 'c'"),
    (CHAT, None, {"messages": []}, "messages", "no message"),
    (
        CHAT,
        None,
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        "tool_choice",
        "at least one",
    ),
    (CHAT, MESSAGES, {"seed": 1}, "seed", "repeated"),
    (CHAT, MESSAGES, {"frequency_penalty": 1}, "frequency_penalty", "leave it out"),
    (CHAT, MESSAGES, {"temperature": 1.5}, "temperature", "at most 1"),
    (CHAT, MESSAGES, {"response_format": {"type": "json_object"}}, "response_format", "json_schema"),
    (CHAT, GEMINI, {"parallel_tool_calls": False, "tools": [TOOL]}, "parallel_tool_calls", "several tools"),
    (CHAT, GEMINI, {"messages": [HELLO, {"role": "system", "content": "x"}, HELLO]}, "messages", "beginning"),
    (MESSAGES, None, {"max_tokens": 0}, "max_tokens", "cache"),
    (
        MESSAGES,
        None,
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "tools",
        "web_search_20250305",
    ),
    (MESSAGES, None, {"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, "tools", "defer_loading"),
    (MESSAGES, None, {"mcp_servers": [{"url": "x"}]}, "mcp_servers", "offer a function"),
    (MESSAGES, None, {"speed": "fast"}, "speed", "speeds differ"),
    (
        MESSAGES,
        None,
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        "context_management",
        "clear_tool_uses",
    ),
    (MESSAGES, None, {"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "messages", "document"),
    (MESSAGES, None, {"thinking": {"type": "between_tools"}}, "thinking", "between_tools"),
    (MESSAGES, CHAT, {"top_k": 5}, "top_k", "top_p"),
    (MESSAGES, GEMINI, {"messages": [HELLO, {"role": "system", "content": "x"}]}, "messages", "beginning"),
    (GEMINI, None, {"cachedContent": "cachedContents/1"}, "cachedContent", "stored at Google"),
    (GEMINI, None, {"tools": [{"googleSearch": {}}]}, "tools", "googleSearch"),
    (GEMINI, None, {"generationConfig": {"candidateCount": 2}}, "candidateCount", "send 1"),
    (GEMINI, None, {"generationConfig": {"responseModalities": ["IMAGE"]}}, "responseModalities", "only text"),
    (GEMINI, None, {"generationConfig": {"topK": 40.5}}, "topK", "whole number"),
    (GEMINI, None, {"generation_config": {"topZ": 2}}, "topZ", "'topZ' cannot be said"),
    (
        GEMINI,
        None,
        {"safetySettings": [{"category": "X", "threshold": "BLOCK_LOW_AND_ABOVE"}]},
        "safetySettings",
        "BLOCK_LOW_AND_ABOVE",
    ),
    (
        GEMINI,
        None,
        {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "AA"}}]}]},
        "contents",
        "audio/wav",
    ),
    (GEMINI, None, {"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/x"}}]}]}, "contents", "stored at Google"),
    (GEMINI, None, {"contents": [{"parts": [{"executableCode": {}}]}]}, "contents", "executableCode"),
    (GEMINI, None, {"contents": [SAID, {"parts": [{"functionResponse": {"name": "f"}}]}]}, "contents", "'f'"),
    (GEMINI, None, {"system_instruction": None, "systemInstruction": None}, "", "two spellings"),
    (
        GEMINI,
        None,
        {"generationConfig": {"responseSchema": {"type": "OBJECT"}}},
        "generationConfig",
        "responseMimeType",
    ),
]


@pytest.mark.parametrize(("client", "vendor", "fields", "field", "words"), REFUSED)
def test_what_cannot_be_said_is_refused_by_its_name(
    client: Dialect, vendor: Dialect | None, fields: dict[str, Any], field: str, words: str
) -> None:
    for other in [vendor] if vendor else [dialect for dialect in Dialect if dialect != client]:
        refused = refusal(client, other, **fields)
        assert (refused.field or "") == field
        assert words in str(refused)
        assert str(refused).endswith(".")


@pytest.mark.parametrize(
    ("client", "fields"),
    [
        (
            CHAT,
            {
                "n": 1,
                "logprobs": False,
                "store": False,
                "logit_bias": {},
                "service_tier": "auto",
                "metadata": {"a": "b"},
            },
        ),
        (CHAT, {"modalities": ["text"], "stop": None, "tools": None, "prompt_cache_key": "k", "verbosity": "medium"}),
        (MESSAGES, {"service_tier": "standard_only", "speed": "standard", "mcp_servers": [], "container": None}),
        (GEMINI, {"labels": {"a": "b"}, "store": False, "model": "models/x", "safetySettings": []}),
    ],
)
def test_a_field_that_asks_for_nothing_is_no_reason_to_refuse(client: Dialect, fields: dict[str, Any]) -> None:
    for vendor in Dialect:
        if vendor != client:
            assert translated(client, vendor, **fields) == translated(client, vendor)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"model":"a","messages":[],"messages":[]}', "'messages' stands twice"),
        (b'{"model":"a","messages":[{"role":"user","content":"x","content":"y"}]}', "'content' stands twice"),
        (b'{"model":"a","messages":[{"role":"user","content":"\xff"}]}', "UTF-8"),
        (b"[]", "JSON object"),
        (b'{"model":', "not JSON"),
        (b'{"model":"a"}', "messages"),
    ],
)
def test_what_is_not_a_request_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(RequestInvalid, match=words):
        Translation(client=CHAT, vendor=MESSAGES).request(body, Destination(model="m", default_maximum_tokens=9))


def test_arguments_that_are_no_object_cannot_be_said_as_one() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{broken"}}
    conversation = [
        HELLO,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]
    for vendor in (MESSAGES, GEMINI):
        assert "JSON object" in str(refusal(CHAT, vendor, messages=conversation))
