"""What is held, what is written into the request, and one outcome for every way an attempt can end."""

import asyncio
import contextlib
import json
from typing import Any

import httpx
import pytest

from governance.gateway.limits import Limits
from tests.gateway.vendor import Vendor, VendorCall, chat_reply
from tests.gateway.world import CREDENTIAL, Served, World, eventually, question


async def _ask(served: Served, key: str, **fields: Any) -> httpx.Response:
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", json=question(**fields))


async def test_a_maximum_that_the_budget_cannot_pay_is_lowered_when_the_client_gave_none(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(1_600_000)
    await served.catch_up(world)
    reply = await _ask(served, key)

    assert reply.status_code == 200
    lowered = int(reply.headers["x-bursar-max-output-tokens"])
    assert 16 <= lowered < 1000
    assert vendor.calls[0].json["max_tokens"] == lowered
    await world.recorded()
    assert world.account(budget)["held_nano"] == 0


async def test_a_maximum_of_the_clients_own_is_never_lowered(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_budget(1_600_000)
    await served.catch_up(world)
    assert (await _ask(served, key, max_tokens=1000)).status_code == 402
    assert vendor.calls == []
    reply = await _ask(served, key, max_tokens=17)
    assert reply.status_code == 200
    assert "x-bursar-max-output-tokens" not in reply.headers
    assert vendor.calls[0].json["max_tokens"] == 17
    assert "max_completion_tokens" not in vendor.calls[0].json


async def test_a_keys_default_maximum_is_written_into_requests_that_name_none(
    served: Served, world: World, vendor: Vendor
) -> None:
    _, key = world.add_key(default_max_output_tokens=50)
    await _ask(served, key)
    await _ask(served, key, max_tokens=60)
    first, second = vendor.calls
    assert first.json["max_tokens"] == 50
    assert second.json["max_tokens"] == 60


async def test_two_hundred_calls_at_once_never_overdraw_a_budget_for_ten(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    body = question(max_tokens=100)
    size = len(json.dumps(body, separators=(",", ":")).encode())
    worst = (size + 512 + 16) * 1000 + 100 * 2000
    budget = world.add_budget(10 * worst)
    await served.catch_up(world)

    async def answer(call: VendorCall) -> None:
        await asyncio.sleep(0.2)
        await call.reply(chat_reply())

    vendor.answer = answer
    most = 0
    async with served.client(key) as client:
        calls = [
            asyncio.create_task(client.post("/v1/chat/completions", content=json.dumps(body, separators=(",", ":"))))
            for _ in range(200)
        ]
        while not all(call.done() for call in calls):
            for account in world.rows("SELECT * FROM budgets_account WHERE budget_id = %s", budget):
                most = max(most, account["settled_nano"] + account["held_nano"])
                assert most <= account["limit_nano"]
            await asyncio.sleep(0.01)
        statuses = [call.result().status_code for call in calls]
    assert statuses.count(200) == len(vendor.calls) >= 10
    assert set(statuses) <= {200, 402, 429}
    account = await world.at_rest(budget)
    assert account["settled_nano"] == 15_000 * statuses.count(200)


async def test_a_vendor_that_cannot_be_reached_costs_nothing(served: Served, world: World, key: str) -> None:
    connection = world.add_connection("http://127.0.0.1:9/v1")
    model = world.add_model("far")
    world.execute("UPDATE catalog_deployment SET connection_id = %s WHERE model_id = %s", connection, model)
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    reply = await _ask(served, key, model="far")
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "provider_unavailable")
    assert "nothing was sent" in reply.json()["error"]["message"]
    assert (await world.at_rest(budget))["settled_nano"] == 0
    assert world.records() == world.attempts() == []


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b'{"choices":[]}', 200, "usage_missing"),
        (b"<html>", 200, "usage_missing"),
        (b'{"usage":{"prompt_tokens":-5,"completion_tokens":1}}', 200, "usage_unreadable"),
        (b'{"usage":{"prompt_tokens":1.5,"completion_tokens":1}}', 200, "usage_unreadable"),
        (b'{"error":{"message":"overloaded"}}', 503, "vendor_error"),
    ],
)
async def test_a_reply_that_proves_nothing_leaves_the_money_held(
    served: Served, world: World, vendor: Vendor, key: str, body: bytes, status: int, reason: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(body, status=status)

    vendor.answer = answer
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    reply = await _ask(served, key)
    assert (reply.status_code, reply.content) == (status, body)
    attempts = await world.suspended(len(vendor.calls))
    assert {attempt["suspense_reason"] for attempt in attempts} <= {reason, "usage_unreadable"}
    held = sum(attempt["held_nano"] for attempt in attempts)
    await eventually(lambda: True if world.account(budget)["held_nano"] == held > 0 else None)
    assert world.records() == []


async def test_a_reply_that_breaks_off_leaves_the_money_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
        call.writer.transport.abort()

    vendor.answer = answer
    reply = await _ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "provider_unavailable")
    assert reply.headers["x-should-retry"] == "false"
    attempts = await world.suspended(len(vendor.calls))
    assert [attempt["suspense_reason"] for attempt in attempts] == ["answer_lost"] * 3


