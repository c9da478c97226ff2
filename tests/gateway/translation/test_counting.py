"""Questions for counts: what of a conversation is counted, and the shapes in which Google takes them."""

import json
from typing import Any

import pytest

from governance.gateway.translation import CountTranslation, Destination, Dialect
from governance.plugin.errors import RequestInvalid
from tests.gateway.translation.support import GEMINI, HELLO, MESSAGES, RESPONSES, SAID

ALIKE = {"contents": [SAID]}


def question(client: Dialect, vendor: Dialect, **fields: Any) -> dict[str, Any]:
    translation = CountTranslation(client=client, vendor=vendor)
    body = translation.request(json.dumps(fields).encode(), Destination(model="vendor-model")).body
    asked: dict[str, Any] = json.loads(body)
    return asked


@pytest.mark.parametrize(
    "fields",
    [
        ALIKE,
        {"generateContentRequest": {"model": "models/alias", **ALIKE}},
        {"generate_content_request": {"model": "models/alias", **ALIKE}, "model": "models/alias"},
    ],
)
def test_google_takes_a_request_with_and_without_its_wrapping(fields: dict[str, Any]) -> None:
    assert question(GEMINI, MESSAGES, **fields) == {
        "model": "vendor-model",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }


def test_what_shapes_the_answer_alone_is_neither_asked_nor_refused() -> None:
    config = {
        "temperature": 1.7,
        "seed": 4,
        "stopSequences": ["x"],
        "presencePenalty": 1.0,
        "maxOutputTokens": 9,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
        "thinkingConfig": {"thinkingBudget": 1024},
    }
    asked = question(GEMINI, MESSAGES, generateContentRequest={**ALIKE, "generationConfig": config})
    assert asked.keys() == {"model", "messages", "thinking", "output_config"}
    asked = question(GEMINI, RESPONSES, generateContentRequest={**ALIKE, "generationConfig": config})
    assert asked.keys() == {"model", "input", "text"}
    shaping = {"parallel_tool_calls": False, "text": {"verbosity": "low"}}
    asked = question(RESPONSES, GEMINI, model="alias", input="Hello", **shaping)
    assert asked == {"generateContentRequest": {"model": "models/vendor-model", **ALIKE}}


def test_a_conversation_may_end_with_the_assistant_where_it_is_only_counted() -> None:
    messages = [HELLO, {"role": "assistant", "content": "Well,"}]
    assert len(question(MESSAGES, GEMINI, model="alias", messages=messages)["generateContentRequest"]["contents"]) == 2


@pytest.mark.parametrize(
    ("client", "fields", "field"),
    [
        (GEMINI, {"contents": [SAID], "generateContentRequest": ALIKE}, "contents"),
        (GEMINI, {"generateContentRequest": []}, None),
        (GEMINI, {"generateContentRequest": {"contents": []}}, "messages"),
        (GEMINI, {"contents": [SAID], "cachedContent": "c"}, "cachedContent"),
        (MESSAGES, {"model": "alias", "messages": [HELLO], "mcp_servers": [{}]}, "mcp_servers"),
        (MESSAGES, {"model": "alias"}, None),
        (RESPONSES, {"model": "alias", "input": "Hello", "previous_response_id": "r"}, "previous_response_id"),
        (RESPONSES, {"model": "alias"}, None),
    ],
)
def test_what_cannot_be_counted_is_refused_by_name(client: Dialect, fields: dict[str, Any], field: str | None) -> None:
    with pytest.raises(RequestInvalid) as refused:
        question(client, RESPONSES if client is MESSAGES else MESSAGES, **fields)
    assert refused.value.field == field
