"""The models of February 2026 and their successors, called through their vendors' plugins in their own wires: what the
ledger then holds is what a person computes from the vendor's price page.

Prices in the comments are USD per million tokens, as the page had them in November 2026; a cost in nano-USD is tokens
times a thousand times that.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest

from governance.catalog.importing import import_catalogue
from governance.core.plugins import load_plugins
from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import Served, World
from tests.support.aws import KEYS
from tests.support.company import ACTOR

_WORD = "Hi"
_LONG = {100_001: "x" * 100_001, 200_000: "x" * 200_001, 256_001: "x" * 256_001, 272_001: "x" * 272_001}
_BASE_URLS = {"gemini": "", "bedrock": ""}
_CREDENTIALS = {"bedrock": json.dumps(KEYS)}


class Case(NamedTuple):
    """One call. `usage` is what the vendor reports, `nano` what that costs, `busy` what it costs at peak hours."""

    provider: str
    model: str
    wire: str
    usage: dict[str, Any]
    nano: int
    text: str = _WORD
    busy: int | None = None


def chat(prompt: int, cached: int, completion: int, **details: Any) -> dict[str, Any]:
    """Return usage of the chat wire; details of the prompt are given by name."""
    reasoning = details.pop("reasoning_beside", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion + reasoning,
        "prompt_tokens_details": {"cached_tokens": cached, **details},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def responses(given: int, cached: int, output: int, reasoning: int = 0) -> dict[str, Any]:
    """Return usage of the Responses wire."""
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": given + output,
    }


def messages(fresh: int, read: int, short: int, long: int, output: int) -> dict[str, Any]:
    """Return usage of Anthropic's wire: fresh input, read from the cache, written to it for minutes and for an hour."""
    return {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output,
    }


def gemini(prompt: int, cached: int, candidates: int, thoughts: int) -> dict[str, Any]:
    """Return usage of Gemini's wire."""
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + candidates + thoughts,
    }


