"""Counts of tokens by the stock SDK of one API, for a model that another API's counter knows."""

import json
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.gateway.test_translated_calls import serve_from
from tests.gateway.vendor import Vendor, VendorCall, refusing
from tests.gateway.world import Served, World

QUESTION: dict[str, Any] = {"role": "user", "content": "Hi"}
TOOL = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object", "properties": {}}}
COUNTERS = {
    "anthropic": ("/v1/messages/count_tokens", {"input_tokens": 23}),
    "gemini": ("/v1beta/models/tiny-2026:countTokens", {"totalTokens": 23, "promptTokensDetails": []}),
    "openai": ("/v1/responses/input_tokens", {"object": "response.input_tokens", "input_tokens": 23}),
}
ASKED: dict[str, dict[str, Any]] = {
    "anthropic": {
        "model": "tiny-2026",
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "tools": [TOOL],
    },
    "gemini": {
        "generateContentRequest": {
            "model": "models/tiny-2026",
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "weather",
                            "description": "Tells it.",
                            "parametersJsonSchema": TOOL["input_schema"],
                        }
                    ]
                }
            ],
        }
    },
    "openai": {
        "model": "tiny-2026",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        ],
        "tools": [
            {
                "type": "function",
                "name": "weather",
                "description": "Tells it.",
                "parameters": TOOL["input_schema"],
                "strict": False,
            }
        ],
    },
}
"""What each vendor's counter is asked, whoever asked."""


async def counting_from(provider: str, served: Served, world: World, vendor: Vendor) -> None:
    await serve_from(provider, served, world, vendor)
    vendor.answer = refusing(200, json.dumps(COUNTERS[provider][1]).encode())


async def counted(world: World, vendor: Vendor, provider: str) -> dict[str, Any]:
    """Return what the vendor was asked, after it was seen that it cost nothing."""
    (record,) = await world.recorded()
    assert (record["alias"], record["charge_nano"], record["reserved_nano"]) == ("tiny", 0, 0)
    (call,) = vendor.calls
    assert call.path == COUNTERS[provider][0]
    asked: dict[str, Any] = call.json
    return asked


@pytest.mark.parametrize("provider", ["gemini", "openai"])
async def test_anthropics_sdk_counts_for_others(
    served: Served, world: World, vendor: Vendor, key: str, provider: str
) -> None:
    await counting_from(provider, served, world, vendor)
    world.add_budget(1)
    await served.catch_up(world)
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key) as client:
        count = await client.messages.count_tokens(
            model="tiny",
            system="Be brief.",
            messages=[QUESTION],  # type: ignore[list-item]
            tools=[TOOL],  # type: ignore[list-item]
            thinking={"type": "enabled", "budget_tokens": 1024},
        )
    assert count.input_tokens == 23
    assert await counted(world, vendor, provider) == ASKED[provider]


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
async def test_openais_sdk_counts_for_others(
    served: Served, world: World, vendor: Vendor, key: str, provider: str
) -> None:
    await counting_from(provider, served, world, vendor)
    async with served.sdk(key) as client:
        count = await client.responses.input_tokens.count(
            model="tiny",
            instructions="Be brief.",
            input="Hi",
            tools=[{"type": "function", "parameters": TOOL["input_schema"], "strict": False, **named(TOOL)}],  # type: ignore[list-item]
        )
    assert (count.input_tokens, count.object) == (23, "response.input_tokens")
    assert await counted(world, vendor, provider) == ASKED[provider]


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
async def test_googles_sdk_counts_for_others(
    served: Served, world: World, vendor: Vendor, key: str, provider: str
) -> None:
    await counting_from(provider, served, world, vendor)
    async with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=served.url)).aio as client:
        count = await client.models.count_tokens(model="tiny", contents="Hi")
        listed = await client.models.get(model="tiny")
    assert count.total_tokens == 23
    assert "countTokens" in (listed.supported_actions or ())
    alone = {name: value for name, value in ASKED[provider].items() if name not in ("system", "tools")}
    alone = {**alone, "input": alone["input"][1:]} if provider == "openai" else alone
    assert await counted(world, vendor, provider) == alone


async def test_a_model_whose_vendor_has_no_counter_is_not_guessed_at(served: Served, vendor: Vendor, key: str) -> None:
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key) as client:
        with pytest.raises(anthropic.BadRequestError, match="Bursar does not guess"):
            await client.messages.count_tokens(model="tiny", messages=[QUESTION])  # type: ignore[list-item]
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError, match="Bursar does not guess"):
            await client.responses.input_tokens.count(model="tiny", input="Hi")
    async with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=served.url)).aio as client:
        with pytest.raises(errors.ClientError, match="Bursar does not guess"):
            await client.models.count_tokens(model="tiny", contents="Hi")
    assert vendor.calls == []


async def test_a_count_for_another_vendor_is_governed_like_any_call(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await counting_from("gemini", served, world, vendor)
    world.add_rate_limit(1)
    await served.catch_up(world)
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key, max_retries=0) as client:
        await client.messages.count_tokens(model="tiny", messages=[QUESTION])  # type: ignore[list-item]
        with pytest.raises(anthropic.RateLimitError):
            await client.messages.count_tokens(model="tiny", messages=[QUESTION])  # type: ignore[list-item]
        world.execute("UPDATE connections_connection SET region = 'us'")
        world.execute("UPDATE teams_team SET regions = '{eu}'")
        await served.catch_up(world)
        with pytest.raises(anthropic.PermissionDeniedError, match="is served nowhere in eu"):
            await client.messages.count_tokens(model="tiny", messages=[QUESTION])  # type: ignore[list-item]
    assert len(vendor.calls) == 1


async def test_what_a_counter_answers_is_told_in_the_clients_words(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await counting_from("gemini", served, world, vendor)
    broken = b'{"error": {"code": 400, "message": "No such schema.", "status": "INVALID_ARGUMENT"}}'
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key, max_retries=0) as client:
        vendor.answer = refusing(400, broken)
        with pytest.raises(anthropic.BadRequestError, match="No such schema") as refused:
            await client.messages.count_tokens(model="tiny", messages=[QUESTION])  # type: ignore[list-item]
        assert refused.value.type == "invalid_request_error"
        vendor.answer = nonsense
        with pytest.raises(anthropic.InternalServerError, match="not what its API promises"):
            await client.messages.count_tokens(model="tiny", messages=[QUESTION])  # type: ignore[list-item]


async def nonsense(call: VendorCall) -> None:
    await call.reply(b'{"totalTokens": -1}')


def named(tool: dict[str, Any]) -> dict[str, Any]:
    return {"name": tool["name"], "description": tool["description"]}
