"""The Anthropic messages wire over bare HTTP: bytes and headers as they came, and what the ledger makes of them."""

import asyncio
import json
from typing import Any

import pytest

from tests.gateway import claude
from tests.gateway.claude import PRICES, add_claude, asked
from tests.gateway.vendor import Vendor, VendorCall, refusing
from tests.gateway.world import CREDENTIAL, Served, World, eventually
from tests.support.recordings import exchange

SEARCH_NANO = "10000000"
VENDORS_HEADERS = {
    "request-id": "req_theirs",
    "anthropic-organization-id": "org-of-ours",
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3999",
    "anthropic-ratelimit-requests-reset": "2025-11-15T20:26:31Z",
    "retry-after": "31",
}


@pytest.fixture(autouse=True)
def _claude(world: World, vendor: Vendor) -> None:
    vendor.answer = claude.answer
    add_claude(world, vendor.base_url, prices={**PRICES, "web_search": SEARCH_NANO})


def replaying(recorded: dict[str, Any], *, size: int = 1000) -> Any:
    body = recorded["body"].encode()

    async def answer(call: VendorCall) -> None:
        if "event-stream" not in recorded["headers"]["content-type"]:
            await call.reply(body, status=recorded["status"])
            return
        await call.begin_stream()
        for start in range(0, len(body), size):
            await call.chunk(body[start : start + size])
        await call.end_stream()

    return answer


@pytest.mark.parametrize(
    ("name", "classes", "nano"),
    [
        ("anthropic-cache-breakpoint-opus4.8.json", {"input": 68, "output": 359}, 68 * 2000 + 359 * 10_000),
        ("anthropic-stream-simple.json", {"input": 20, "output": 5}, 20 * 2000 + 5 * 10_000),
        ("anthropic-thinking-stream.json", {"input": 46, "output": 133}, 46 * 2000 + 133 * 10_000),
        (
            "anthropic-websearch-stream-with-ratelimit-headers.json",
            {"input": 10423, "output": 341, "web_search": 1},
            10423 * 2000 + 341 * 10_000 + int(SEARCH_NANO),
        ),
    ],
)
async def test_a_recorded_reply_is_passed_byte_for_byte_and_rated(
    served: Served, world: World, vendor: Vendor, key: str, name: str, classes: dict[str, int], nano: int
) -> None:
    recorded = exchange(name)["response"]
    vendor.answer = replaying(recorded)
    body = asked("x" * 20_000, max_tokens=1000, stream="event-stream" in recorded["headers"]["content-type"])
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=body)
    assert (reply.status_code, reply.content) == (200, recorded["body"].encode())
    (record,) = await world.recorded()
    assert dict(zip(record["classes"], record["quantities"], strict=True)) == classes
    assert (record["charge_nano"], record["is_estimated"]) == (nano, False)


async def test_a_recorded_count_and_a_recorded_refusal_pass_unchanged_and_cost_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for path, name in (
        ("/v1/messages/count_tokens", "anthropic-count_tokens.json"),
        ("/v1/messages", "anthropic-400-effort.json"),
    ):
        recorded = exchange(name)["response"]
        vendor.answer = replaying(recorded)
        async with served.client(key) as client:
            body = asked()
            reply = await client.post(path, json=body)
        assert (reply.status_code, reply.content) == (recorded["status"], recorded["body"].encode())
    assert [record["charge_nano"] for record in await world.recorded(2)] == [0, 0]


async def test_trap_11_a_reply_with_tokens_of_a_second_model_stays_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    recorded = exchange("anthropic-sonnet5-advisor-tool.json")["response"]
    vendor.answer = replaying(recorded)
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked())
    assert reply.content == recorded["body"].encode()
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == "usage_of_a_second_model"
    assert attempt["held_nano"] > 0 and world.records() == []


