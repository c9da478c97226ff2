"""Which budgets pay for a call: those that fit its model, its provider and its tags."""

from typing import Any

from tests.gateway.world import Served, World, question


async def _status(served: Served, key: str, *, tags: str = "", **fields: Any) -> int:
    headers = {"x-bursar-tags": tags} if tags else {}
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question(**fields), headers=headers)
    return reply.status_code


async def test_a_budget_for_a_tag_pays_for_calls_with_that_tag_only(served: Served, world: World, key: str) -> None:
    world.add_budget(1, tag_name="feature", tag_value="search")
    world.add_budget(1, tag_name="customer")
    await served.catch_up(world)
    assert await _status(served, key) == 200
    assert await _status(served, key, tags="feature=chat") == 200
    assert await _status(served, key, tags="feature=search") == 402
    assert await _status(served, key, tags="customer=anybody") == 402


async def test_a_budget_for_a_provider_pays_for_its_calls_only(served: Served, world: World, key: str) -> None:
    other = world.add_budget(1, provider="somebody else")
    await served.catch_up(world)
    assert await _status(served, key) == 200
    assert world.rows("SELECT * FROM budgets_account WHERE budget_id = %s", other) == []
    world.add_budget(1, provider="openai_compatible")
    await served.catch_up(world)
    assert await _status(served, key) == 402


async def test_a_budget_for_a_group_follows_the_group(served: Served, world: World, key: str) -> None:
    world.add_model("big-1")
    group = world.insert("policy_accessgroup", organisation_id=world.organisation, name="big", patterns=["huge-*"])
    world.add_budget(1, model_group_id=group)
    await served.catch_up(world)
    assert await _status(served, key, model="big-1") == 200
    world.execute("UPDATE policy_accessgroup SET patterns = ARRAY['huge-*', 'big-*'] WHERE id = %s", group)
    await served.catch_up(world)
    assert await _status(served, key, model="big-1") == 402
    assert await _status(served, key) == 200
