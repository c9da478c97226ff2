"""Policy lives in memory and follows the database within moments, through lost connections too."""

import asyncio

import psycopg

from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World, eventually, question


async def _models(served: Served, key: str) -> set[str]:
    async with served.client(key) as client:
        reply = await client.get("/v1/models")
    return {model["id"] for model in reply.json()["data"]}


async def _until_models(served: Served, key: str, wanted: set[str]) -> None:
    async with asyncio.timeout(5):
        while await _models(served, key) != wanted:  # noqa: ASYNC110 - see eventually
            await asyncio.sleep(0.05)


async def test_a_new_alias_can_be_called_at_once_and_a_removed_one_no_more(
    served: Served, world: World, key: str
) -> None:
    assert await _models(served, key) == {"tiny"}
    world.add_model("new")
    await _until_models(served, key, {"tiny", "new"})
    world.execute("DELETE FROM catalog_aliastarget WHERE alias_id IN (SELECT id FROM catalog_modelalias)")
    world.execute("DELETE FROM catalog_modelalias WHERE name = 'tiny'")
    await _until_models(served, key, {"new"})


async def test_a_change_of_one_key_does_not_reload_the_rest(served: Served, world: World, key: str) -> None:
    await _models(served, key)
    before = served.gateway.keeper.snapshot
    key_id, other = world.add_key()
    await _models(served, other)
    world.execute("UPDATE keys_virtualkey SET name = 'renamed' WHERE id = %s", key_id)
    await served.catch_up(world)
    assert served.gateway.keeper.snapshot is before


async def test_a_change_while_the_connection_was_lost_is_seen_after_it(served: Served, world: World, key: str) -> None:
    with psycopg.connect(world.environment.database_url("gateway"), autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
    world.add_model("new")
    await _until_models(served, key, {"tiny", "new"})


async def test_a_change_nobody_told_of_is_found_by_the_poll(world: World, key: str, served: Served) -> None:
    world.execute("ALTER TABLE catalog_modelalias DISABLE TRIGGER USER")
    world.execute("ALTER TABLE catalog_aliastarget DISABLE TRIGGER USER")
    try:
        model = world.rows("SELECT id FROM catalog_languagemodel")[0]["id"]
        target = world.rows("SELECT id FROM catalog_deployment WHERE model_id = %s", model)[0]["id"]
        alias = world.insert("catalog_modelalias", organisation_id=world.organisation, name="quiet")
        world.insert("catalog_aliastarget", alias_id=alias, deployment_id=target, position=0)
        world.execute("UPDATE policy_version SET version = version + 1")
        await _until_models(served, key, {"tiny", "quiet"})
    finally:
        world.execute("ALTER TABLE catalog_modelalias ENABLE TRIGGER USER")
        world.execute("ALTER TABLE catalog_aliastarget ENABLE TRIGGER USER")


async def test_a_broken_connection_disables_its_own_deployments_only(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for name, columns in {
        "unknown-provider": {"provider": "no such plugin"},
        "bad-options": {"options": '{"stream_usage": "perhaps"}'},
    }.items():
        broken = world.add_connection(vendor.base_url, **columns)
        model = world.add_model(name)
        world.execute("UPDATE catalog_deployment SET connection_id = %s WHERE model_id = %s", broken, model)
    unsealed = world.add_connection(vendor.base_url)
    world.execute("UPDATE connections_sealedcredential SET nonce = %s WHERE connection_id = %s", b"0" * 12, unsealed)
    model = world.add_model("unopened")
    world.execute("UPDATE catalog_deployment SET connection_id = %s WHERE model_id = %s", unsealed, model)
    await _until_models(served, key, {"tiny", "unknown-provider", "bad-options", "unopened"})
    async with served.client(key) as client:
        for name in ("unknown-provider", "bad-options", "unopened"):
            reply = await client.post("/v1/chat/completions", json=question(model=name))
            assert (reply.status_code, reply.json()["error"]["code"]) == (502, "provider_unavailable")
        assert (await client.post("/v1/chat/completions", json=question())).status_code == 200
    assert len(vendor.calls) == 1


async def test_a_new_budget_binds_keys_that_are_in_use(served: Served, world: World, key: str) -> None:
    async with served.client(key) as client:
        assert (await client.post("/v1/chat/completions", json=question())).status_code == 200
        world.add_budget(1)

        await served.catch_up(world)
        assert (await client.post("/v1/chat/completions", json=question())).status_code == 402


async def test_two_hundred_first_uses_of_a_key_at_once_all_succeed(served: Served, world: World, key: str) -> None:
    async with served.client(key) as client:
        replies = await asyncio.gather(*(client.get("/v1/models") for _ in range(200)))
    assert {reply.status_code for reply in replies} == {200}
    await eventually(lambda: True if not served.gateway.in_flight else None)
