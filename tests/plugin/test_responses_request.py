"""What governs a Responses request's cost is read strictly; what is doubtful or not in it is refused in words."""

import json
from typing import Any

import pytest

from governance.plugin import RequestInvalid
from governance.plugin.openai_responses import input_tokens_fields, read_responses_request
from governance.plugin.splicing import Members

TOOLS_OF_THIS_TURN = [
    {
        "type": "namespace",
        "name": "functions",
        "tools": [
            {"type": "custom", "name": "exec", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {"content": {}}}},
        ],
    }
]
# The shape of what Codex CLI 0.169.0 sends: its tools stand in the input for models it knows, else in `tools`.
CODEX = {
    "model": "gpt-5.6-sol",
    "instructions": "You are a coding agent running in the Codex CLI, a terminal-based coding assistant.",
    "input": [
        {"type": "additional_tools", "id": None, "role": "developer", "tools": TOOLS_OF_THIS_TURN},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions/>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Fix the test"}]},
        {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "gAAAAABoyXus"},
        {"type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": '{"output":"a.py","type":"x","content":1}'},
        {"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin Patch", "call_id": "call_2"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Fixed."}]},
    ],
    "tools": [
        {"type": "function", "name": "shell", "strict": False, "parameters": {"type": "object", "properties": {}}},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "namespace", "name": "mcp", "description": "d", "tools": [{"type": "function", "name": "a"}]},
        {"type": "tool_search", "execution": "client", "description": "d", "parameters": {}},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low", "context": "all_turns"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "service_tier": None,
    "prompt_cache_key": "019a",
    "client_metadata": {"session_id": "019a"},
    "text": {"verbosity": "low"},
}


def request(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "Hello", **fields}).encode()


def items(*found: dict[str, Any]) -> bytes:
    return request(input=list(found))


def test_a_coding_agents_request_reads_as_what_it_says() -> None:
    body = json.dumps(CODEX).encode()
    fields = read_responses_request(body)
    assert (fields.model, fields.stream, fields.messages, fields.choices) == ("gpt-5.6-sol", True, 10, 1)
    assert fields.body_bytes == len(body)
    assert (fields.max_output_tokens, fields.maximum_fields, fields.service_tier) == (None, (), None)
    assert (fields.paid_tools, fields.remote_media, fields.inline_media) == ((), 0, 0)
    schemas = (TOOLS_OF_THIS_TURN, CODEX["tools"], CODEX["text"])
    assert fields.schema_bytes == sum(len(json.dumps(schema)) for schema in schemas)
    assert not fields.asks_long_cache


def test_a_text_is_one_item_and_instructions_another() -> None:
    assert read_responses_request(request()).messages == 1
    assert read_responses_request(request(instructions="Be brief.")).messages == 2
    assert read_responses_request(request(input=None)).messages == 0


def test_the_maximum_is_the_only_cap() -> None:
    fields = read_responses_request(request(max_output_tokens=50))
    assert (fields.max_output_tokens, fields.maximum_fields) == (50, ("max_output_tokens",))
    assert read_responses_request(request(max_output_tokens=None)).max_output_tokens is None


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.5", "1.0", "1e3", '"5"', "true", "[]", "{}", "99999999999", "9" * 400, "1e999"]
)
def test_a_doubtful_maximum_is_refused_and_named(value: str) -> None:
    with pytest.raises(RequestInvalid, match="must be a whole number from 1 to") as caught:
        read_responses_request(request()[:-1] + f', "max_output_tokens": {value}}}'.encode())
    assert caught.value.field == "max_output_tokens"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"input": 5}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": [5]}, "input"),
        ({"input": [{"role": "user", "content": 5}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": 5}]}]}, "input"),
        ({"input": [{"type": 5, "content": "x"}]}, "input"),
        ({"instructions": [{"role": "user"}]}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"service_tier": 1}, "service_tier"),
        ({"reasoning": "high"}, "reasoning"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"name": "a"}]}, "tools"),
        ({"tools": [{"type": "namespace", "name": "a"}]}, "tools"),
        ({"models": ["gpt-6-astra"]}, "models"),
        ({"provider": {"order": ["x"]}}, "provider"),
    ],
)
def test_what_is_not_the_wire_is_refused_and_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        read_responses_request(request(**fields))
    assert caught.value.field == field
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1", "version": "2"}}, "prompt"),
        ({"background_options": {"completion_window": "8h"}}, "background_options"),
    ],
)
def test_what_is_not_in_the_request_or_outlives_it_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestInvalid, match=r"bounds its cost|are not served") as caught:
        read_responses_request(request(**fields))
    assert caught.value.field == field
    read_responses_request(request(**dict.fromkeys(fields)))


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": None, "id": "msg_1"},
        {"type": "message", "role": "assistant", "id": "msg_1"},
        {"type": "message", "role": "assistant", "id": "msg_1", "content": []},
        {"type": "message", "role": "assistant", "id": "msg_1", "content": ""},
        {"role": "assistant", "id": "msg_1", "content": ""},
    ],
)
def test_a_reference_to_a_stored_item_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid, match=r"stored item 'msg_1'.*send the item itself"):
        read_responses_request(items({"role": "user", "content": "Hi"}, item))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"encrypted_content": None},
        {"encrypted_content": ""},
        {"content": [{"type": "reasoning_text", "text": "x"}]},
    ],
)
def test_reasoning_that_is_stored_is_refused_and_whole_reasoning_is_not(content: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid, match=r"'rs_1' holds no encrypted content.*reasoning\.encrypted_content"):
        read_responses_request(items({"type": "reasoning", "id": "rs_1", "summary": [], **content}))
    read_responses_request(items({"type": "reasoning", "summary": [], **content}))
    read_responses_request(items({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}))
    text = {"content": [{"type": "reasoning_text", "text": "Hm."}]}
    read_responses_request(items({"type": "reasoning", "summary": [], **text}))