async def test_a_redirect_is_not_followed(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(b"", status=307, headers=f"location: {vendor.base_url}/elsewhere")

    vendor.answer = answer
    reply = await _ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "reply_unusable")
    assert len(vendor.calls) == 1
    assert "location" not in reply.headers


async def test_vendors_words_cannot_poison_the_books(served: Served, world: World, vendor: Vendor, key: str) -> None:
    nasty = [
        {"model": "a\u0000b", "usage": {"prompt_tokens": 1, "completion_tokens": 1, "x": "\u0000"}},
        {"model": "\ud800", "usage": {"prompt_tokens": 1, "completion_tokens": 1}, "service_tier": "\u0000"},
    ]
    bodies = [json.dumps(reply).encode() for reply in nasty]
    bodies.append(b'{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":1,"cost":1e99999,"y":1e400000}}')

    async def answer(call: VendorCall) -> None:
        await call.reply(bodies[len(vendor.calls) - 1])

    vendor.answer = answer
    for _ in bodies:
        assert (await _ask(served, key)).status_code == 200
    vendor.answer = lambda call: call.reply(chat_reply())
    await _ask(served, key)
    records = await world.recorded(3)
    assert records[-1]["charge_nano"] == 15_000
    await eventually(lambda: True if len(world.records()) + len(world.attempts()) == 4 else None)
    assert len(world.records()) + len(world.attempts()) == 4


class TestSmallReplies:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(reply_bytes=10_000)

    async def test_a_reply_that_is_too_large_is_cut_off_and_held(
        self, served: Served, world: World, vendor: Vendor, key: str
    ) -> None:
        async def answer(call: VendorCall) -> None:
            with contextlib.suppress(ConnectionError):
                await call.reply(b" " * 5_000_000)

        vendor.answer = answer
        reply = await _ask(served, key)
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "reply_unusable")
        await world.suspended()


async def test_only_listed_headers_of_the_vendor_pass(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async def answer(call: VendorCall) -> None:
        headers = (
            "content-type: application/json\r\nx-ratelimit-remaining-requests: 7\r\nx-request-id: req_vendor\r\n"
            f"set-cookie: a=b\r\nopenai-organization: org-secret\r\nx-ratelimit-key: {CREDENTIAL}\r\n"
            "x-api-key: leak\r\nconnection: keep-alive"
        )
        await call.reply(chat_reply(), headers=headers)

    vendor.answer = answer
    reply = await _ask(served, key)
    assert reply.headers["x-ratelimit-remaining-requests"] == "7"
    assert reply.headers["x-bursar-upstream-request-id"] == "req_vendor"
    passed = str(reply.headers)
    assert not any(word in passed for word in ("set-cookie", "org-secret", CREDENTIAL, "leak"))


async def test_a_clients_headers_do_not_reach_the_vendor(served: Served, vendor: Vendor, key: str) -> None:
    async with served.client(key) as client:
        headers = {"openai-organization": "org-other", "x-forwarded-for": "1.2.3.4", "cookie": "a=b"}
        await client.post("/v1/chat/completions", json=question(), headers=headers)
    (call,) = vendor.calls
    assert set(call.headers) == {"host", "authorization", "content-type", "content-length", "accept", "user-agent"}
    assert call.headers["authorization"] == f"Bearer {CREDENTIAL}"
