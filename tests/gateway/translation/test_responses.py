"""The Responses wire among the others: its items and tools, its numbered events, and what it repeats."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from governance.gateway.translation import AnswerUntranslatable, Circumstances, Dialect, StreamShape, Translation
from tests.gateway.translation.support import CHAT, GEMINI, HELLO, MESSAGES, RESPONSES, SCHEMA, refusal, request
from tests.gateway.translation.test_streams import CIRCUMSTANCES, END, call, chunk, shown
from tests.plugin.test_responses_request import CODEX

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
PATCH = {"type": "custom", "name": "patch", "description": "Edits.", "format": GRAMMAR}
SHELL = {"type": "function", "name": "shell", "parameters": SCHEMA, "strict": False}
TOOLS = [PATCH, {"type": "namespace", "name": "mcp", "description": "d", "tools": [SHELL, PATCH]}]
ITEMS: list[dict[str, Any]] = [
    {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [SHELL]},
    {"type": "message", "id": "msg_0", "role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
    {"role": "user", "content": [{"type": "input_text", "text": "Fix it"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": "openai's"},
    {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "I"}]},
    {"type": "function_call", "name": "shell", "namespace": "mcp", "arguments": '{"city":"x"}', "call_id": "c1"},
    {"type": "custom_tool_call", "name": "patch", "input": 'a "b"', "call_id": "c2", "status": "completed"},
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "ok"}]},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
]


def asked_of_chat() -> tuple[dict[str, Any], Circumstances]:
    made = request(RESPONSES, CHAT, instructions="Be brief.", input=ITEMS, tools=TOOLS, metadata={"a": "b"})
    told = Circumstances(created_at_seconds=1, request_id="req_1", model="asked", asked=made.asked)
    return json.loads(made.body), told


def test_a_coding_agents_request_in_the_words_of_chat() -> None:
    body, _ = asked_of_chat()
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Fix it"},
        {
            "role": "assistant",
            "content": "I",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "mcp__shell", "arguments": '{"city":"x"}'},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "patch", "arguments": r'{"input":"a \"b\""}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
    ]
    offered = {tool["function"]["name"]: tool["function"] for tool in body["tools"]}
    assert list(offered) == ["patch", "mcp__shell", "mcp__patch", "shell"]
    assert offered["patch"]["description"].endswith("lark grammar:\nstart: /.+/")
    assert offered["patch"]["parameters"]["required"] == ["input"]


@pytest.mark.parametrize("vendor", [CHAT, MESSAGES])
def test_codex_passes_but_for_what_only_openai_can_do(vendor: Dialect) -> None:
    """Of a model that it does not know, it asks neither for a verbosity nor for a search of tools."""
    said = [*CODEX["input"], HELLO]
    asked = {
        **CODEX,
        "input": said,
        "text": None,
        "tools": [tool for tool in CODEX["tools"] if tool["type"] != "tool_search"],
    }
    assert json.loads(request(RESPONSES, vendor, **asked).body)["stream"] is True
    assert refusal(RESPONSES, MESSAGES, **asked | {"text": {"verbosity": "low"}}).field == "verbosity"
    assert "tool_search" in str(refusal(RESPONSES, vendor, **CODEX | {"input": said}))


def test_calls_of_functions_are_told_as_calls_of_the_clients_own_tools() -> None:
    _, told = asked_of_chat()
    calls = [
        {"id": "c1", "function": {"name": "mcp__shell", "arguments": "{}"}},
        {"id": "c2", "function": {"name": "mcp__patch", "arguments": '{"input":"line\\n"}'}},
        {"id": "c3", "function": {"name": "shell", "arguments": "{}"}},
    ]
    whole = {"id": "c", "model": "m", "choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
    translation = Translation(client=RESPONSES, vendor=CHAT)
    answer = json.loads(translation.answer(json.dumps(whole).encode(), told))
    assert [{name: item[name] for name in item if name not in ("id", "status")} for item in answer["output"]] == [
        {"type": "function_call", "call_id": "c1", "name": "shell", "namespace": "mcp", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "namespace": "mcp", "input": "line\n"},
        {"type": "function_call", "call_id": "c3", "name": "shell", "arguments": "{}"},
    ]
    assert (answer["instructions"], answer["metadata"], answer["tools"]) == ("Be brief.", {"a": "b"}, TOOLS)
    stream = translation.stream(told, StreamShape(wants_usage=True))
    deltas = [
        chunk(call(0, "mcp__patch", '{"inp', id="c2")),
        chunk(call(0, None, 'ut":"li\\')),
        chunk(call(0, None, 'n"}')),
    ]
    body = b"".join([stream.feed(json.dumps(each).encode()) for each in (*deltas, END)]) + stream.close()
    events = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: ")]
    (pieces,) = [event for event in events if event["type"] == "response.custom_tool_call_input.delta"]
    assert pieces["delta"] == "li\n"
    spoilt = json.dumps(whole).replace('\\"input\\"', '\\"text\\"').encode()
    with pytest.raises(AnswerUntranslatable):
        translation.answer(spoilt, told)


def test_events_come_in_order_and_each_says_where_it_belongs() -> None:
    events = shown(
        RESPONSES,
        CHAT,
        chunk({"reasoning_content": "Hm."}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk(call(0, "f", "{", id="a")),
        chunk(call(0, None, "}")),
        chunk({}, finish_reason="tool_calls"),
    )
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    assert [(event["type"].removeprefix("response."), event.get("output_index")) for event in events] == [
        ("created", None),
        ("in_progress", None),
        ("output_item.added", 0),
        ("reasoning_summary_part.added", 0),
        ("reasoning_summary_text.delta", 0),
        ("reasoning_summary_text.done", 0),
        ("reasoning_summary_part.done", 0),
        ("output_item.done", 0),
        ("output_item.added", 1),
        ("content_part.added", 1),
        ("output_text.delta", 1),
        ("output_text.delta", 1),
        ("output_text.done", 1),
        ("content_part.done", 1),
        ("output_item.done", 1),
        ("output_item.added", 2),
        ("function_call_arguments.delta", 2),
        ("function_call_arguments.delta", 2),
        ("function_call_arguments.done", 2),
        ("output_item.done", 2),
        ("completed", None),
    ]
    ids = {event["item"]["id"] for event in events if "item" in event}
    assert {event["item_id"] for event in events if "item_id" in event} == ids
    assert len(ids) == len(events[-1]["response"]["output"]) == 3


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_an_end_that_is_none_is_incomplete(finish: str, status: str, reason: str | None) -> None:
    last = shown(RESPONSES, CHAT, chunk({"content": "x"}), chunk({}, finish_reason=finish))[-1]
    assert last["type"] == f"response.{status}"
    assert (last["response"]["incomplete_details"] or {}).get("reason") == reason
    read = shown(CHAT, RESPONSES, {"type": "response.created", "response": {"id": "r"}}, last)
    assert read[-2]["choices"][0]["finish_reason"] == finish


def test_what_a_vendor_tells_only_at_the_end_of_an_item_is_told() -> None:
    done = "response.output_item.done"
    events = shown(
        CHAT,
        RESPONSES,
        {"type": "response.created", "response": {"id": "r", "model": "m"}},
        {"type": done, "output_index": 0, "item": {"type": "web_search_call"}},
        {"type": done, "output_index": 1, "item": {"type": "message", "content": [{"text": "Hi"}]}},
        {"type": done, "output_index": 1, "item": {"type": "message", "content": [{"text": "Hi"}]}},
        {
            "type": done,
            "output_index": 2,
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        },
        {"type": "response.completed", "response": {"id": "r", "status": "completed"}},
    )
    deltas = [event["choices"][0]["delta"] for event in events if event != "[DONE]"]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hi"
    called = [piece["function"] for delta in deltas for piece in delta.get("tool_calls", ())]
    assert "".join(piece["arguments"] for piece in called) == "{}" and called[0]["name"] == "f"
    assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    "event",
    [
        {
            "type": "response.failed",
            "response": {"status": "failed", "error": {"code": "server_error", "message": "No"}},
        },
        {"type": "error", "code": "server_error", "message": "No", "param": None},
        {"type": "error", "error": {"type": "server_error", "message": "No"}},
    ],
)
def test_a_response_that_failed_is_an_error(event: dict[str, Any]) -> None:
    last = shown(CHAT, RESPONSES, event)[-1]
    assert (last["error"]["message"], last["error"]["type"]) == ("No", "server_error")
    with pytest.raises(AnswerUntranslatable, match="failed: No"):
        whole = {"id": "r", "status": "failed", "error": {"message": "No"}}
        Translation(client=CHAT, vendor=RESPONSES).answer(json.dumps(whole).encode(), CIRCUMSTANCES)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input", "item_reference"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input", "compaction"),
        ({"input": [HELLO, {"type": "function_call_output", "call_id": "c", "output": ""}]}, "input", "the call 'c'"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input", "input_file"),
        (
            {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://x.test/a"}]}]},
            "input",
            "only a user's message",
        ),
        ({"input": [HELLO | {"colour": "red"}]}, "input", "'colour'"),
        ({"input": [HELLO, {"role": "assistant", "content": "So"}]}, "messages", "last message"),
        ({"tools": [{"type": "web_search"}]}, "tools", "web_search"),
        ({"tools": [SHELL, {**SHELL}]}, "tools", "name each differently"),
        ({"tools": [{"type": "namespace", "name": "n" * 60, "tools": [SHELL]}]}, "tools", "at most 64"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice", "at least one"),
        ({"reasoning": {"mode": "pro"}}, "reasoning", "pro"),
        ({"reasoning": {"context": "current_turn"}}, "reasoning", "current_turn"),
        ({"include": ["message.output_text.logprobs"]}, "include", "logprobs"),
        ({"truncation": "auto"}, "truncation", "send less"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "send the whole conversation"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_name(fields: dict[str, Any], field: str, words: str) -> None:
    for vendor in (CHAT, MESSAGES, GEMINI):
        refused = refusal(RESPONSES, vendor, **fields)
        assert (refused.field, words in str(refused)) == (field, True), refused


class City(BaseModel):
    """What the SDK's `parse` asks for."""

    name: str


def test_a_schema_reaches_every_vendor() -> None:
    form = {"type": "json_schema", "name": "City", "schema": City.model_json_schema(), "strict": True}
    paths = {
        CHAT: ("response_format", "json_schema", "schema"),
        MESSAGES: ("output_config", "format", "schema"),
        GEMINI: ("generationConfig", "responseJsonSchema"),
    }
    for vendor, path in paths.items():
        found = json.loads(request(RESPONSES, vendor, text={"format": form}).body)
        for name in path:
            found = found[name]
        assert found == City.model_json_schema()
