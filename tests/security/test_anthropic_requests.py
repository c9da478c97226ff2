"""Requests on the Anthropic wire that would spend what nobody reserved: refused before anything is sent or held."""

import json
from typing import Any

import anthropic
import pytest

from tests.gateway import claude
from tests.gateway.claude import add_claude, asked, sdk
from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World

SECOND_MODEL: list[dict[str, Any]] = [
    {"fallbacks": [{"model": "claude-opus-5"}]},
    {"fallbacks": "default"},
    {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5"}]},
]
OTHERS_MONEY: list[dict[str, Any]] = [
    {"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}},
    {"fallback_credit_token": "token"},
]
STORED: list[dict[str, Any]] = [
    {"thread": {"type": "continue", "previous_message_id": "msg_of_another_team"}},
    {"container": "container_of_another_team"},
    {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}]},
]
UNBOUNDED: list[dict[str, Any]] = [
    {"tools": [{"type": "web_search_20260318", "name": "web_search"}]},
    {"tools": [{"type": "web_fetch_20260318", "name": "web_fetch"}]},
    {"tools": [{"type": "code_execution_20260521", "name": "code_execution"}]},
    {"tools": [{"type": "tool_search_tool_regex_20251119", "name": "search"}]},
    {"mcp_servers": [{"type": "url", "url": "https://mcp.example.test", "name": "m"}]},
    {"context_management": {"edits": [{"type": "compact_20260112"}]}},
    {"service_tier": "priority"},
    {"inference_geo": "us"},
    {"speed": "fast"},
    {"a_field_of_next_year": {"costs": "extra"}},
]
TWICE = (
    b'{"model":"claude","max_tokens":1,"max_tokens":64000,"messages":[{"role":"user","content":"Hi"}]}',
    b'{"model":"claude","model":"opus","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}',
    b'{"model":"claude","max_tokens":1,"messages":[{"role":"user","content":"Hi"}],'
    b'"tools":[{"type":"custom","type":"web_search_20260318","name":"w"}]}',
)


@pytest.fixture(autouse=True)
def _claude(world: World, vendor: Vendor) -> None:
    vendor.answer = claude.answer
    add_claude(world, vendor.base_url)


async def _refused(served: Served, world: World, vendor: Vendor, key: str, body: bytes) -> str:
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", content=body)
    assert (reply.status_code, vendor.calls, world.attempts(), world.records()) == (400, [], [], []), body
    assert reply.json()["type"] == "error"
    return str(reply.json()["error"]["details"]["error_code"])


@pytest.mark.parametrize("fields", [SECOND_MODEL, OTHERS_MONEY, STORED], ids=["second model", "money", "stored"])
async def test_no_field_gets_past_the_allow_list_or_into_another_teams_context(
    served: Served, world: World, vendor: Vendor, key: str, fields: list[dict[str, Any]]
) -> None:
    for each in fields:
        code = await _refused(served, world, vendor, key, json.dumps(asked(**each)).encode())
        assert code in ("bad_request", "request_unpriced")


async def test_nothing_without_a_bound_is_sent(served: Served, world: World, vendor: Vendor, key: str) -> None:
    for each in UNBOUNDED:
        code = await _refused(served, world, vendor, key, json.dumps(asked(**each)).encode())
        assert code == ("bad_request" if "a_field_of_next_year" in each else "request_unpriced"), each


async def test_a_name_that_stands_twice_decides_nothing(served: Served, world: World, vendor: Vendor, key: str) -> None:
    for body in TWICE:
        assert await _refused(served, world, vendor, key, body) == "bad_request"


async def test_a_maximum_that_is_none_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    for maximum in (None, -1, 1.5, "64", True, 2**31, 10**30):
        body = json.dumps(asked(max_tokens=maximum)).encode()
        assert await _refused(served, world, vendor, key, body) == "bad_request", maximum


async def test_the_stock_client_cannot_reach_files_or_agents(served: Served, vendor: Vendor, key: str) -> None:
    async with sdk(served, key) as client:
        for asking in (
            client.beta.files.list(),
            client.beta.agents.list(),
            client.beta.skills.list(),
        ):
            with pytest.raises(anthropic.NotFoundError, match=r"has no such route|is OpenAI's here"):
                await asking
    assert vendor.calls == []
