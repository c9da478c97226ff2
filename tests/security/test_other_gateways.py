"""What went wrong at other gateways (money.md, 7), line by line, where no other file of this folder has it."""

import asyncio

from governance.core.environment import Environment
from governance.gateway.limits import Limits
from tests.gateway.vendor import Vendor, VendorCall, chat_reply
from tests.gateway.world import Served, World, eventually, serving
from tests.metering.test_leases import database_away
from tests.security.asking import COST_NANO, ask, packed, worst_nano

BODY = packed(max_tokens=100)
WORST_NANO = worst_nano(BODY, maximum=100)


async def test_a_missing_maximum_is_the_models_own_and_not_a_guess(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    """Elsewhere it was taken for 1,024 tokens, or for 16,384."""
    world.add_model("long-winded", max_output_tokens=100_000)
    budget = world.add_budget(10**9)
    await served.catch_up(world)
    held: list[int] = []

    async def answer(call: VendorCall) -> None:
        held.append(world.account(budget)["held_nano"])
        await call.reply(chat_reply())

    vendor.answer = answer
    assert (await ask(served, key, model="long-winded")).status_code == 200
    assert held[0] >= worst_nano(packed(model="long-winded"), maximum=100_000)


async def test_without_any_maximum_nothing_is_sent(served: Served, world: World, vendor: Vendor, key: str) -> None:
    world.add_model("boundless", max_output_tokens=None)
    await served.catch_up(world)
    reply = await ask(served, key, model="boundless")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "request_unpriced")
    assert vendor.calls == []


async def test_without_its_database_a_gateway_lets_nothing_through_that_no_lease_pays(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    """Elsewhere the store of reservations was down, and requests were let through.

    Of a budget as small as this a process keeps nothing in hand; of ten calls' worth it may be lent another call's.
    """
    world.add_budget(3 * WORST_NANO)
    await served.catch_up(world)
    assert (await ask(served, key, BODY)).status_code == 200
    with database_away(world, world.environment.database_url("gateway")):  # type: ignore[arg-type]
        reply = await ask(served, key, BODY)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "governance_unavailable")
    assert len(vendor.calls) == 1


async def test_reservations_do_not_leak_however_calls_end(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    """Elsewhere leaked reservations refused calls for days."""
    budget = world.add_budget(3 * WORST_NANO)
    await served.catch_up(world)
    ways = (200, 400, 401, 404, 422, 429) * 3

    async def answer(call: VendorCall) -> None:
        status = ways[len(vendor.calls) - 1]
        body = chat_reply() if status == 200 else b'{"error":{"message":"no"}}'
        await call.reply(body, status=status, headers="content-type: application/json\r\nx-should-retry: false")

    vendor.answer = answer
    for status in ways:
        async with asyncio.timeout(30):
            reply = await ask(served, key, BODY)
            while reply.status_code == 429 and reply.json()["error"].get("code") == "budget_held":
                reply = await ask(served, key, BODY)
        assert reply.status_code == status
    account = await world.at_rest(budget)
    assert (account["settled_nano"], account["held_nano"]) == (3 * COST_NANO, 0)


async def test_replicas_share_what_is_left_and_do_not_start_anew(
    served: Served, world: World, environment: Environment, limits: Limits, key: str
) -> None:
    """Elsewhere N replicas had N times the budget."""
    budget = world.add_budget(WORST_NANO + 2 * COST_NANO)
    await served.catch_up(world)
    served_times = 0
    for _ in range(4):
        async with serving(environment, limits) as replica:
            async with asyncio.timeout(30):
                while (reply := await ask(replica, key, BODY)).status_code != 402:
                    served_times += reply.status_code == 200
                    assert served_times <= 3
    account = await world.at_rest(budget)
    assert served_times == 3
    assert account["settled_nano"] == 3 * COST_NANO <= account["limit_nano"]


async def test_four_of_five_calls_are_not_admitted_where_long_inputs_cost_double(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    """Elsewhere the long-context tier was missing from the reservation: 0.60 USD went through a key of 0.45."""
    model = world.add_model("long")
    for token_class in ("input", "output"):
        world.insert(
            "catalog_price",
            book_id=world.book,
            model_id=model,
            token_class=token_class,
            nano_per_unit="4000",
            from_input_tokens=1_000,
            service_tier="standard",
            effective_from="2026-01-01T00:00:00Z",
            source="test",
            snapshot_sha256="",
        )
    text = "x" * 1_000
    size = len(packed(text=text, model="long", max_tokens=10)) + 528
    budget = world.add_budget(3 * (size + 10) * 4000)
    await served.catch_up(world)
    opened = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await opened.wait()
        await call.reply(chat_reply(prompt=size, completion=10))

    vendor.answer = answer
    asked = [asyncio.create_task(ask(served, key, text=text, model="long", max_tokens=10)) for _ in range(5)]
    await eventually(lambda: True if sum(task.done() for task in asked) == 2 else None, seconds=30)
    opened.set()
    statuses = sorted([(await task).status_code for task in asked])
    assert statuses == [200, 200, 200, 429, 429]
    account = await world.at_rest(budget)
    assert account["settled_nano"] == account["limit_nano"]
