"""Requests, field by field: what is carried, what is changed, and what is refused with which field."""

import json
from typing import Any

import pytest

from governance.gateway.translation import Destination, Dialect, Translation
from tests.gateway.translation.support import BASE, HELLO, SCHEMA, refusal, request, translated

CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI

WHOLE_CHAT: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather here?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://example.test/a.png", "detail": "auto"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "refusal": None,
            "annotations": [],
            "audio": None,
            "function_call": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}},
                {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "unknown"}]},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Looks.", "parameters": SCHEMA}}],
    "tool_choice": "required",
    "max_tokens": 70,
    "max_completion_tokens": 60,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": "END",
    "response_format": {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA, "strict": True}},
    "reasoning_effort": "low",
    "user": "u1",
}


def test_a_chat_request_in_the_words_of_messages() -> None:
    assert translated(CHAT, MESSAGES, **WHOLE_CHAT, parallel_tool_calls=False) == {
        "model": "vendor-model",
        "max_tokens": 60,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather here?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Ulm"}},
                    {"type": "tool_use", "id": "c2", "name": "weather", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sunny"}]},
                    {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "unknown"}]},
                    {"type": "text", "text": "And now?"},
                ],
            },
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "tools": [{"name": "weather", "input_schema": SCHEMA, "description": "Looks."}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "metadata": {"user_id": "u1"},
    }


def test_a_chat_request_in_the_words_of_gemini() -> None:
    more = {"seed": 7, "presence_penalty": 0.1, "frequency_penalty": 0.2}
    assert translated(CHAT, GEMINI, **WHOLE_CHAT, **more) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "Weather here?"},
                    {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                    {"fileData": {"fileUri": "https://example.test/a.png"}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "I look."},
                    {
                        "functionCall": {"id": "c1", "name": "weather", "args": {"city": "Ulm"}},
                        "thoughtSignature": "skip_thought_signature_validator",
                    },
                    {"functionCall": {"id": "c2", "name": "weather", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c1", "name": "weather", "response": {"output": "sunny"}}},
                    {"functionResponse": {"id": "c2", "name": "weather", "response": {"output": "unknown"}}},
                    {"text": "And now?"},
                ],
            },
        ],
        "tools": [
            {"functionDeclarations": [{"name": "weather", "description": "Looks.", "parametersJsonSchema": SCHEMA}]}
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 60,
            "stopSequences": ["END"],
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "seed": 7,
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
            "thinkingConfig": {"thinkingLevel": "LOW"},
        },
    }


WHOLE_MESSAGES: dict[str, Any] = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "text", "text": "Weather here?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "claude's"},
                {"type": "redacted_thinking", "data": "claude's"},
                {"type": "text", "text": "I look.", "citations": None},
                {
                    "type": "tool_use",
                    "id": "t1",
                    "name": "weather",
                    "input": {"city": "Ulm"},
                    "caller": {"type": "direct"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Quickly!"},
                {"type": "tool_result", "tool_use_id": "t1", "content": "no network", "is_error": True},
            ],
        },
        {"role": "system", "content": "Answer in German."},
    ],
    "tools": [
        {"name": "weather", "input_schema": SCHEMA, "strict": True, "eager_input_streaming": True},
        {"type": "custom", "name": "clock", "input_schema": SCHEMA, "allowed_callers": ["direct"]},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "xhigh"},
    "metadata": {"user_id": "u1"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "cache_control": {"type": "ephemeral"},
    "service_tier": "auto",
    "stream": True,
}