CASES = (
    # 2 / 0.2 / 12: 600 x 2,000 + 400 x 200 + 150 x 12,000
    Case("gemini", "gemini-3.1-pro-preview", "generate", gemini(1000, 400, 100, 50), 3_080_000),
    # Above 200,000 tokens 4 / 0.4 / 18: 100,002 x 4,000 + 100,000 x 400 + 100 x 18,000
    Case("gemini", "gemini-3.1-pro-preview", "generate", gemini(200_002, 100_000, 100, 0), 441_808_000, _LONG[200_000]),
    # 1.5 / 0.15 / 9: 600 x 1,500 + 400 x 150 + 150 x 9,000
    Case("gemini", "gemini-3.5-flash", "generate", gemini(1000, 400, 100, 50), 2_310_000),
    # 2 / 0.2 / 2.5 and 4 / 10: 1,000 x 2,000 + 2,000 x 200 + 300 x 2,500 + 100 x 4,000 + 50 x 10,000
    Case("anthropic", "claude-sonnet-5", "messages", messages(1000, 2000, 300, 100, 50), 4_050_000),
    # 2 / 0.1 / 2.5 and 4 / 10: 1,000 x 2,000 + 2,000 x 100 + 300 x 2,500 + 100 x 4,000 + 50 x 10,000
    Case("anthropic", "claude-sonnet-5-5", "messages", messages(1000, 2000, 300, 100, 50), 3_850_000),
    # 4 / 0.2 / 5 and 8 / 20: 1,000 x 4,000 + 100 x 20,000
    Case("anthropic", "claude-opus-5-5", "messages", messages(1000, 0, 0, 0, 100), 6_000_000),
    # 0.1 / 0.5, five times that above 100,000 tokens: 100,001 x 500 + 10 x 2,500
    Case("anthropic", "claude-haiku-5-5", "messages", messages(100_001, 0, 0, 0, 10), 50_025_500, _LONG[100_001]),
    # In a profile of the EU a tenth more than 2 / 0.2 / 10: 1,000 x 2,200 + 2,000 x 220 + 50 x 11,000
    Case("bedrock", "eu.anthropic.claude-sonnet-5", "messages", messages(1000, 2000, 0, 0, 50), 3_190_000),
    # 2 / 0.2 / 10: 1,000 x 2,000 + 2,000 x 200 + 50 x 10,000
    Case("bedrock", "global.anthropic.claude-sonnet-5", "messages", messages(1000, 2000, 0, 0, 50), 2_900_000),
    # 1.75 / 0.175 / 14: 400 x 1,750 + 600 x 175 + 100 x 14,000
    Case("openai", "gpt-5.3-codex", "responses", responses(1000, 600, 100, 40), 2_205_000),
    # 2.5 / 0.25 / 15: 400 x 2,500 + 600 x 250 + 100 x 15,000
    Case("openai", "gpt-5.4", "responses", responses(1000, 600, 100, 40), 2_650_000),
    # Above 272,000 tokens 8 / 0.8 / 10 / 30: 271,001 x 8,000 + 1,000 x 10,000 + 10 x 30,000
    Case("openai", "gpt-5.6-sol", "chat", chat(272_001, 0, 10, cache_write_tokens=1000), 2_178_308_000, _LONG[272_001]),
    # 2 / 0.1 / 2.5 / 10: 300 x 2,000 + 500 x 100 + 200 x 2,500 + 100 x 10,000
    Case("openai", "gpt-6.1-sol", "chat", chat(1000, 500, 100, cache_write_tokens=200), 2_150_000),
    # 0.4 / 0.08 by chance / 2.4: 500 x 400 + 500 x 80 + 100 x 2,400
    Case("qwen", "qwen3.5-plus", "chat", chat(1000, 500, 100), 480_000),
    # In a cache that was asked for 0.04: 500 x 400 + 500 x 40 + 100 x 2,400
    Case("qwen", "qwen3.5-plus", "chat", chat(1000, 500, 100, cache_type="ephemeral"), 460_000),
    # Above 256,000 tokens 0.5 / 3: 256,001 x 500 + 10 x 3,000
    Case("qwen", "qwen3.5-plus", "chat", chat(256_001, 0, 10), 128_030_500, _LONG[256_001]),
    # 2 / 0.25 / 6: 500 x 2,000 + 500 x 250 + 100 x 6,000
    Case("qwen", "qwen3.8-max", "chat", chat(1000, 500, 100), 1_725_000),
    # 1 / 0.2 / 3.2: 400 x 1,000 + 600 x 200 + 100 x 3,200
    Case("glm", "glm-5", "chat", chat(1000, 600, 100), 840_000),
    # 1.4 / 0.26 / 4.4: 400 x 1,400 + 600 x 260 + 100 x 4,400
    Case("glm", "glm-5.3", "chat", chat(1000, 600, 100), 1_156_000),
    # In Anthropic's wire input leaves out the cache: 400 x 1,400 + 600 x 260 + 100 x 4,400
    Case("glm", "glm-5.3", "messages", messages(400, 600, 0, 0, 100), 1_156_000),
    # 0.66 / 0.022 / 1.98, twice that at peak: 400 x 660 + 600 x 22 + 100 x 1,980
    Case("deepseek", "deepseek-v4-pro", "chat", chat(1000, 600, 100), 475_200, busy=950_400),
    # 0.15 / 0.003 / 0.6, twice that at peak: 400 x 150 + 600 x 3 + 100 x 600
    Case("deepseek", "deepseek-flash", "chat", chat(1000, 600, 100), 121_800, busy=243_600),
    Case("deepseek", "deepseek-flash", "messages", messages(400, 600, 0, 0, 100), 121_800, busy=243_600),
    Case("deepseek", "deepseek-flash", "responses", responses(1000, 600, 100, 40), 121_800, busy=243_600),
    # 1.25 / 0.2 / 2.5, and reasoning stands beside the output: 400 x 1,250 + 600 x 200 + (60 + 40) x 2,500
    Case("xai", "grok-4.20", "chat", chat(1000, 600, 60, reasoning_beside=40), 870_000),
    # 1.25 / 0.2 / 2.5, and in this wire inside: 400 x 1,250 + 600 x 200 + 100 x 2,500
    Case("xai", "grok-4.20-multi-agent-0309", "responses", responses(1000, 600, 100, 40), 870_000),
    # From 200,000 tokens on 2.5 / 5: 200,000 x 2,500 + 10 x 5,000
    Case("xai", "grok-4.20-0309-reasoning", "chat", chat(200_000, 0, 10), 500_050_000, _LONG[200_000]),
    # 2 / 0.5 / 6: 400 x 2,000 + 600 x 500 + 100 x 6,000
    Case("xai", "grok-4.7", "chat", chat(1000, 600, 100), 1_700_000),
)
RETIRED = {
    "gemini-3-pro-preview": ("gemini", "2026-03-09", "gemini-3.1-pro-preview"),
    "claude-sonnet-4-5": ("anthropic", "2026-11-30", "claude-sonnet-5-5"),
    "gpt-5.3-chat-latest": ("openai", "2026-08-10", "gpt-5.5"),
    "deepseek-chat": ("deepseek", "2026-07-24", "deepseek-flash"),
}
UNPRICED = {"gpt-6.2-sol": "openai", "qwen3.5-flash": "qwen", "qwen3.5-397b-a17b": "qwen"}