@pytest.mark.parametrize(
    ("part", "remote", "inline"),
    [
        ({"type": "input_image", "image_url": "https://example.test/a.png", "detail": "low"}, 1, 0),
        ({"type": "input_image", "file_id": "file-1"}, 1, 0),
        ({"type": "input_image", "image_url": "data:image/png;base64,iVBO"}, 0, 1),
        ({"type": "input_file", "file_data": "JVBE", "filename": "a.pdf"}, 0, 1),
        ({"type": "input_file", "file_url": "https://example.test/a.pdf"}, 1, 0),
        ({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}, 0, 1),
        ({"type": "something_new"}, 0, 1),
        ({"text": "no type"}, 0, 1),
    ],
)
def test_media_are_counted_wherever_they_are(part: dict[str, Any], remote: int, inline: int) -> None:
    for item in (
        {"role": "user", "content": [{"type": "input_text", "text": "See"}, part]},
        {"type": "function_call_output", "call_id": "c", "output": [part]},
        {"type": "custom_tool_call_output", "call_id": "c", "output": [part]},
    ):
        fields = read_responses_request(items(item))
        assert (fields.remote_media, fields.inline_media) == (remote, inline)


@pytest.mark.parametrize(
    ("fields", "paid"),
    [
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"tools": [{"type": "web_search_preview_2025_03_11"}]}, "web_search"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "file_search"),
        ({"tools": [{"type": "computer"}]}, "computer"),
        ({"tools": [{"type": "local_shell"}]}, "local_shell"),
        ({"tools": [{"type": "tool_search"}]}, "tool_search"),
        ({"tools": [{"type": "tool_search", "execution": "server"}]}, "tool_search"),
        ({"tools": [{"type": "programmatic_tool_calling"}]}, "programmatic_tool_calling"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "mcp"),
        ({"input": [{"type": "additional_tools", "role": "developer", "tools": [{"type": "x_search"}]}]}, "x_search"),
        ({"input": [{"type": "tool_search_output", "tools": [{"type": "mcp"}]}]}, "mcp"),
        ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}, "web_search_call"),
        ({"input": [{"type": "image_generation_call", "id": "ig_1", "result": None}]}, "image_generation_call"),
        ({"input": [{"type": "compaction", "encrypted_content": "gAAA"}]}, "compaction"),
        (
            {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot"}}]},
            "computer_call_output",
        ),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
        ({"access_programs": {"cyber": "daybreak_red"}}, "access_programs"),
        ({"search_parameters": {"mode": "on"}}, "search_parameters"),
        ({"n": 2}, "n"),
        ({"reasoning": {"effort": "high", "mode": "pro"}}, "reasoning.mode pro"),
    ],
)
def test_trap_21_what_costs_more_than_its_bytes_is_named(fields: dict[str, Any], paid: str) -> None:
    assert read_responses_request(request(**fields)).paid_tools == (paid,)