def test_a_messages_request_in_the_words_of_chat() -> None:
    """As a coding agent sends it: caching, thinking and its housekeeping included."""
    function = {"name": "weather", "arguments": '{"city": "Ulm"}'}
    assert translated(MESSAGES, CHAT, **WHOLE_MESSAGES) == {
        "model": "vendor-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "text", "text": "Weather here?"},
                ],
            },
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [{"id": "t1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "no network"},
            {"role": "user", "content": "Quickly!"},
            {"role": "system", "content": "Answer in German."},
        ],
        "max_completion_tokens": 50,
        "stop": ["END"],
        "tools": [
            {"type": "function", "function": {"name": "weather", "parameters": SCHEMA, "strict": True}},
            {"type": "function", "function": {"name": "clock", "parameters": SCHEMA}},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning_effort": "xhigh",
        "user": "u1",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


WHOLE_GEMINI: dict[str, Any] = {
    "system_instruction": {"parts": [{"text": "Be brief."}], "role": "user"},
    "contents": [
        {"parts": [{"text": "Weather here?"}, {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]},
        {"role": "model", "parts": [{"text": "Hm.", "thought": True}]},
        {"role": "model", "parts": [{"function_call": {"name": "weather", "args": {"city_name": "Ulm"}}}]},
        {"role": "function", "parts": [{"functionResponse": {"name": "weather", "response": {"sky": "blue"}}}]},
    ],
    "tools": [
        {
            "function_declarations": [
                {
                    "name": "weather",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {
                            "city_name": {"type": "STRING", "nullable": True, "max_length": "9"},
                            "days": {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": 1},
                        },
                        "propertyOrdering": ["city_name", "days"],
                    },
                }
            ]
        }
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
    "generation_config": {
        "max_output_tokens": 60,
        "topK": 40.0,
        "responseModalities": ["TEXT"],
        "candidateCount": 1,
        "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True},
    },
    "labels": {"team": "a"},
}


def test_a_gemini_request_in_the_words_of_messages() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city_name": {"type": ["string", "null"], "maxLength": 9},
            "days": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        },
    }
    assert translated(GEMINI, MESSAGES, **WHOLE_GEMINI) == {
        "model": "vendor-model",
        "max_tokens": 60,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather here?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city_name": "Ulm"}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_1",
                        "content": [{"type": "text", "text": '{"sky": "blue"}'}],
                    }
                ],
            },
        ],
        "top_k": 40,
        "tools": [{"name": "weather", "input_schema": schema}],
        "tool_choice": {"type": "tool", "name": "weather"},
    }


def test_whether_it_is_a_stream_a_gemini_request_says_in_its_address() -> None:
    assert request(GEMINI, CHAT, is_streamed=True).is_streamed
    assert json.loads(request(GEMINI, MESSAGES, is_streamed=True).body)["stream"] is True
    assert "stream" not in translated(CHAT, GEMINI, stream=True)
    assert request(CHAT, GEMINI, stream=True).is_streamed


def test_a_chat_client_is_shown_usage_in_a_stream_only_where_it_asks() -> None:
    assert not request(CHAT, MESSAGES, stream=True).wants_usage
    assert request(CHAT, MESSAGES, stream=True, stream_options={"include_usage": True}).wants_usage
    assert request(MESSAGES, CHAT, stream=True).wants_usage


def test_a_vendor_that_needs_a_maximum_gets_the_gateways() -> None:
    assert translated(CHAT, MESSAGES, default_maximum=77)["max_tokens"] == 77
    assert "maxOutputTokens" in str(refusal(CHAT, MESSAGES, default_maximum=None))
    assert "generationConfig" not in translated(CHAT, GEMINI)


def test_the_maximum_stands_in_the_field_that_the_vendor_knows() -> None:
    body = json.dumps(BASE[MESSAGES]).encode()
    destination = Destination(model="m", maximum_field="max_tokens")
    written = json.loads(Translation(client=MESSAGES, vendor=CHAT).request(body, destination).body)
    assert written["max_tokens"] == 50 and "max_completion_tokens" not in written


