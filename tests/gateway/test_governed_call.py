"""A call that is governed from end to end: HTTP in, the vendor's bytes out, the books right."""

import json
from decimal import Decimal

from tests.gateway.vendor import DONE, Vendor, VendorCall, chat_event, chat_reply
from tests.gateway.world import CREDENTIAL, Served, World, question


async def test_it_passes_the_reply_unchanged_and_books_its_cost(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question())

    assert (reply.status_code, reply.content) == (200, chat_reply())
    assert reply.headers["x-bursar-cost-usd"] == "0.000015"
    (record,) = await world.recorded()
    assert str(record["attempt_id"]) == reply.headers["x-bursar-attempt-id"]
    assert str(record["request_id"]) == reply.headers["x-request-id"]
    assert (record["input_tokens"], record["output_tokens"]) == (9, 3)
    assert record["cost_nano"] == Decimal(9 * 1000 + 3 * 2000)
    assert (await world.at_rest(budget))["settled_nano"] == 15_000


async def test_it_changes_nothing_of_the_body_but_the_model_name(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    body = b'{ "messages":[{"role":"user","content":"model \\u0041"}],\n"model" : "tiny", "unknown":{"model":"tiny"}}'
    async with served.client(key) as client:
        await client.post("/v1/chat/completions", content=body)

    (call,) = vendor.calls
    assert call.body == body.replace(b'"model" : "tiny"', b'"model" : "tiny-2026"')
    assert call.headers["authorization"] == f"Bearer {CREDENTIAL}"
    assert key not in str(call.headers)


async def test_it_streams_and_hides_the_usage_it_asked_for(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question(stream=True))

    expected = chat_event("Hel") + chat_event("lo") + chat_event("!") + chat_event(finish="stop") + DONE
    assert reply.content == expected
    assert vendor.calls[0].json["stream_options"] == {"include_usage": True}
    (record,) = await world.recorded()
    assert (record["input_tokens"], record["output_tokens"], record["charge_nano"]) == (9, 3, 15_000)
    assert record["is_stream"]


async def test_it_passes_a_vendors_error_without_the_credential_and_charges_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def refuse(call: VendorCall) -> None:
        body = json.dumps({"error": {"message": f"bad key {CREDENTIAL}", "type": "x", "code": None}}).encode()
        await call.reply(body, status=401)

    vendor.answer = refuse
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question())

    assert reply.status_code == 401
    assert reply.json()["error"]["message"] == "bad key [credential]"
    (record,) = await world.recorded()
    assert (record["outcome"], record["http_status"], record["charge_nano"]) == ("vendor_error", 401, 0)
    assert (await world.at_rest(budget))["settled_nano"] == 0


async def test_a_spent_budget_refuses_before_the_vendor_is_called(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_budget(100_000, name="Search pilot")
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question(max_tokens=500))

    assert reply.status_code == 402
    error = reply.json()["error"]
    assert error["code"] == "budget_exceeded"
    assert "Search pilot" in error["message"] and "0.0001 USD left" in error["message"]
    assert reply.headers["x-should-retry"] == "false"
    assert vendor.calls == []
    assert world.attempts() == []