def test_a_reply_in_the_background_is_told_apart() -> None:
    assert read_responses_request(request(background=True)).background
    assert not read_responses_request(request(background=None)).background
    with pytest.raises(RequestInvalid, match="'background' must be true or false"):
        read_responses_request(request(background="yes"))


def test_what_is_switched_off_costs_nothing() -> None:
    fields = request(
        tools=[],
        moderation=None,
        context_management=None,
        reasoning={"mode": "standard"},
        prompt=None,
        background=False,
    )
    assert read_responses_request(fields).paid_tools == ()


def test_tools_within_the_input_are_schemas_too() -> None:
    tools = [{"type": "function", "name": "a"}]
    fields = read_responses_request(items({"type": "additional_tools", "role": "developer", "tools": tools}))
    assert fields.schema_bytes == len(json.dumps(tools))


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"model":"m","model":"n","input":"x"}', "model"),
        (b'{"model":"m","input":"x","background":false,"background":true}', "background"),
        (b'{"model":"m","input":"x","tools":[{"type":"function","type":"mcp"}]}', "type"),
        (
            b'{"model":"m","input":"x","tools":[{"type":"namespace","tools":[{"type":"function","type":"mcp"}]}]}',
            "type",
        ),
        (b'{"model":"m","input":"x","reasoning":{"mode":"standard","mode":"pro"}}', "mode"),
        (b'{"model":"m","input":[{"type":"item_reference","type":"message","content":"x"}]}', "type"),
        (b'{"model":"m","input":[{"content":[{"type":"input_image"}],"content":"x"}]}', "content"),
        (b'{"model":"m","input":[{"role":"user","content":[{"type":"input_image","type":"input_text"}]}]}', "type"),
        (
            b'{"model":"m","input":[{"type":"reasoning","id":"r","encrypted_content":null,"encrypted_content":"g"}]}',
            "encrypted_content",
        ),
        (b'{"model":"m","input":[{"\\u0074ype":"item_reference","type":"message","content":"x"}]}', "type"),
        (b'{"model":"m","input":"x","tools":[{"type":"function","\\u0074ype":"mcp"}]}', "type"),
        (b'{"model":"m","input":[{"type":"additional_tools","tools":[],"tools":[{"type":"mcp"}]}]}', "tools"),
    ],
)
def test_a_name_that_stands_twice_is_refused(body: bytes, name: str) -> None:
    with pytest.raises(RequestInvalid, match=f"'{name}' stands twice"):
        read_responses_request(body)


def test_a_name_spelt_with_escapes_decides_like_any_other() -> None:
    body = b'{"model":"m","input":[{"role":"user","content":[{"\\u0074ype":"input_image"}]}]}'
    assert read_responses_request(body).inline_media == 1
    with pytest.raises(RequestInvalid, match="stored item"):
        read_responses_request(b'{"model":"m","input":[{"\\u0069d":"msg_1"}]}')
    with pytest.raises(RequestInvalid, match="previous_response_id"):
        read_responses_request(b'{"model":"m","\\u0070revious_response_id":"resp_1"}')


@pytest.mark.parametrize(
    ("fields", "is_long"),
    [
        ({"prompt_cache_options": {"ttl": "30m"}}, False),
        ({"prompt_cache_options": {"mode": "explicit"}}, False),
        ({"prompt_cache_options": {"ttl": "12h"}}, True),
        ({"input": [{"content": [{"type": "input_text", "prompt_cache_breakpoint": {"ttl": "12h"}}]}]}, True),
        ({"input": [{"content": [{"type": "input_text", "text": 'Say "ttl":"12h"'}]}]}, False),
        ({"tools": [{"type": "function", "parameters": {"properties": {"ttl": {"type": "string"}}}}]}, False),
    ],
)
def test_trap_12_a_cache_that_is_to_last_longer_is_seen(fields: dict[str, Any], is_long: bool) -> None:
    assert read_responses_request(request(**fields)).asks_long_cache is is_long
    spelt = request(**fields).replace(b'"ttl"', b'"\\u0074tl"')
    assert read_responses_request(spelt).asks_long_cache is is_long


def test_a_count_of_tokens_has_no_answer_and_no_stream() -> None:
    body = request(stream=True, max_output_tokens=9)
    fields = input_tokens_fields(Members(body))
    assert (fields.model, fields.stream, fields.max_output_tokens, fields.maximum_fields) == ("m", False, 0, ())
    with pytest.raises(RequestInvalid, match="conversation"):
        input_tokens_fields(Members(request(conversation="conv_1")))
