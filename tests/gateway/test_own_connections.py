"""A team's own account at a vendor: who is served through it, what is booked, and what never happens instead."""

from decimal import Decimal

import httpx
import pytest

from tests.gateway.vendor import Vendor, answer_plainly, break_off, break_off_in_the_body, in_turn, refusing
from tests.gateway.world import Served, World, question


async def ask(served: Served, key: str, **fields: object) -> httpx.Response:
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", json=question(**fields))


async def listed(served: Served, key: str) -> list[str]:
    async with served.client(key) as client:
        return [model["id"] for model in (await client.get("/v1/models")).json()["data"]]


def own(world: World, other: Vendor, **columns: object) -> int:
    """Make the connection of the alias's second deployment an own account; of the team, by default."""
    assert other.port
    (row,) = world.rows("SELECT max(id) AS id FROM connections_connection")
    whose = {"unit_id": None, "team_id": world.team, "region": "", "is_charged": True, **columns}
    world.execute(
        "UPDATE connections_connection SET (unit_id, team_id, region, is_charged) = (%s, %s, %s, %s) WHERE id = %s",
        *(whose[name] for name in ("unit_id", "team_id", "region", "is_charged")),
        row["id"],
    )
    return int(row["id"])


def stranger(world: World) -> str:
    """Return the key of a team of another unit."""
    unit = world.insert("teams_businessunit", organisation_id=world.organisation, name="Sales")
    (row,) = world.rows("SELECT cost_centre_id FROM teams_team")
    team = world.insert(
        "teams_team", organisation_id=world.organisation, unit_id=unit, name="sales", required_tags=[], **row
    )
    return world.add_key(team_id=team)[1]


@pytest.mark.parametrize("is_units", [False, True])
async def test_its_owners_keys_are_served_through_it_first_and_everybody_elses_never(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str, is_units: bool
) -> None:
    own(world, other, **({"unit_id": world.unit, "team_id": None} if is_units else {}))
    outsider = stranger(world)
    await served.catch_up(world)
    assert (await ask(served, key)).headers["x-bursar-model"] == "big"
    assert (await ask(served, outsider)).headers["x-bursar-model"] == "tiny"
    assert (len(vendor.calls), len(other.calls)) == (1, 1)
    vendor.answer = refusing(500)
    assert (await ask(served, outsider)).status_code == 500
    assert len(other.calls) == 1


async def test_a_model_of_others_alone_is_no_model_of_this_key(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute("UPDATE connections_connection SET team_id = %s", world.team)
    outsider = stranger(world)
    await served.catch_up(world)
    reply = await ask(served, outsider)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_unknown")
    assert (await listed(served, outsider), await listed(served, key)) == ([], ["tiny"])
    assert not vendor.calls


async def test_where_it_fails_the_organisations_money_is_not_spent_unless_the_alias_lets_it(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    own(world, other)
    other.answer = break_off
    await served.catch_up(world)
    assert (await ask(served, key)).status_code == 502
    assert not vendor.calls
    world.execute("UPDATE catalog_modelalias SET leaves_own = true, routing = 'price'")
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.headers["x-bursar-model"]) == (200, "tiny")
    assert other.calls, "its own account, though dearer, is asked first"


async def test_one_that_cannot_work_is_not_passed_over_and_one_out_of_use_is(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    connection = own(world, other)
    world.execute("UPDATE connections_sealedcredential SET sealing_key = 'lost' WHERE connection_id = %s", connection)
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "provider_unavailable")
    assert not vendor.calls
    world.execute("UPDATE connections_connection SET is_enabled = false WHERE id = %s", connection)
    await served.catch_up(world)
    assert (await ask(served, key)).headers["x-bursar-model"] == "tiny"


async def test_residency_and_allow_lists_hold_for_it_too(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    own(world, other, region="us")
    world.execute("UPDATE connections_connection SET region = 'eu' WHERE team_id IS NULL")
    world.execute("UPDATE teams_team SET regions = '{eu}'")
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "region_not_allowed")
    world.execute("UPDATE teams_team SET regions = '{us}'")
    world.insert("policy_allowrule", organisation_id=world.organisation, team_id=world.team, pattern="gpt-*")
    await served.catch_up(world)
    assert (await ask(served, key)).json()["error"]["code"] == "model_not_allowed"
    assert not vendor.calls and not other.calls


async def test_what_is_used_through_it_is_booked_on_the_team_like_any_other(
    served: Served, world: World, other: Vendor, key: str
) -> None:
    connection, budget = own(world, other), world.add_budget(10**9)
    await served.catch_up(world)
    assert (await ask(served, key)).headers["x-bursar-cost-usd"] == "0.000075"
    (record,) = await world.recorded()
    assert (record["connection_id"], record["charge_nano"]) == (connection, 75_000)
    assert world.account(budget)["settled_nano"] == 75_000


@pytest.mark.parametrize("is_stream", [False, True])
async def test_one_that_is_not_charged_costs_nothing_holds_nothing_and_keeps_its_list_cost(
    served: Served, world: World, other: Vendor, key: str, is_stream: bool
) -> None:
    own(world, other, is_charged=False)
    budget = world.add_budget(1)
    await served.catch_up(world)
    reply = await ask(served, key, stream=is_stream, max_tokens=500)
    assert (reply.status_code, reply.headers.get("x-bursar-cost-usd", "0.00")) == (200, "0.00")
    assert other.calls[0].json["max_tokens"] == 500
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["cost_nano"], record["account_ids"]) == (0, 0, [])
    assert dict(zip(record["classes"], record["costs_nano"], strict=True)) == {
        "input": Decimal(45_000),
        "output": Decimal(30_000),
        "own_account": Decimal(-75_000),
    }
    assert (record["input_tokens"], record["output_tokens"], record["is_estimated"]) == (9, 3, False)
    assert not world.rows("SELECT FROM budgets_account WHERE budget_id = %s", budget)
    assert [
        row["amount_nano"] for row in world.rows("SELECT amount_nano FROM ledger_posting WHERE amount_nano <> 0")
    ] == []


async def test_of_one_that_is_not_charged_no_money_waits_for_an_answer_that_was_lost(
    served: Served, world: World, other: Vendor, key: str
) -> None:
    own(world, other, is_charged=False)
    other.answer = in_turn(break_off_in_the_body, answer_plainly)
    await served.catch_up(world)
    assert (await ask(served, key)).status_code == 200
    lost, _ = await world.recorded(2)
    assert (lost["charge_nano"], lost["is_estimated"], lost["outcome"]) == (0, True, "answer_lost")
    assert not world.attempts()