@pytest.mark.parametrize(
    ("asked", "messages", "gemini"),
    [
        ("none", {"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}),
        (
            "minimal",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            {"thinkingLevel": "MINIMAL"},
        ),
        ("high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, {"thinkingLevel": "HIGH"}),
        ("max", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"thinkingLevel": "XHIGH"}),
    ],
)
def test_an_effort_in_every_wire(asked: str, messages: dict[str, Any], gemini: dict[str, Any]) -> None:
    written = translated(CHAT, MESSAGES, reasoning_effort=asked)
    assert {name: written.get(name) for name in messages} == messages
    assert translated(CHAT, GEMINI, reasoning_effort=asked)["generationConfig"]["thinkingConfig"] == gemini


def test_a_budget_of_thinking_goes_to_who_has_one() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}
    config = translated(MESSAGES, GEMINI, thinking=thinking)["generationConfig"]["thinkingConfig"]
    assert config == {"thinkingBudget": 2048, "includeThoughts": False}
    back = {"thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True}}
    written = translated(GEMINI, MESSAGES, generationConfig=back)["thinking"]
    assert written == {"type": "enabled", "budget_tokens": 2048, "display": "summarized"}
    assert refusal(MESSAGES, CHAT, thinking=thinking).field == "thinking"
    both = {"thinking": thinking, "output_config": {"effort": "high"}}
    assert "exclude each other" in str(refusal(MESSAGES, GEMINI, **both))


def test_calls_that_must_hold_to_their_schema() -> None:
    strict = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}]
    assert translated(CHAT, MESSAGES, tools=strict)["tools"][0]["strict"] is True
    assert translated(CHAT, GEMINI, tools=strict)["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    declared = [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}]
    mode = {"functionCallingConfig": {"mode": "VALIDATED"}}
    written = translated(GEMINI, CHAT, tools=declared, toolConfig=mode)
    assert written["tools"][0]["function"]["strict"] is True and written["tool_choice"] == "auto"


def test_a_choice_among_some_tools() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g", "h")]
    named = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}}
    calling = translated(CHAT, GEMINI, tools=tools, tool_choice=choice)["toolConfig"]["functionCallingConfig"]
    assert calling == {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}
    assert refusal(CHAT, MESSAGES, tools=tools, tool_choice=choice).field == "tool_choice"
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}}
    declared = [{"functionDeclarations": [{"name": name} for name in ("f", "g", "h")]}]
    assert translated(GEMINI, CHAT, tools=declared, toolConfig=config)["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": named},
    }


def test_a_tool_without_arguments_takes_an_object_without_fields() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert translated(CHAT, MESSAGES, tools=tools)["tools"][0]["input_schema"] == {"type": "object", "properties": {}}
    assert translated(CHAT, GEMINI, tools=tools)["tools"] == [{"functionDeclarations": [{"name": "f"}]}]


def test_the_bytes_of_a_schema_and_of_arguments_stay_as_they_came() -> None:
    """Prompt caches are byte-sensitive, and a number may be longer than a machine's."""
    body = (
        b'{"model":"a","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":'
        b'"tool_use","id":"t","name":"f","input":{ "n" : 123456789012345678901234567890.50 }}]},{"role":"user",'
        b'"content":[{"type":"tool_result","tool_use_id":"t"}]}],"tools":[{"name":"f","input_schema":'
        b'{ "type":"object" , "x":1e2}}]}'
    )
    written = Translation(client=MESSAGES, vendor=GEMINI).request(body, Destination(model="m")).body
    assert b'{ "n" : 123456789012345678901234567890.50 }' in written
    assert b'{ "type":"object" , "x":1e2}' in written


def test_an_image_that_a_tool_gave() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    conversation = [
        HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image]}]},
    ]
    part = translated(MESSAGES, GEMINI, messages=conversation)["contents"][2]["parts"][0]["functionResponse"]
    assert part["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    assert refusal(MESSAGES, CHAT, messages=conversation).field == "messages"


def test_a_signature_goes_back_only_to_the_vendor_that_signed() -> None:
    signed = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "claude's"}]}
    for vendor in (CHAT, GEMINI):
        assert "claude's" not in json.dumps(translated(MESSAGES, vendor, messages=[HELLO, signed, HELLO]))
    marked = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "", "signature": "bursar:gemini.generate:proof:GOOGLES"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        ],
    }
    given = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}
    contents = translated(MESSAGES, GEMINI, messages=[HELLO, marked, given])["contents"]
    assert contents[1]["parts"][0]["thoughtSignature"] == "GOOGLES"
    assert "GOOGLES" not in json.dumps(translated(MESSAGES, CHAT, messages=[HELLO, marked, given]))


def test_a_user_whose_name_is_too_long_for_openai_is_left_out() -> None:
    assert "user" not in translated(MESSAGES, CHAT, metadata={"user_id": "u" * 129})