@pytest.fixture
def catalogued(world: World, vendor: Vendor) -> World:
    """The world with the whole of the installed catalogues, and every model of this page callable by its own name."""
    models = {case.model: case.provider for case in CASES} | UNPRICED
    models |= {name: provider for name, (provider, _, _) in RETIRED.items()}
    for source in load_plugins().price_sources.values():
        read = source.read(providers=set(models.values()))
        wanted = msgspec.structs.replace(
            read,
            models=tuple(fact for fact in read.models if fact.name in models),
            prices=tuple(fact for fact in read.prices if fact.model in models),
        )
        import_catalogue(actor=ACTOR, at=datetime.now(UTC), catalogue=wanted)
    ids = {(row["provider"], row["name"]): row["id"] for row in world.rows("SELECT * FROM catalog_languagemodel")}
    # What is sold today will be gone one day, and this page goes on.
    world.execute("UPDATE catalog_languagemodel SET retires_on = NULL WHERE NOT name = ANY(%s)", list(RETIRED))
    connections = {
        provider: world.add_connection(
            f"http://127.0.0.1:{vendor.port}{_BASE_URLS.get(provider, '/v1')}",
            provider=provider,
            **({"credential": _CREDENTIALS[provider]} if provider in _CREDENTIALS else {}),
        )
        for provider in sorted(set(models.values()))
    }
    for name, provider in models.items():
        world.add_alias(name, model=ids[provider, name], upstream_name=name, connection=connections[provider])
    return world


def request(wire: str, model: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return path and body of a call in this wire."""
    said = [{"role": "user", "content": text}]
    if wire == "generate":
        contents = [{"role": "user", "parts": [{"text": text}]}]
        return f"/v1/models/{model}:generateContent", {
            "contents": contents,
            "generationConfig": {"maxOutputTokens": 200},
        }
    if wire == "responses":
        return "/v1/responses", {"model": model, "input": text, "max_output_tokens": 200, "store": False}
    if wire == "messages":
        return "/v1/messages", {"model": model, "messages": said, "max_tokens": 200}
    return "/v1/chat/completions", {"model": model, "messages": said, "max_tokens": 200}


def answer(wire: str, model: str, usage: dict[str, Any]) -> bytes:
    """Return the vendor's whole reply in this wire."""
    if wire == "generate":
        candidate = {"content": {"role": "model", "parts": [{"text": "Hello!"}]}, "finishReason": "STOP"}
        return json.dumps({"candidates": [candidate], "usageMetadata": usage, "modelVersion": model}).encode()
    if wire == "responses":
        item = {"type": "message", "content": [{"type": "output_text", "text": "Hello!"}]}
        reply = {"object": "response", "status": "completed", "model": model, "output": [item], "usage": usage}
        return json.dumps({**reply, "service_tier": "default"}).encode()
    if wire == "messages":
        text = {"type": "text", "text": "Hello!"}
        return json.dumps({"type": "message", "model": model, "content": [text], "usage": usage}).encode()
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}
    return json.dumps({"model": model, "choices": [choice], "usage": usage}).encode()


def is_busy(at: datetime) -> bool:
    """Return whether DeepSeek's dearer hours hold: on weekdays, 9 to 12 and 14 to 18 o'clock in Beijing."""
    there = at.astimezone(ZoneInfo("Asia/Shanghai"))
    return there.isoweekday() <= 5 and (9 <= there.hour < 12 or 14 <= there.hour < 18)


def replies() -> Iterator[bytes]:
    return (answer(case.wire, case.model, case.usage) for case in CASES)


async def test_each_model_costs_what_its_vendors_page_says(
    catalogued: World, served: Served, vendor: Vendor, key: str
) -> None:
    said = replies()

    async def reply(call: VendorCall) -> None:
        await call.reply(next(said))

    vendor.answer = reply
    await served.catch_up(catalogued)
    attempts = []
    async with served.client(key) as client:
        for case in CASES:
            path, body = request(case.wire, case.model, case.text)
            told = await client.post(path, json=body)
            assert told.status_code == 200, (case.model, told.text)
            attempts.append(told.headers["x-bursar-attempt-id"])
    records = {str(record["attempt_id"]): record for record in await catalogued.recorded(len(CASES))}
    for case, attempt in zip(CASES, attempts, strict=True):
        record = records[attempt]
        expected = case.busy if case.busy is not None and is_busy(record["admitted_at"]) else case.nano
        assert (record["alias"], record["charge_nano"]) == (case.model, expected)
        assert (record["is_estimated"], record["service_tier"]) == (False, "standard"), case.model
    assert catalogued.attempts() == []


async def test_a_model_that_is_gone_names_its_successor_and_one_without_a_price_is_not_called(
    catalogued: World, served: Served, vendor: Vendor, key: str
) -> None:
    await served.catch_up(catalogued)
    wires = {"gemini": "generate", "anthropic": "messages"}
    async with served.client(key) as client:
        for name, (provider, day, successor) in RETIRED.items():
            path, body = request(wires.get(provider, "chat"), name, _WORD)
            told = await client.post(path, json=body)
            assert told.status_code == 404, name
            assert f"retired by its vendor on {day}. Use {successor} instead." in told.text
        for name in UNPRICED:
            path, body = request("chat", name, _WORD)
            told = await client.post(path, json=body)
            assert (told.status_code, "has no price in force" in told.text) == (400, True), name
    assert vendor.calls == []
