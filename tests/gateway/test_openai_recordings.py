"""OpenAI's recorded replies, replayed by a real server to the requests that got them: bytes, token classes and cost."""

import json
from typing import Any

import pytest

from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import Served, World
from tests.support.recordings import exchange

STANDARD = {"input": "1250", "cache_read": "125", "cache_write": "1562.5", "output": "10000"}
FLEX = {"input": "625", "cache_read": "62.5", "cache_write": "781.25", "output": "5000"}


@pytest.fixture
def priced(world: World) -> World:
    """A model at OpenAI with the prices of gpt-5, at two tiers."""
    model = world.add_model("priced", prices=STANDARD, max_output_tokens=10_000)
    for token_class, nano in FLEX.items():
        world.insert(
            "catalog_price",
            book_id=world.book,
            model_id=model,
            token_class=token_class,
            nano_per_unit=nano,
            from_input_tokens=0,
            service_tier="flex",
            effective_from="2026-01-01T00:00:00Z",
            source="test",
            snapshot_sha256="",
        )
    world.execute("UPDATE connections_connection SET provider = 'openai'")
    return world


async def replay(recorded: dict[str, Any], served: Served, vendor: Vendor, key: str) -> tuple[int, bytes, VendorCall]:
    """Ask what was asked, and be answered as it was answered."""
    asked, answered = recorded["request"], recorded["response"]
    content_type = next(text for name, text in answered["headers"].items() if name.lower() == "content-type")
    body = answered["body"].encode()

    async def answer(call: VendorCall) -> None:
        if "event-stream" not in content_type:
            await call.reply(body, status=answered["status"], headers=f"content-type: {content_type}")
            return
        await call.begin_stream()
        for start in range(0, len(body), 1000):
            await call.chunk(body[start : start + 1000])
        await call.end_stream()

    vendor.answer = answer
    path = asked["url"].removeprefix("https://").partition("/")[2].removeprefix("openai/")
    async with served.client(key) as client:
        reply = await client.post(f"/{path}", json=asked["body"] | {"model": "priced"})
    return reply.status_code, reply.content, vendor.calls[-1]


@pytest.mark.parametrize(
    ("name", "number", "rated"),
    [
        (
            "openai-responses-stream-usage-gpt5.json",
            0,
            ({"input": 53, "output": 21, "reasoning": 448}, "flex", 53 * 625 + 469 * 5_000),
        ),
        ("openai-responses-input_tokens-count.json", 0, ({}, "standard", 0)),
        (
            "openai-responses-input_tokens-count.json",
            1,
            ({"input": 18, "output": 28}, "standard", 18 * 1_250 + 28 * 10_000),
        ),
        (
            "azure-openai-responses-gpt5.6-sol.json",
            0,
            ({"input": 18, "output": 5}, "standard", 18 * 1_250 + 5 * 10_000),
        ),
        ("openai-embeddings.json", 0, ({"input": 4}, "standard", 4 * 1_250)),
        (
            "openai-chat-promptcache-write-gpt5.6-sol.json",
            0,
            (
                {"input": 8, "cache_write": 4012, "output": 4},
                "standard",
                8 * 1_250 + 4012 * 3_125 // 2 + 4 * 10_000,
            ),
        ),
        (
            "openai-chat-promptcache-write-gpt5.6-sol.json",
            1,
            ({"input": 8, "cache_read": 4012, "output": 4}, "standard", 8 * 1_250 + 4012 * 125 + 4 * 10_000),
        ),
    ],
)
async def test_trap_15_a_recorded_reply_is_passed_and_rated_at_the_tier_it_names(
    priced: World, served: Served, vendor: Vendor, name: str, number: int, rated: tuple[dict[str, int], str, int]
) -> None:
    recorded = exchange(name, number)
    status, body, call = await replay(recorded, served, vendor, priced.add_key()[1])
    assert (status, body) == (recorded["response"]["status"], recorded["response"]["body"].encode())
    assert call.json == recorded["request"]["body"] | {"model": "priced-2026"}
    (record,) = await priced.recorded()
    classes, tier, cost = rated
    assert dict(zip(record["classes"], record["quantities"], strict=True)) == classes
    assert (record["charge_nano"], record["service_tier"], record["is_estimated"]) == (cost, tier, False)


async def test_trap_19_the_model_that_was_served_is_kept_beside_the_one_that_was_asked(
    priced: World, served: Served, vendor: Vendor, key: str
) -> None:
    await replay(exchange("openai-responses-stream-usage-gpt5.json"), served, vendor, key)
    (record,) = await priced.recorded()
    assert (record["alias"], record["served_model"]) == ("priced", "gpt-5-2025-08-07")


async def test_a_recorded_refusal_passes_unchanged_and_costs_nothing(
    priced: World, served: Served, vendor: Vendor, key: str
) -> None:
    recorded = exchange("openai-responses-400-model.json")
    status, body, _ = await replay(recorded, served, vendor, key)
    assert (status, json.loads(body)) == (400, json.loads(recorded["response"]["body"]))
    (record,) = await priced.recorded()
    assert (record["http_status"], record["charge_nano"], record["classes"]) == (400, 0, [])


async def test_a_tier_the_model_has_no_price_for_is_refused(
    priced: World, served: Served, vendor: Vendor, key: str
) -> None:
    async with served.client(key) as client:
        for tier in ("priority", "fast", "ultrafast", "scale"):
            reply = await client.post("/v1/responses", json={"model": "priced", "input": "Hi", "service_tier": tier})
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "request_unpriced")
    assert vendor.calls == []


async def test_trap_15_a_projects_own_tier_is_held_where_the_request_leaves_it_open(
    priced: World, served: Served, vendor: Vendor, key: str
) -> None:
    priced.execute("""UPDATE connections_connection SET options = '{"project_service_tier": "priority"}'""")
    await served.gateway.keeper.refresh()
    async with served.client(key) as client:
        for asked in ({}, {"service_tier": "auto"}):
            reply = await client.post("/v1/responses", json={"model": "priced", "input": "Hi", **asked})
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "request_unpriced")
            assert "'priority'" in reply.json()["error"]["message"]
    assert vendor.calls == []
