"""The stock `anthropic` package, with nothing changed but its base URL and key."""

import json
from typing import Any

import anthropic
import pytest

from tests.gateway import claude
from tests.gateway.claude import COST_NANO, MESSAGES, add_claude, sdk
from tests.gateway.vendor import Vendor, VendorCall, refusing
from tests.gateway.world import Served, World

TOOL = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture(autouse=True)
def _claude(world: World, vendor: Vendor) -> None:
    vendor.answer = claude.answer
    add_claude(world, vendor.base_url)


async def ask(client: anthropic.AsyncAnthropic, **fields: Any) -> Any:
    return await client.messages.create(**{"model": "claude", "max_tokens": 64, "messages": MESSAGES, **fields})


async def test_it_gets_an_answer_and_the_vendors_name_of_the_model_is_asked_for(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with sdk(served, key) as client:
        reply = await ask(client)
    assert reply.content[0].text == "Hello!"
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 3)
    (call,) = vendor.calls
    assert (call.path, call.json["model"]) == ("/v1/messages", "claude-2026")
    (record,) = await world.recorded()
    assert (record["wire"], record["charge_nano"]) == ("anthropic.messages", COST_NANO)
    assert reply._request_id == str(record["request_id"])


async def test_it_gets_a_stream_event_by_event(served: Served, world: World, key: str) -> None:
    async with (
        sdk(served, key) as client,
        client.messages.stream(model="claude", max_tokens=64, messages=MESSAGES) as stream,  # type: ignore[arg-type]
    ):
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert texts == ["Hel", "lo", "!"]
    assert (final.usage.input_tokens, final.usage.output_tokens, final.stop_reason) == (9, 3, "end_turn")
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["is_estimated"], record["served_model"]) == (COST_NANO, False, "claude-2026")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_it_calls_a_tool(served: Served, vendor: Vendor, key: str, is_stream: bool) -> None:
    used = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}

    async def answer(call: VendorCall) -> None:
        assert call.json["tools"] == [TOOL]
        if not is_stream:
            body = {**json.loads(claude.message()), "content": [used], "stop_reason": "tool_use"}
            await call.reply(json.dumps(body).encode())
            return
        spelt = {"type": "input_json_delta", "partial_json": "{}"}
        await call.begin_stream()
        await call.chunk(claude.start() + claude.event("content_block_start", index=0, content_block=used))
        await call.chunk(claude.event("content_block_delta", index=0, delta=spelt) + claude.end())
        await call.end_stream()

    vendor.answer = answer
    async with sdk(served, key) as client:
        if is_stream:
            async with client.messages.stream(
                model="claude",
                max_tokens=64,
                messages=MESSAGES,  # type: ignore[arg-type]
                tools=[TOOL],  # type: ignore[list-item]
            ) as stream:
                reply = await stream.get_final_message()
        else:
            reply = await ask(client, tools=[TOOL])
    assert [(block.type, block.name) for block in reply.content] == [("tool_use", "weather")]