async def test_trap_29_the_body_reaches_the_vendor_byte_for_byte_but_for_the_models_name(
    served: Served, vendor: Vendor, key: str
) -> None:
    attribution = b"x-anthropic-billing-header: cc_version=2.1.330; cch=0"
    body = (
        b'{ "model":"claude" ,"max_tokens": 64,\n "system":[{"type":"text","text":"' + attribution + b'"},'
        b'{"cache_control":{"type":"ephemeral"},"type":"text","text":"\\u00e9 \xc3\xa9"}],'
        b'"messages":[{"content":"Hi","role":"user"}], "metadata":{"user_id":"u"} }'
    )
    async with served.client(key) as client:
        assert (await client.post("/v1/messages?beta=true", content=body)).status_code == 200
    (call,) = vendor.calls
    assert call.body == body.replace(b'"claude"', b'"claude-2026"')
    assert call.path == "/v1/messages?beta=true"


async def test_version_and_betas_pass_as_they_came_and_a_version_is_named_where_none_was(
    served: Served, vendor: Vendor, key: str
) -> None:
    betas = "claude-code-20250219,interleaved-thinking-2025-05-14,  context-1m-2025-08-07"
    async with served.client(key) as client:
        sent = {"anthropic-version": "2026-10-21", "anthropic-beta": betas, "anthropic-workspace-id": "w"}
        await client.post("/v1/messages", json=asked(), headers=sent)
        await client.post("/v1/messages?beta=false&key_of=x", json=asked())
        await client.post("/v1/messages/count_tokens?beta=true", json=asked(), headers=sent)
    first, second, third = vendor.calls
    for call in (first, third):
        assert (call.headers["anthropic-version"], call.headers["anthropic-beta"]) == ("2026-10-21", betas)
        assert "anthropic-workspace-id" not in call.headers
    assert (second.headers["anthropic-version"], second.path) == ("2023-06-01", "/v1/messages")
    assert "anthropic-beta" not in second.headers
    assert third.path == "/v1/messages/count_tokens?beta=true"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_of_the_vendors_headers_its_limits_pass_its_id_is_renamed_and_ours_is_not_shown(
    served: Served, world: World, vendor: Vendor, key: str, is_stream: bool
) -> None:
    lines = "\r\n".join(f"{name}: {value}" for name, value in VENDORS_HEADERS.items())

    async def answer(call: VendorCall) -> None:
        if not is_stream:
            await call.reply(claude.message(), headers=f"content-type: application/json\r\n{lines}")
            return
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{lines}\r\n"
        await call.send(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        await call.chunk(claude.start() + claude.words("Hi") + claude.end())
        await call.end_stream()

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked(stream=is_stream))
    headers = reply.headers
    assert headers["x-bursar-upstream-request-id"] == "req_theirs"
    assert headers.get_list("request-id") == [headers["x-request-id"]]
    assert "anthropic-organization-id" not in headers
    passed = {name: headers[name] for name in VENDORS_HEADERS if name.startswith("anthropic-ratelimit-")}
    assert passed == {name: VENDORS_HEADERS[name] for name in passed} and len(passed) == 3
    assert headers["retry-after"] == "31"
    (record,) = await world.recorded()
    assert str(record["request_id"]) == headers["request-id"]


async def test_a_limit_of_ours_stands_in_for_the_vendors(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(5)
    await served.catch_up(world)

    async def answer(call: VendorCall) -> None:
        lines = "content-type: application/json\r\nanthropic-ratelimit-requests-limit: 4000"
        await call.reply(claude.message(), headers=lines)

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked())
    assert "anthropic-ratelimit-requests-limit" not in reply.headers
    assert reply.headers["x-ratelimit-limit-requests"] == "5"


