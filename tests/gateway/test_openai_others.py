"""OpenAI's smaller wires, asked by the stock `openai` package: embeddings, moderations, a count of input tokens."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.gateway.openai_vendor import replying
from tests.gateway.vendor import Vendor, VendorCall, refusing
from tests.gateway.world import CREDENTIAL, Served, World

EMBEDDINGS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="}],
    "model": "embed-2026",
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
    "a_field_nobody_knows": {"kept": True},
}
VERDICT = {
    "id": "modr-1",
    "model": "tiny-2026",
    "results": [{"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}],
}
COUNT = {"object": "response.input_tokens", "input_tokens": 18}


@pytest.fixture(autouse=True)
def openai_itself(world: World) -> Iterator[None]:
    """Let the vendor be OpenAI, with a model whose only price is that of its input."""
    world.add_model("embed", prices={"input": "20"}, max_output_tokens=None)
    world.execute("UPDATE connections_connection SET provider = 'openai'")
    yield


async def test_it_gets_embeddings_whose_model_has_no_price_of_output(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = replying(EMBEDDINGS)
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        raw = await client.embeddings.with_raw_response.create(model="embed", input=["Hello, world!"])
        assert raw.parse().data[0].embedding == [1.0, 2.0]
    assert raw.content == json.dumps(EMBEDDINGS).encode()
    (call,) = vendor.calls
    assert (call.path, call.headers["authorization"]) == ("/v1/embeddings", f"Bearer {CREDENTIAL}")
    assert call.json == {"input": ["Hello, world!"], "model": "embed-2026", "encoding_format": "base64"}
    (record,) = await world.recorded()
    assert (record["classes"], record["quantities"], record["charge_nano"]) == (["input"], [4], 80)
    assert (record["wire"], record["served_model"]) == ("openai.embeddings", "embed-2026")
    assert (await world.at_rest(budget))["settled_nano"] == 80


async def test_trap_34_embeddings_may_report_a_total_alone_or_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.client(key) as client:
        for usage in ({"total_tokens": 7}, {"prompt_tokens": 0, "total_tokens": 0}, None, {}, {"prompt_tokens": -1}):
            vendor.answer = replying({**EMBEDDINGS, "usage": usage})
            reply = await client.post("/v1/embeddings", json={"model": "embed", "input": "Hello"})
            assert reply.json() == {**EMBEDDINGS, "usage": usage}
    assert [record["charge_nano"] for record in await world.recorded(2)] == [140, 0]
    reasons = sorted(attempt["suspense_reason"] for attempt in await world.suspended(3))
    assert reasons == ["usage_missing", "usage_unreadable", "usage_unreadable"]


@pytest.mark.parametrize(
    "given", ["Hello", ["Hello", "world"], [1, 2, 300], [[1, 2], [3]]], ids=["text", "texts", "tokens", "token lists"]
)
async def test_every_form_of_input_is_embedded(served: Served, vendor: Vendor, key: str, given: Any) -> None:
    vendor.answer = replying(EMBEDDINGS)
    async with served.client(key) as client:
        reply = await client.post("/v1/embeddings", json={"model": "embed", "input": given, "dimensions": 2})
    assert reply.status_code == 200
    assert vendor.calls[0].json["input"] == given


@pytest.mark.parametrize(
    "given", [None, 5, {}, [{"image": "https://example.test/a.png"}], [["Hello"]], [1.5], [[[1]]], [True]]
)
async def test_what_is_neither_text_nor_tokens_is_refused(served: Served, vendor: Vendor, key: str, given: Any) -> None:
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError) as refusal:
            await client.embeddings.create(model="embed", input=given)
    assert refusal.value.param == "input"
    assert vendor.calls == []


async def test_a_spent_budget_and_an_unknown_model_refuse_embeddings(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk(key) as client:
        with pytest.raises(openai.NotFoundError, match="Did you mean embed"):
            await client.embeddings.create(model="embad", input="Hello")
        world.add_budget(1)
        await served.catch_up(world)
        with pytest.raises(openai.APIStatusError, match="USD left") as refusal:
            await client.embeddings.create(model="embed", input="Hello")
    assert (refusal.value.status_code, vendor.calls) == (402, [])


async def test_it_counts_tokens_for_nothing_where_no_budget_can_pay(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = replying(COUNT)
    budget = world.add_budget(1)
    world.add_rate_limit(1_000_000, "tokens")
    await served.catch_up(world)
    image = {"type": "input_image", "image_url": "https://example.test/a.png", "detail": "low"}
    async with served.sdk(key) as client:
        counted = await client.responses.input_tokens.count(
            model="tiny",
            input=[{"role": "user", "content": [image]}],  # type: ignore[list-item, typeddict-item]
            tools=[{"type": "web_search"}],
        )
    assert counted.input_tokens == 18
    (call,) = vendor.calls
    assert (call.path, call.json["model"]) == ("/v1/responses/input_tokens", "tiny-2026")
    (record,) = await world.recorded()
    assert (record["wire"], record["charge_nano"], record["input_tokens"]) == ("openai.input_tokens", 0, 0)
    assert world.account(budget)["settled_nano"] == 0


async def test_a_count_is_refused_like_any_other_request(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk("bsr_wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.responses.input_tokens.count(model="tiny", input="Hi")
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError, match="conversation"):
            await client.responses.input_tokens.count(model="tiny", conversation="conv_1")
        world.insert("policy_allowrule", organisation_id=world.organisation, team_id=world.team, pattern="other*")
        await served.catch_up(world)
        with pytest.raises(openai.PermissionDeniedError):
            await client.responses.input_tokens.count(model="tiny", input="Hi")
    assert vendor.calls == []


async def test_it_moderates_for_nothing(served: Served, world: World, vendor: Vendor, key: str) -> None:
    vendor.answer = replying(VERDICT)
    image = {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}
    async with served.sdk(key) as client:
        verdict = await client.moderations.create(model="tiny", input="Hello")
        await client.moderations.create(model="tiny", input=[image])  # type: ignore[list-item]
        with pytest.raises(openai.BadRequestError, match="names no model"):
            await client.moderations.create(input="Hello")
    assert not verdict.results[0].flagged
    assert {call.path for call in vendor.calls} == {"/v1/moderations"}
    records = await world.recorded(2)
    assert {(record["wire"], record["charge_nano"]) for record in records} == {("openai.moderations", 0)}


async def test_a_vendors_overload_is_retried_on_every_wire(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    calls: list[VendorCall] = []
    overloaded = refusing(503, b'{"error":{"message":"overloaded","code":"server_is_overloaded"}}')

    async def answer(call: VendorCall) -> None:
        calls.append(call)
        await (overloaded if len(calls) % 2 else replying(COUNT))(call)

    vendor.answer = answer
    async with served.client(key) as client:
        for path in ("/v1/responses/input_tokens", "/v1/moderations"):
            reply = await client.post(path, json={"model": "tiny", "input": "Hi"})
            assert (reply.status_code, reply.headers["x-bursar-attempts"]) == (200, "2")
    assert len(calls) == 4
