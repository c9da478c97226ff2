"""A team's requests stay where they may be handled."""

import httpx

from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World, question


async def ask(served: Served, key: str) -> httpx.Response:
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", json=question())


async def listed(served: Served, key: str) -> list[str]:
    async with served.client(key) as client:
        return [model["id"] for model in (await client.get("/v1/models")).json()["data"]]


async def test_only_deployments_in_the_teams_region_are_asked(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    world.execute("UPDATE connections_connection SET region = 'us' WHERE id = %s", world.connection)
    world.execute("UPDATE connections_connection SET region = 'eu-central-1' WHERE id <> %s", world.connection)
    await served.catch_up(world)
    assert (await ask(served, key)).headers["x-bursar-model"] == "tiny"
    world.execute("UPDATE teams_team SET regions = '{eu}'")
    await served.catch_up(world)
    assert (await ask(served, key)).headers["x-bursar-model"] == "big"
    assert (len(vendor.calls), len(other.calls)) == (1, 1)
    assert await listed(served, key) == ["tiny"]


async def test_a_model_outside_is_refused_and_not_listed_and_an_unlabelled_one_is_nowhere(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute("UPDATE teams_organisation SET regions = '{eu,uk}'")
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "region_not_allowed")
    assert "served nowhere in eu or uk, where organisation Acme keeps its requests" in reply.json()["error"]["message"]
    assert await listed(served, key) == []
    assert not vendor.calls


async def test_a_deployments_own_region_counts_before_its_connections(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute("UPDATE connections_connection SET region = 'us'")
    world.execute("UPDATE catalog_deployment SET region = 'eu'")
    world.execute("UPDATE teams_businessunit SET regions = '{eu}'")
    await served.catch_up(world)
    assert (await ask(served, key)).status_code == 200
    assert len(vendor.calls) == 1