async def test_cached_tokens_are_rated_by_how_long_they_stay(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    split = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 50}
    written = {"cache_creation_input_tokens": 150, "cache_read_input_tokens": 1000}

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(claude.start(**written, cache_creation=split) + claude.words("Hi") + claude.end(**written))
        await call.end_stream()

    vendor.answer = answer
    async with served.client(key) as client:
        await client.post("/v1/messages", json=asked("x" * 2000, stream=True))
    (record,) = await world.recorded()
    rated = dict(zip(record["classes"], record["quantities"], strict=True))
    assert rated == {"input": 9, "cache_read": 1000, "cache_write": 100, "cache_write_long": 50, "output": 3}
    assert record["charge_nano"] == 9 * 2000 + 1000 * 200 + 100 * 2500 + 50 * 4000 + 3 * 10_000
    assert record["reserved_nano"] >= record["charge_nano"]


async def test_trap_15_a_tier_that_the_reply_names_is_billed_at_its_own_prices(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute(
        "INSERT INTO catalog_price (book_id, model_id, token_class, nano_per_unit, from_input_tokens, service_tier,"
        " effective_from, source, snapshot_sha256) SELECT book_id, model_id, token_class, nano_per_unit * 1.1,"
        " from_input_tokens, 'us', effective_from, source, snapshot_sha256 FROM catalog_price"
        " WHERE nano_per_unit >= 2000 AND model_id = (SELECT id FROM catalog_languagemodel WHERE name = 'claude')"
    )
    await served.catch_up(world)
    await served.gateway.keeper.refresh()

    async def answer(call: VendorCall) -> None:
        reply = json.loads(claude.message())
        reply["usage"]["inference_geo"] = call.json["inference_geo"]
        await call.reply(json.dumps(reply).encode())

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked(inference_geo="us"))
        refused = await client.post("/v1/messages", json=asked(inference_geo="us", speed="fast"))
    assert reply.status_code == 200
    (record,) = await world.recorded()
    assert (record["service_tier"], record["charge_nano"]) == ("us", (9 * 2000 + 3 * 10_000) * 11 // 10)
    assert not record["is_estimated"]
    assert (refused.status_code, refused.json()["error"]["details"]) == (400, {"error_code": "request_unpriced"})
    assert "no price for the service tier 'fast+us'" in refused.json()["error"]["message"]


async def test_what_the_input_was_bounded_at_comes_free_when_the_message_begins(
    served: Served, world: World, vendor: Vendor
) -> None:
    budget = world.add_budget(30_000_000)
    key = world.add_key()[1]
    await served.catch_up(world)
    may_end = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(claude.start() + claude.words("Hel"))
        await may_end.wait()
        await call.chunk(claude.end())
        await call.end_stream()

    vendor.answer = answer
    body = asked("x" * 5000, stream=True)
    async with served.client(key) as client, client.stream("POST", "/v1/messages", json=body) as reply:
        chunks = reply.aiter_raw()
        assert b"message_start" in await anext(chunks)
        can_cost = 9 * 4000 + 64 * 10_000
        await eventually(lambda: True if world.account(budget)["held_nano"] == can_cost else None)
        may_end.set()
        async for _ in chunks:
            pass
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["reserved_nano"]) == (claude.COST_NANO, can_cost)
    assert (await world.at_rest(budget))["settled_nano"] == claude.COST_NANO


@pytest.mark.parametrize("is_stream", [False, True])
async def test_trap_06_a_client_that_hangs_up_pays_what_the_vendor_counts(
    served: Served, world: World, vendor: Vendor, key: str, is_stream: bool
) -> None:
    was_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(call: VendorCall) -> None:
        if is_stream:
            await call.begin_stream()
            await call.chunk(claude.start() + claude.words("Hel"))
        was_asked.set()
        await may_answer.wait()
        if is_stream:
            await call.chunk(claude.end())
            await call.end_stream()
        else:
            await call.reply(claude.message())

    vendor.answer = answer
    body = json.dumps(asked(stream=is_stream)).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await was_asked.wait()
    writer.transport.abort()
    await eventually(lambda: True if not served.server.server_state.connections else None)
    may_answer.set()
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["is_estimated"]) == (claude.COST_NANO, False)


