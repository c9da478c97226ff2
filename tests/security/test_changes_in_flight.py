"""Whatever is changed while a call is on its way: it is paid by whom it was admitted for, and once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from governance.budgets import operations as budgets
from governance.keys import operations as keys
from governance.teams import operations as teams
from tests.gateway.vendor import Vendor, VendorCall, chat_reply
from tests.gateway.world import Served, World, eventually
from tests.metering.test_suspense import in_django
from tests.security.asking import COST_NANO, ask, packed, worst_nano
from tests.support.company import ACTOR, NOW

BODY = packed(max_tokens=100)
WORST_NANO = worst_nano(BODY, maximum=100)


@dataclass
class Flight:
    """One call that is at the vendor, paid from `budget`; `land` lets it end."""

    served: Served
    world: World
    budget: int
    key_id: int
    key: str
    _goes_on: asyncio.Event
    _task: "asyncio.Task[httpx.Response]"

    async def land(self) -> httpx.Response:
        self._goes_on.set()
        return await self._task

    async def again(self) -> httpx.Response:
        await self.served.catch_up(self.world)
        return await ask(self.served, self.key, BODY)


@pytest.fixture
async def flight(served: Served, world: World, vendor: Vendor) -> AsyncIterator[Flight]:
    key_id, key = world.add_key()
    budget = world.add_budget(2 * WORST_NANO)
    await served.catch_up(world)
    goes_on = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await goes_on.wait()
        await call.reply(chat_reply())

    vendor.answer = answer
    task = asyncio.create_task(ask(served, key, BODY))
    await eventually(lambda: vendor.calls or None)
    yield Flight(served, world, budget, key_id, key, goes_on, task)
    goes_on.set()
    await task


async def test_lowering_a_limit_under_what_is_held_and_spent_loses_nothing_and_refuses_the_next(
    flight: Flight, world: World
) -> None:
    for limit in (COST_NANO, 1, 0):
        await in_django(budgets.change_limit, actor=ACTOR, budget_id=flight.budget, limit_nano=limit)
        account = world.account(flight.budget)
        assert (account["limit_nano"], account["held_nano"]) == (limit, WORST_NANO)
    assert (await flight.land()).status_code == 200
    account = await world.at_rest(flight.budget)
    assert (account["settled_nano"], account["limit_nano"]) == (COST_NANO, 0)
    assert (await flight.again()).status_code == 402
    await in_django(budgets.change_limit, actor=ACTOR, budget_id=flight.budget, limit_nano=COST_NANO + WORST_NANO)
    async with asyncio.timeout(10):
        # A refusal is remembered for half a second.
        while (await flight.again()).status_code != 200:  # noqa: ASYNC110 - time alone ends it
            await asyncio.sleep(0.1)
    assert len(await world.recorded(2)) == 2


async def test_archiving_a_team_with_open_reservations_lets_them_be_paid_and_its_keys_stop(
    flight: Flight, world: World
) -> None:
    await in_django(teams.archive_team, actor=ACTOR, at=NOW, team_id=world.team)
    assert (await flight.again()).status_code in (401, 403)
    assert world.account(flight.budget)["held_nano"] == WORST_NANO
    assert (await flight.land()).status_code == 200
    assert (await world.at_rest(flight.budget))["settled_nano"] == COST_NANO
    (record,) = await world.recorded()
    assert record["team_id"] == world.team


async def test_a_key_that_moves_to_another_team_is_paid_by_the_old_one_for_what_was_admitted(
    flight: Flight, world: World
) -> None:
    centre = world.insert("teams_costcentre", organisation_id=world.organisation, code="0815", name="")
    other = world.insert(
        "teams_team",
        organisation_id=world.organisation,
        unit_id=world.unit,
        cost_centre_id=centre,
        name="other",
        required_tags=[],
    )
    poor = world.add_budget(WORST_NANO, team_id=other)
    world.execute("UPDATE keys_virtualkey SET team_id = %s WHERE id = %s", other, flight.key_id)
    await flight.served.catch_up(world)
    moved = asyncio.create_task(ask(flight.served, flight.key, BODY))
    await eventually(lambda: True if world.rows("SELECT 1 FROM budgets_account WHERE budget_id = %s", poor) else None)
    assert (await flight.land()).status_code == (await moved).status_code == 200
    records = await world.recorded(2)
    assert [(record["team_id"], record["charge_nano"]) for record in records] == [
        (world.team, COST_NANO),
        (other, COST_NANO),
    ]
    for budget in (flight.budget, poor):
        assert (await world.at_rest(budget))["settled_nano"] == COST_NANO
    assert (await flight.again()).status_code == 402


async def test_a_revoked_key_stops_at_once_and_its_call_is_paid(flight: Flight, world: World) -> None:
    await in_django(keys.revoke, actor=ACTOR, at=NOW, key_id=flight.key_id)
    assert (await flight.again()).status_code == 401
    assert (await flight.land()).status_code == 200
    assert (await world.at_rest(flight.budget))["settled_nano"] == COST_NANO


async def test_a_budget_that_is_retired_still_pays_what_it_admitted(flight: Flight, world: World) -> None:
    await in_django(budgets.retire, actor=ACTOR, budget_id=flight.budget)
    assert (await flight.land()).status_code == 200
    assert (await world.at_rest(flight.budget))["settled_nano"] == COST_NANO


async def test_an_alias_that_is_removed_is_unknown_at_once_and_its_call_is_paid(flight: Flight, world: World) -> None:
    world.execute("DELETE FROM catalog_aliastarget")
    world.execute("DELETE FROM catalog_modelalias")
    assert (await flight.again()).status_code == 404
    assert (await flight.land()).status_code == 200
    assert (await world.at_rest(flight.budget))["settled_nano"] == COST_NANO


async def test_a_call_over_the_edge_of_a_period_is_paid_by_the_period_that_admitted_it(
    flight: Flight, world: World
) -> None:
    """The month turns: its account moves into the past, and the next call opens that of the new one."""
    world.execute(
        "UPDATE budgets_account SET starts_at = starts_at - interval '1 month', ends_at = starts_at"
        " WHERE budget_id = %s",
        flight.budget,
    )
    later = asyncio.create_task(ask(flight.served, flight.key, packed(max_tokens=101)))
    await eventually(lambda: True if len(accounts(world, flight.budget)) == 2 else None)
    assert (await flight.land()).status_code == (await later).status_code == 200
    await eventually(lambda: True if all(row["held_nano"] == 0 for row in accounts(world, flight.budget)) else None)
    former, present = accounts(world, flight.budget)
    assert (former["settled_nano"], present["settled_nano"]) == (COST_NANO, COST_NANO)
    assert former["ends_at"] <= present["starts_at"]
    records = await world.recorded(2)
    assert [record["account_ids"] for record in records] == [[former["id"]], [present["id"]]]


async def test_a_new_period_has_the_whole_limit_without_any_job_and_the_former_debt_stays_where_it_was(
    flight: Flight, world: World
) -> None:
    assert (await flight.land()).status_code == 200
    await world.at_rest(flight.budget)
    world.execute(
        "UPDATE budgets_account SET settled_nano = 10 * limit_nano, starts_at = starts_at - interval '1 month',"
        " ends_at = starts_at WHERE budget_id = %s",
        flight.budget,
    )
    assert (await flight.again()).status_code == 200
    former, present = accounts(world, flight.budget)
    assert former["settled_nano"] == 10 * former["limit_nano"]
    assert present["limit_nano"] == 2 * WORST_NANO


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "UTC"])
async def test_the_account_of_a_call_is_the_local_day_of_its_budget(
    served: Served, world: World, key: str, zone: str
) -> None:
    budget = world.add_budget(10**9, window="day", zone=zone)
    await served.catch_up(world)
    assert (await ask(served, key, BODY)).status_code == 200
    account = await world.at_rest(budget)
    (days,) = world.rows(
        "SELECT date_trunc('day', clock_timestamp() AT TIME ZONE %s) AT TIME ZONE %s AS today,"
        " (date_trunc('day', clock_timestamp() AT TIME ZONE %s) + interval '1 day') AT TIME ZONE %s AS tomorrow",
        *[zone] * 4,
    )
    assert (account["starts_at"], account["ends_at"]) == (days["today"], days["tomorrow"])
    assert account["ends_at"] - account["starts_at"] in (timedelta(hours=hours) for hours in (23, 23.5, 24, 24.5, 25))


async def test_an_idempotency_key_replayed_by_any_key_is_a_call_of_its_own(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    """No reply is kept, so none can be had for nothing, nor read by another; each call is paid by who made it."""
    _, other = world.add_key(name="other")
    headers = {"idempotency-key": "one", "x-idempotency-key": "one", "x-stainless-retry-count": "1"}
    replies = []
    for caller in (key, key, other):
        async with served.client(caller) as client:
            replies.append(await client.post("/v1/chat/completions", content=BODY, headers=headers))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.headers["x-bursar-attempt-id"] for reply in replies}) == len(vendor.calls) == 3
    assert all("idempotency-key" not in call.headers for call in vendor.calls)
    records = await world.recorded(3)
    assert [record["charge_nano"] for record in records] == [COST_NANO] * 3
    assert records[0]["key_id"] == records[1]["key_id"] != records[2]["key_id"]


def accounts(world: World, budget: int) -> list[dict[str, Any]]:
    found = world.rows("SELECT * FROM budgets_account WHERE budget_id = %s ORDER BY starts_at", budget)
    assert all(isinstance(row["starts_at"], datetime) for row in found)
    return found
