"""Each vendor's recorded replies through a whole gateway and that vendor's plugin: the client gets the bytes, and the
ledger the classes and the cost of the price page.
"""

from decimal import Decimal

import pytest

from governance.catalog.hours import text_of
from governance.plugin import PriceHours
from tests.gateway.test_recordings import replay
from tests.gateway.vendor import Vendor
from tests.gateway.world import CREDENTIAL, Served, World, question
from tests.support.recordings import exchange
from tests.support.vendor_replies import PROVIDERS, RECORDED, Recorded

_CAPS = {
    "azure_openai": "max_completion_tokens",
    "deepseek": "max_tokens",
    "glm": "max_tokens",
    "openrouter": "max_tokens",
    "qwen": "max_completion_tokens",
    "xai": "max_completion_tokens",
}


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
async def test_a_vendors_reply_is_passed_and_booked_at_its_price(
    world: World, served: Served, vendor: Vendor, key: str, recorded: Recorded
) -> None:
    prices = {token_class: str(Decimal(price) * 1000) for token_class, price in recorded.prices.items()}
    world.add_model("priced", prices=prices, max_output_tokens=10_000)
    world.execute("UPDATE connections_connection SET provider = %s", recorded.provider)
    await served.gateway.keeper.refresh()
    response = exchange(recorded.name)["response"]
    asked = {"stream": True, "stream_options": {"include_usage": True}} if recorded.is_stream else {}
    status, body, _ = await replay(response, served, vendor, key, **asked)
    assert (status, body) == (200, response["body"].encode())
    (record,) = await world.recorded()
    assert dict(zip(record["classes"], record["quantities"], strict=True)) == recorded.classes
    assert record["cost_nano"] == Decimal(recorded.cost) * 10**9
    assert record["served_model"] == recorded.served_model
    assert record["vendor_cost_nano"] == (recorded.vendor_cost and Decimal(recorded.vendor_cost) * 10**9)
    assert (record["outcome"], record["is_estimated"]) == ("completed", False)


async def test_a_call_is_held_for_and_booked_at_the_price_of_its_hour(world: World, served: Served, key: str) -> None:
    model = world.add_model("by-the-hour")
    always = PriceHours(zone="Asia/Shanghai", weekdays=(1, 2, 3, 4, 5, 6, 7), windows=(("00:00", "24:00"),))
    world.insert(
        "catalog_price",
        book_id=world.book,
        model_id=model,
        token_class="output",
        nano_per_unit="7000",
        from_input_tokens=0,
        service_tier="standard",
        effective_from="2026-01-01T00:00:00Z",
        hours=text_of(always),
        source="test",
        snapshot_sha256="",
    )
    await served.gateway.keeper.refresh()
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json={**question(), "model": "by-the-hour"})
    assert reply.status_code == 200
    (record,) = await world.recorded()
    assert record["charge_nano"] == 9 * 1000 + 3 * 7000
    assert record["reserved_nano"] >= 1000 * 7000


@pytest.mark.parametrize("name", sorted(PROVIDERS))
async def test_a_keys_default_maximum_is_written_where_the_vendor_enforces_it(
    world: World, served: Served, vendor: Vendor, name: str
) -> None:
    _, key = world.add_key(default_max_output_tokens=500)
    world.execute("UPDATE connections_connection SET provider = %s", name)
    await served.gateway.keeper.refresh()
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json={"model": "tiny", "messages": []})
    assert reply.status_code == 200
    (call,) = vendor.calls
    assert call.path == "/v1/chat/completions"
    assert call.json[_CAPS[name]] == 500
    header = "api-key" if name == "azure_openai" else "authorization"
    assert call.headers[header].removeprefix("Bearer ") == CREDENTIAL