async def test_a_vendors_overload_is_asked_again_before_the_client_is_told(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    answers = [refusing(429, b'{"type":"error","error":{"type":"rate_limit_error"}}', headers="retry-after: 0")]

    async def answer(call: VendorCall) -> None:
        await (answers.pop() if answers else claude.answer)(call)

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked())
    assert (reply.status_code, reply.headers["x-bursar-attempts"]) == (200, "2")
    assert sorted(record["charge_nano"] for record in await world.recorded(2)) == [0, claude.COST_NANO]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("POST", "/v1/messages/else", {}, 404, "not_found_error"),
        ("GET", "/v1/messages", {}, 405, "invalid_request_error"),
        ("POST", "/v1/complete", {"anthropic-version": "2023-06-01"}, 404, "not_found_error"),
        ("GET", "/v1/files", {"anthropic-version": "2023-06-01"}, 404, "not_found_error"),
        ("GET", "/v1/models/none", {"anthropic-version": "2023-06-01"}, 404, "not_found_error"),
    ],
)
async def test_a_route_that_does_not_exist_is_refused_in_the_shape_of_the_api_that_was_meant(
    served: Served, key: str, method: str, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    async with served.client(key) as client:
        reply = await client.request(method, path, headers=headers)
    error = reply.json()
    assert (reply.status_code, error["type"], error["error"]["type"]) == (status, "error", kind)
    assert error["request_id"] == reply.headers["request-id"] == reply.headers["x-request-id"]


async def test_each_api_keeps_its_own_shapes_on_the_paths_that_both_have(served: Served, key: str) -> None:
    anthropics = {"anthropic-version": "2023-06-01"}
    async with served.client(key) as client:
        listed, page = (
            (await client.get("/v1/models")).json(),
            (await client.get("/v1/models", headers=anthropics)).json(),
        )
        chat = await client.post("/v1/chat/completions", json={}, headers=anthropics)
        probe = await client.head("/")
    assert (listed["object"], page["has_more"], page["first_id"], page["last_id"]) == ("list", False, "claude", "tiny")
    assert set(chat.json()["error"]) == {"message", "type", "param", "code"}
    assert probe.status_code in (404, 405)


async def test_a_key_without_models_gets_an_empty_page(served: Served, world: World) -> None:
    key_id, key = world.add_key()
    world.insert("policy_allowrule", organisation_id=world.organisation, key_id=key_id, pattern="nothing")
    await served.catch_up(world)
    async with served.client(key) as client:
        page = (await client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()
    assert page == {"data": [], "has_more": False, "first_id": None, "last_id": None}


async def test_a_used_up_budget_refuses_messages_and_still_counts_tokens(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_budget(1)
    await served.catch_up(world)
    async with served.client(key) as client:
        message = await client.post("/v1/messages", json=asked())
        count = await client.post("/v1/messages/count_tokens", json=asked())
    assert (message.status_code, message.headers["x-should-retry"]) == (402, "false")
    assert (count.status_code, count.json()) == (200, {"input_tokens": 16})
    assert [call.path for call in vendor.calls] == ["/v1/messages/count_tokens"]


async def test_counting_takes_nothing_from_a_limit_of_tokens(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(10, "tokens")
    await served.catch_up(world)
    async with served.client(key) as client:
        message = await client.post("/v1/messages", json=asked())
        count = await client.post("/v1/messages/count_tokens", json=asked())
    assert (message.status_code, message.json()["error"]["details"]["error_code"]) == (400, "request_beyond_rate_limit")
    assert (count.status_code, count.headers["x-ratelimit-remaining-tokens"]) == (200, "10")


async def test_no_answer_tells_our_credential_or_the_vendors_host(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    echo = json.dumps({"type": "error", "error": {"type": "api_error", "message": f"bad key {CREDENTIAL}"}})
    vendor.answer = refusing(400, echo.encode(), headers=f"anthropic-ratelimit-x: {CREDENTIAL}")
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked())
    shown = f"{reply.headers} {reply.text}"
    assert reply.status_code == 400
    assert CREDENTIAL not in shown and str(vendor.port) not in shown
