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


async def test_each_person_and_each_key_of_nobody_has_the_whole_limit_of_a_budget_with_members(
    served: Served, world: World
) -> None:
    budget = world.add_budget(2_000_000, sharing="per_member")
    ada, bob = (_add_person(world, name) for name in ("ada", "bob"))
    laptop, desktop = (world.add_key(user_id=ada)[1] for _ in range(2))
    others = [world.add_key(user_id=bob)[1], world.add_key()[1], world.add_key()[1]]
    await served.catch_up(world)
    # Each call holds its worst case, of which the budget can pay one at a time; two people's never meet.
    for key in (laptop, *others):
        assert await _status(served, key, max_tokens=400) == 200
    await world.recorded(4)
    assert await _status(served, desktop, max_tokens=400) == 200
    await world.recorded(5)
    rows = world.rows("SELECT user_id, key_id, settled_nano FROM budgets_account WHERE budget_id = %s", budget)
    assert len(rows) == 4
    assert {row["user_id"] for row in rows if row["key_id"] is None} == {ada, bob}
    assert sorted(row["settled_nano"] for row in rows) == [15_000, 15_000, 15_000, 30_000]


async def test_a_refusal_names_the_member_whose_share_is_used_up(served: Served, world: World) -> None:
    world.add_budget(1, sharing="per_member", name="Each")
    key = world.add_key(user_id=_add_person(world, "ada"))[1]
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question())
    assert reply.status_code == 402
    assert "'Each' (team default, share of person ada@acme.example)" in reply.json()["error"]["message"]


def _add_person(world: World, name: str) -> int:
    return world.insert(
        "teams_user",
        username=name,
        email=f"{name}@acme.example",
        password="!",
        is_superuser=False,
        is_staff=False,
        is_active=True,
        first_name="",
        last_name="",
        date_joined="2026-01-01T00:00:00Z",
    )
