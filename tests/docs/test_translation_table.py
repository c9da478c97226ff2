"""The tables of docs/translation.md: every field that a wire's list knows has a row, and every cell is tried."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from governance.gateway.translation import Destination, Dialect, TranslatedRequest, Translation
from governance.gateway.translation.chat.request import FIELDS as CHAT_FIELDS
from governance.gateway.translation.gemini.request import FIELDS as GEMINI_FIELDS
from governance.gateway.translation.gemini.request import GENERATION_FIELDS
from governance.gateway.translation.messages.request import FIELDS as MESSAGES_FIELDS
from governance.gateway.translation.reading import Fields
from governance.gateway.translation.responses.request import FIELDS as RESPONSES_FIELDS
from governance.plugin.errors import RequestInvalid
from tests.gateway.translation.support import BASE, SCHEMA

PAGE = Path(__file__).parents[2] / "docs/translation.md"
CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
RESPONSES = Dialect.OPENAI_RESPONSES
VENDORS = {
    CHAT: (MESSAGES, GEMINI, RESPONSES),
    RESPONSES: (CHAT, MESSAGES, GEMINI),
    MESSAGES: (CHAT, GEMINI, RESPONSES),
    GEMINI: (CHAT, MESSAGES, RESPONSES),
}
HEADINGS = {
    RESPONSES: "From the OpenAI Responses wire",
    CHAT: "From the OpenAI chat wire",
    MESSAGES: "From the Anthropic messages wire",
    GEMINI: "From the Gemini wire",
}
ROW = re.compile(r"^\| `([\w.]+)` \|" + r" (carried|changed|left out|refused) \|" * 3 + r" (.*)\|$")
MORE = [{"role": "user", "content": "More"}]
FUNCTION = {"name": "f", "parameters": SCHEMA}
NESTED = "generationConfig."

SAMPLES: dict[Dialect, dict[str, Any]] = {
    CHAT: {
        "messages": MORE,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "max_completion_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.5,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.5,
        "seed": 1,
        "stop": "END",
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "f", "schema": SCHEMA}},
        "reasoning_effort": "minimal",
        "user": "u",
        "safety_identifier": "u",
        "verbosity": "low",
    },
    RESPONSES: {
        "input": "More",
        "instructions": "Be brief.",
        "stream": True,
        "max_output_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.5,
        "tools": [{"type": "function", **FUNCTION}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "f", "schema": SCHEMA}},
        "reasoning": {"effort": "minimal"},
        "include": ["reasoning.encrypted_content"],
        "user": "u",
        "safety_identifier": "u",
    },
    MESSAGES: {
        "messages": MORE,
        "max_tokens": 7,
        "system": "Be brief.",
        "stream": True,
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "tools": [{"name": "f", "input_schema": SCHEMA}],
        "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low"},
        "metadata": {"user_id": "u"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    },
    GEMINI: {
        "contents": [{"parts": [{"text": "More"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [FUNCTION]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "OFF"}],
        "generationConfig.temperature": 0.5,
        "generationConfig.topP": 0.5,
        "generationConfig.topK": 5,
        "generationConfig.maxOutputTokens": 7,
        "generationConfig.stopSequences": ["END"],
        "generationConfig.presencePenalty": 0.5,
        "generationConfig.frequencyPenalty": 0.5,
        "generationConfig.seed": 1,
        "generationConfig.responseMimeType": "application/json",
        "generationConfig.responseSchema": {"type": "OBJECT"},
        "generationConfig.responseJsonSchema": SCHEMA,
        "generationConfig.thinkingConfig": {"thinkingLevel": "LOW"},
    },
}
"""A value of every field that is carried; of the others any will do."""

BESIDE: dict[str, dict[str, Any]] = {
    "stream_options": {"stream": True},
    "tool_choice": {},
    "generationConfig.responseSchema": {"generationConfig": {"responseMimeType": "application/json"}},
    "generationConfig.responseJsonSchema": {"generationConfig": {"responseMimeType": "application/json"}},
    "toolConfig": {"tools": [{"functionDeclarations": [FUNCTION]}]},
}
"""What a field needs beside it to mean something."""


def rows(client: Dialect) -> dict[str, tuple[str, str, str]]:
    section = PAGE.read_text(encoding="utf-8").split(f"## {HEADINGS[client]}\n")[1].split("\n## ")[0]
    return {found[1]: (found[2], found[3], found[4]) for line in section.splitlines() if (found := ROW.match(line))}


def known(client: Dialect) -> set[str]:
    fields: dict[Dialect, list[tuple[str, Fields]]] = {
        CHAT: [("", CHAT_FIELDS)],
        RESPONSES: [("", RESPONSES_FIELDS)],
        MESSAGES: [("", MESSAGES_FIELDS)],
        GEMINI: [("", GEMINI_FIELDS), (NESTED, GENERATION_FIELDS)],
    }
    names = {
        f"{prefix}{name}" for prefix, of in fields[client] for name in (of.carried | {*of.left_out} | {*of.refused})
    }
    return names - {"generationConfig"}


def beside(client: Dialect, name: str) -> dict[str, Any]:
    if name in ("tool_choice", "parallel_tool_calls"):
        return {"tools": SAMPLES[client]["tools"]}
    return BESIDE.get(name, {})


def with_field(client: Dialect, name: str) -> dict[str, Any]:
    fields = json.loads(json.dumps(BASE[client] | beside(client, name)))
    holder = fields.setdefault("generationConfig", {}) if name.startswith(NESTED) else fields
    holder[name.removeprefix(NESTED)] = SAMPLES[client].get(name, ["anything"])
    return dict(fields)


def translated(client: Dialect, vendor: Dialect, fields: dict[str, Any]) -> TranslatedRequest:
    destination = Destination(model="m", default_maximum_tokens=100)
    return Translation(client=client, vendor=vendor).request(json.dumps(fields).encode(), destination)


def without_field(client: Dialect, vendor: Dialect, name: str) -> TranslatedRequest | None:
    """A schema's form without its schema is itself refused by some."""
    try:
        return translated(client, vendor, BASE[client] | beside(client, name))
    except RequestInvalid:
        return None


@pytest.mark.parametrize("client", list(Dialect))
def test_every_field_that_a_wire_knows_has_a_row(client: Dialect) -> None:
    assert set(rows(client)) == known(client)


@pytest.mark.parametrize(
    ("client", "vendor", "name", "word"),
    [
        (client, vendor, name, word)
        for client in Dialect
        for name, words in rows(client).items()
        for vendor, word in zip(VENDORS[client], words, strict=True)
        if (client, name) not in ((CHAT, "model"), (RESPONSES, "model"), (MESSAGES, "model"))
    ],
)
def test_every_cell_says_what_becomes_of_the_field(client: Dialect, vendor: Dialect, name: str, word: str) -> None:
    fields = with_field(client, name)
    if word == "refused":
        with pytest.raises(RequestInvalid) as raised:
            translated(client, vendor, fields)
        assert raised.value.field
        return
    written = translated(client, vendor, fields)
    without = without_field(client, vendor, name)
    assert (said_of(written) == said_of(without)) is (word == "left out")


def said_of(request: TranslatedRequest | None) -> object:
    """Return what the vendor is told. What an answer repeats of a request is told to the client alone."""
    return request and (request.body, request.is_streamed, request.wants_usage)
