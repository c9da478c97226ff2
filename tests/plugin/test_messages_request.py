"""What governs the cost of a request on the Anthropic messages wire is read strictly; the rest is never looked at."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.plugin import ConnectionSettings, RequestInvalid, RequestUnbounded, Wire
from governance.plugin.anthropic_messages import (
    AnthropicMessagesProvider,
    read_count_tokens_request,
    read_messages_request,
)
from governance.plugin.anthropic_messages._provider import BLOCK_TOKENS, IMAGE_TOKENS, VENDOR_TOOL_TOKENS

PROVIDER = AnthropicMessagesProvider(
    name="claudes", title="Claude's", default_base_url="https://api.example.test", needs_credential=True
)
CONNECTION = ConnectionSettings(id=1, name="c", base_url="https://api.example.test", credential="k" * 9)
TEXT = {"type": "text", "text": "Hello"}
PIXELS = "iVBORw0KGgo" * 40
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXELS}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0"}}
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"type": {"type": "string"}}}}


def request(**fields: Any) -> bytes:
    asked = {"model": "claude-sonnet-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}], **fields}
    return json.dumps(asked).encode()


def saying(*blocks: object) -> bytes:
    return request(messages=[{"role": "user", "content": list(blocks)}])


def bound(body: bytes) -> int:
    fields = read_messages_request(body)
    return PROVIDER.bound(wire=Wire.ANTHROPIC_MESSAGES, connection=CONNECTION, fields=fields).input_tokens


def test_a_plain_request_reads_as_what_it_says() -> None:
    body = request(stream=True, temperature=0.5, metadata={"user_id": "u"}, stop_sequences=["x"])
    fields = read_messages_request(body)
    assert (fields.model, fields.stream, fields.choices) == ("claude-sonnet-5", True, 1)
    assert (fields.max_output_tokens, fields.maximum_fields) == (64, ("max_tokens",))
    assert fields.body_bytes == len(body)
    assert fields.paid_tools == () and fields.images == fields.vendor_tools == 0


def test_what_a_coding_agent_sends_is_read() -> None:
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = request(
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330"},
            {"type": "text", "text": "You are a coding agent.", **cached},
        ],
        messages=[
            {"role": "user", "content": [TEXT, {**TEXT, **cached}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "", "signature": "Ab+/"},
                    {"type": "redacted_thinking", "data": "Ab+/"},
                    {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"type": "x", "content": [1]}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [TEXT, IMAGE]}]},
            {"role": "system", "content": [TEXT]},
        ],
        tools=[TOOL, {**TOOL, "type": "custom", "defer_loading": True}, {"type": "bash_20250124", "name": "bash"}],
        tool_choice={"type": "auto"},
        metadata={"user_id": "user_1_session_2"},
        thinking={"type": "adaptive"},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        cache_control={"type": "ephemeral"},
        stream=True,
    )
    fields = read_messages_request(body)
    assert (fields.images, fields.inline_media, fields.media_bytes) == (1, 1, len(PIXELS))
    assert (fields.vendor_tools, fields.paid_tools) == (1, ())
    assert fields.messages == 4 + 11
    assert bound(body) >= len(body) - len(PIXELS) + IMAGE_TOKENS + VENDOR_TOOL_TOKENS + BLOCK_TOKENS * 15


def test_trap_27_a_maximum_is_demanded_and_zero_is_one() -> None:
    body = json.loads(request())
    del body["max_tokens"]
    with pytest.raises(RequestInvalid, match="set the field 'max_tokens'") as caught:
        read_messages_request(json.dumps(body).encode())
    assert caught.value.field == "max_tokens"
    assert read_messages_request(request(max_tokens=0)).max_output_tokens == 0


@pytest.mark.parametrize(
    "value", ["-1", "1.5", "1.0", "1e3", '"5"', "true", "[]", "{}", "null", "99999999999", "9" * 400, "1e999"]
)
def test_a_doubtful_maximum_is_refused_and_named(value: str) -> None:
    body = request().replace(b'"max_tokens": 64', b'"max_tokens": ' + value.encode())
    with pytest.raises(RequestInvalid) as caught:
        read_messages_request(body)
    assert caught.value.field == "max_tokens"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": "m" * 300}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [5]}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": 5}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "container": "c"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]}, "messages"),
        ({"system": 5}, "system"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
        ({"tools": [5]}, "tools"),
        ({"tools": [{"type": 5}]}, "tools"),
        ({"speed": 5}, "speed"),
        ({"service_tier": []}, "service_tier"),
        ({"context_management": [1]}, "context_management"),
        ({"a_new_way_to_pay": True}, "a_new_way_to_pay"),
        ({"fallbacks": [{"model": "claude-opus-5"}]}, "fallbacks"),
        ({"fallbacks": "default"}, "fallbacks"),
        ({"fallback_credit_token": "t"}, "fallback_credit_token"),
        ({"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}}, "billing_policy"),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "thread"),
        ({"container": "container_1"}, "container"),
    ],
)
def test_what_cannot_be_believed_or_bounded_is_refused_and_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestInvalid, match=r"\.$") as caught:
        read_messages_request(request(**fields))
    assert caught.value.field == field
    assert set(fields) == {field}


def test_what_is_off_is_not_refused() -> None:
    off = {"fallbacks": None, "thread": None, "container": None, "mcp_servers": [], "tools": [], "compaction": None}
    assert read_messages_request(request(**off, speed=None, system=None, context_management=None)).paid_tools == ()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]}, "web_search_20250305"),
        ({"tools": [{"type": "code_execution_20260521", "name": "c"}]}, "code_execution_20260521"),
        ({"tools": [TOOL, {"type": "advisor_20260301", "model": "claude-opus-5"}]}, "advisor_20260301"),
        ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "m"}]}, "mcp_toolset"),
        ({"tools": [{"type": "bash_20990101", "name": "bash"}]}, "bash_20990101"),
        ({"mcp_servers": [{"type": "url", "url": "https://example.test", "name": "m"}]}, "mcp_servers"),
        ({"compaction": {"type": "compaction"}}, "compaction"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "compact_20260112"),
        ({"context_management": {"more": 1}}, "more"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_addition", "tool": {}}]}]}, "tool_addition"),
    ],
)
def test_trap_21_what_the_vendor_runs_or_asks_again_is_refused_by_its_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestUnbounded, match=f"uses '{named}', whose cost at Claude's has no known bound"):
        bound(request(**fields))


@pytest.mark.parametrize(
    "block",
    [
        PDF,
        {"type": "document", "source": {"type": "url", "url": "https://example.test/a.pdf"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [TEXT, PDF]},
    ],
)
def test_a_document_that_is_not_text_has_no_bound(block: dict[str, Any]) -> None:
    with pytest.raises(RequestUnbounded, match="send their text, or images of their pages"):
        bound(saying(block))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "file"}}]},
    ],
)
def test_files_in_the_vendors_account_are_refused_because_other_teams_use_it_too(block: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid, match="stored at the vendor, in an account that other teams use too"):
        read_messages_request(saying(block))


@pytest.mark.parametrize("image", [IMAGE, LINKED], ids=["by value", "by reference"])
def test_an_image_counts_as_what_the_vendor_scales_it_down_to(image: dict[str, Any]) -> None:
    without = bound(saying(TEXT))
    rest = json.dumps(image).replace(PIXELS, "")
    assert bound(saying(TEXT, image)) == without + len(f", {rest}") + IMAGE_TOKENS + BLOCK_TOKENS


def test_documents_of_text_and_search_results_count_by_their_bytes() -> None:
    written = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x" * 500}}
    of_blocks = {"type": "document", "source": {"type": "content", "content": [TEXT, IMAGE]}}
    found = {"type": "search_result", "source": "https://example.test", "title": "t", "content": [TEXT]}
    fields = read_messages_request(saying(written, of_blocks, found))
    assert (fields.images, fields.inline_media, fields.media_bytes) == (1, 1, len(PIXELS))
    assert bound(saying(written)) > 500


@pytest.mark.parametrize("kind", ["document", "search_result"])
def test_citations_are_refused_because_the_vendor_numbers_every_sentence(kind: str) -> None:
    source = (
        {"type": "text", "media_type": "text/plain", "data": "a. " * 50} if kind == "document" else "https://e.test"
    )
    block = {"type": kind, "source": source, "content": [TEXT]}
    assert bound(saying({**block, "citations": {"enabled": False}})) > 150
    with pytest.raises(RequestUnbounded, match="uses 'citations'"):
        bound(saying({**block, "citations": {"enabled": True}}))


def test_every_reference_to_a_tool_may_write_its_definition_out_again() -> None:
    referring = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "w"}]}
    messages = [{"role": "user", "content": [referring, referring]}]
    body = request(tools=[TOOL] * 20, messages=messages)
    assert bound(body) >= len(body) + 3 * len(json.dumps([TOOL] * 20))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b","max_tokens":1,"messages":[]}',
        b'{"model":"a","max_tokens":1,"max_tokens":9,"messages":[]}',
        b'{"model":"a","max_tokens":1,"max_\\u0074okens":9,"messages":[]}',
        b'{"model":"a","max_tokens":1,"messages":[{"role":"user","content":"x","content":[]}]}',
        b'{"model":"a","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","type":"image"}]}]}',
        b'{"model":"a","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","\\u0074ype":"image"}]}]}',
        b'{"model":"a","max_tokens":1,"messages":[{"content":""}],"tools":[{"type":"custom","type":"advisor_20260301"}]}',
        b'{"model":"a","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image",'
        b'"source":{"type":"url","type":"file","url":"u"}}]}]}',
    ],
)
def test_a_name_that_stands_twice_is_refused_at_every_level(body: bytes) -> None:
    with pytest.raises(RequestInvalid, match="stands twice"):
        read_messages_request(body)


def test_content_nested_deeper_than_the_api_knows_is_refused() -> None:
    block: dict[str, Any] = TEXT
    for _ in range(20):
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    with pytest.raises(RequestInvalid, match="nested too deeply"):
        read_messages_request(saying(block))
    with pytest.raises(RequestInvalid, match="nested too deeply"):
        read_messages_request(b'{"model":"m","max_tokens":1,"messages":' + b"[" * 100_000)


@pytest.mark.parametrize("field", ["messages", "system", "tools"])
def test_a_request_of_more_parts_than_anybody_reads_is_refused_before_it_costs_time(field: str) -> None:
    parts: dict[str, Any] = {
        "messages": [{"role": "user", "content": [TEXT] * 200}] * 100,
        "system": [TEXT] * 20_001,
        "tools": [TOOL] * 20_001,
    }
    with pytest.raises(RequestInvalid, match="has more than 20000 parts") as caught:
        read_messages_request(request(**{field: parts[field]}))
    assert caught.value.field == field


def test_a_count_of_tokens_needs_no_maximum_and_has_no_answer() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"What is 2 + 2?"}],"system":"s"}'
    fields = read_count_tokens_request(body)
    assert (fields.max_output_tokens, fields.maximum_fields, fields.stream) == (0, (), False)
    with pytest.raises(RequestInvalid, match="stored at the vendor"):
        read_count_tokens_request(body[:-1] + b',"thread":{"type":"create"}}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "content", "x"]), inner),
    max_leaves=8,
)


@given(messages=JSON, tools=JSON, system=JSON, extra=JSON)
def test_nothing_that_is_json_raises_anything_but_a_refusal(
    messages: object, tools: object, system: object, extra: object
) -> None:
    body = request(messages=messages, tools=tools, system=system, context_management=extra)
    try:
        assert bound(body) >= 0
    except (RequestInvalid, RequestUnbounded) as refusal:
        assert str(refusal).endswith(".")