async def test_it_counts_tokens_for_nothing(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async with sdk(served, key) as client:
        count = await client.messages.count_tokens(model="claude", messages=MESSAGES)  # type: ignore[arg-type]
    assert count.input_tokens == 16
    assert vendor.calls[0].path == "/v1/messages/count_tokens"
    (record,) = await world.recorded()
    assert (record["wire"], record["charge_nano"], record["classes"]) == ("anthropic.count_tokens", 0, [])


async def test_it_lists_models_and_shows_one(served: Served, world: World, key: str) -> None:
    world.execute("UPDATE catalog_languagemodel SET retires_on = '2099-12-24' WHERE name = 'claude'")
    await served.gateway.keeper.refresh()
    async with sdk(served, key) as client:
        models = [model async for model in client.models.list()]
        one = await client.models.retrieve("claude")
        with pytest.raises(anthropic.NotFoundError, match="GET /v1/models lists"):
            await client.models.retrieve("opus")
    assert {model.id for model in models} == {"claude", "tiny"}
    assert (one.id, one.type, one.max_tokens, one.lifecycle) == ("claude", "model", 1000, "deprecated")
    assert one.retires_at is not None and one.retires_at.year == 2099
    assert {model.lifecycle for model in models} == {"active", "deprecated"}


async def test_both_ways_to_send_a_key_are_taken_and_the_vendor_gets_its_own(
    served: Served, vendor: Vendor, key: str
) -> None:
    for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
        async with served.client() as client:
            reply = await client.post("/v1/messages", json=claude.asked(), headers=headers)
        assert reply.status_code == 200
    for call in vendor.calls:
        assert key not in str(call.headers)
        assert call.headers["x-api-key"] == "sk-canary-of-the-vendor-7c1f"
        assert "authorization" not in call.headers


async def test_it_raises_its_own_errors_for_refusals_and_does_not_retry_them(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with sdk(served, "bsr_wrong") as stranger:
        with pytest.raises(anthropic.AuthenticationError) as unknown:
            await stranger.models.list()
        assert unknown.value.type == "authentication_error"
    async with sdk(served, key) as client:
        with pytest.raises(anthropic.NotFoundError, match="Did you mean claude") as missing:
            await ask(client, model="claud")
        assert (missing.value.type, missing.value.error_code) == ("not_found_error", "model_unknown")
        with pytest.raises(anthropic.BadRequestError, match="whose cost at Anthropic has no known bound"):
            await ask(client, tools=[{"type": "web_search_20250305", "name": "web_search"}])
        with pytest.raises(anthropic.BadRequestError, match="its vendor has no counter here"):
            await client.messages.count_tokens(model="tiny", messages=[{"role": "user", "content": "Hi"}])
        world.add_budget(1)
        await served.catch_up(world)
        with pytest.raises(anthropic.PaymentRequiredError, match="USD left") as refusal:
            await ask(client)
    assert (refusal.value.type, refusal.value.error_code) == ("billing_error", "budget_exceeded")
    assert refusal.value.request_id is not None
    assert isinstance(refusal.value.body, dict) and refusal.value.body["request_id"] == refusal.value.request_id
    assert vendor.calls == []
    assert served.gateway.metrics.numbers.counters["bursar_refusals\tbudget_exceeded"] == 1


async def test_a_model_off_the_allow_list_is_a_permission_error(served: Served, world: World) -> None:
    key_id, key = world.add_key()
    world.insert("policy_allowrule", organisation_id=world.organisation, key_id=key_id, pattern="ti*")
    await served.catch_up(world)
    async with sdk(served, key) as client:
        with pytest.raises(anthropic.PermissionDeniedError, match="not on the allow-list"):
            await ask(client)


async def test_a_rate_limit_of_ours_is_a_rate_limit_error_that_says_when_to_come_again(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(1)
    await served.catch_up(world)
    async with sdk(served, key, max_retries=0) as client:
        await ask(client)
        with pytest.raises(anthropic.RateLimitError) as refusal:
            await ask(client)
    assert refusal.value.type == "rate_limit_error"
    assert int(refusal.value.response.headers["retry-after"]) > 0
    assert len(vendor.calls) == 1


async def test_a_body_that_is_too_large_is_refused_in_the_apis_own_words(served: Served, key: str) -> None:
    size = served.gateway.vendors.limits.body_bytes
    async with sdk(served, key) as client:
        with pytest.raises(anthropic.RequestTooLargeError) as refusal:
            await ask(client, messages=[{"role": "user", "content": "x" * size}])
    assert refusal.value.type == "request_too_large"


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (529, "overloaded_error", anthropic.APIStatusError),
    ],
)
async def test_a_vendors_error_passes_as_it_came(
    served: Served, vendor: Vendor, key: str, status: int, kind: str, error: type[anthropic.APIStatusError]
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "so it is"}, "request_id": "req_theirs"}
    vendor.answer = refusing(status, json.dumps(body).encode(), headers="request-id: req_theirs")
    async with sdk(served, key, max_retries=0) as client:
        with pytest.raises(error, match="so it is") as raised:
            await ask(client)
    assert (raised.value.type, raised.value.status_code, raised.value.body) == (kind, status, body)
    headers = raised.value.response.headers
    assert headers["x-bursar-upstream-request-id"] == "req_theirs"
    assert headers["request-id"] == headers["x-request-id"] == raised.value.request_id


async def test_a_vendor_that_is_away_is_an_error_without_its_host(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute("UPDATE connections_connection SET base_url = 'http://127.0.0.1:9' WHERE provider = 'anthropic'")
    await served.gateway.keeper.refresh()
    async with sdk(served, key, max_retries=0) as client:
        with pytest.raises(anthropic.InternalServerError, match="Anthropic could not be reached") as raised:
            await ask(client)
    assert raised.value.type == "api_error"
    assert "127.0.0.1" not in raised.value.response.text


async def test_trap_24_a_spend_limit_is_told_once_and_not_retried(served: Served, vendor: Vendor, key: str) -> None:
    details = {"error_code": "enforced_spend_limit_reached"}
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "spent", "details": details}}
    vendor.answer = refusing(429, json.dumps(body).encode())
    async with sdk(served, key) as client:
        with pytest.raises(anthropic.RateLimitError):
            await ask(client)
    assert len(vendor.calls) == 1


async def test_trap_23_an_error_within_a_stream_passes_and_its_cost_stays_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    overloaded = claude.event("error", error={"type": "overloaded_error", "message": "Overloaded"})

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(claude.start() + claude.words("Hel") + overloaded)
        await call.end_stream()

    vendor.answer = answer
    async with sdk(served, key) as client:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            async for _ in await ask(client, stream=True):
                pass
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == "usage_missing (output seen: 3 bytes)"


async def test_a_stream_that_breaks_off_ends_with_an_error_event(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(claude.start() + claude.words("Hel"))
        call.writer.transport.abort()

    vendor.answer = answer
    async with sdk(served, key) as client:
        with pytest.raises(anthropic.APIStatusError, match="broke before its answer was complete"):
            async for _ in await ask(client, stream=True):
                pass
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == "cut_short (output seen: 3 bytes)"
