"""Requests of every wire, as small as can be, and what becomes of them."""

import json
from typing import Any

import pytest

from governance.gateway.translation import Destination, Dialect, TranslatedRequest, Translation
from governance.plugin.errors import RequestInvalid

CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
RESPONSES = Dialect.OPENAI_RESPONSES
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HELLO = {"role": "user", "content": "Hello"}
SAID = {"role": "user", "parts": [{"text": "Hello"}]}
BASE: dict[Dialect, dict[str, Any]] = {
    CHAT: {"model": "alias", "messages": [HELLO]},
    MESSAGES: {"model": "alias", "max_tokens": 50, "messages": [HELLO]},
    GEMINI: {"contents": [SAID]},
    RESPONSES: {"model": "alias", "input": "Hello"},
}


def request(
    client: Dialect, vendor: Dialect, *, default_maximum: int | None = 100, is_streamed: bool = False, **fields: Any
) -> TranslatedRequest:
    body = json.dumps(BASE[client] | fields).encode()
    destination = Destination(model="vendor-model", default_maximum_tokens=default_maximum)
    return Translation(client=client, vendor=vendor).request(body, destination, is_streamed=is_streamed)


def translated(client: Dialect, vendor: Dialect, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request(client, vendor, **fields).body)
    return body


def refusal(client: Dialect, vendor: Dialect, **fields: Any) -> RequestInvalid:
    with pytest.raises(RequestInvalid) as raised:
        request(client, vendor, **fields)
    return raised.value
