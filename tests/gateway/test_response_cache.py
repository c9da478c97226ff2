"""A team that keeps its answers: what is answered from memory, what it costs and tells, and what never is."""

import json
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from tests.gateway.test_guards import Words
from tests.gateway.vendor import DONE, Vendor, VendorCall, chat_event, chat_reply, in_turn, refusing
from tests.gateway.world import Served, World, eventually, question

COLD = question(temperature=0)
PERSON = {
    **dict.fromkeys(("password", "first_name", "last_name"), ""),
    **dict.fromkeys(("is_superuser", "is_staff"), False),
    "email": "ada@acme.example",
    "username": "ada",
    "is_active": True,
    "date_joined": "2026-01-01",
}


async def caching(served: Served, world: World, **columns: object) -> None:
    wish = {"ttl_seconds": 3600, "max_bytes": 1024 * 1024, "patterns": [], **columns}
    world.insert("policy_responsecache", **{"team_id": world.team, **wish})
    await served.catch_up(world)


async def ask(served: Served, key: str, body: Any = COLD, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", content=content, headers=headers)


def state(reply: httpx.Response) -> str | None:
    return reply.headers.get("x-bursar-cache")


async def test_the_same_request_is_answered_from_memory_at_no_cost_and_booked_with_what_it_saved(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(10**9)
    await caching(served, world)
    person = world.insert("teams_user", **PERSON)
    other_id, other_key = world.add_key(user_id=person, default_tags='{"app": "b"}')
    first, again = await ask(served, key), await ask(served, other_key)
    assert (state(first), state(again), len(vendor.calls)) == ("miss", "hit", 1)
    assert again.content == first.content and again.headers["content-type"] == first.headers["content-type"]
    assert (again.headers["x-bursar-model"], again.headers["x-bursar-cost-usd"]) == ("tiny", "0.00")
    assert int(again.headers["age"]) >= 0
    asked, kept = await world.recorded(2)
    assert again.headers["x-bursar-attempt-id"] == str(kept["attempt_id"]) != str(asked["attempt_id"])
    assert (kept["outcome"], kept["key_id"], kept["user_id"], kept["tags"]) == (
        "cache_hit",
        other_id,
        person,
        {"app": "b"},
    )
    assert (kept["charge_nano"], kept["cost_nano"], kept["account_ids"], kept["reserved_nano"]) == (0, 0, [], 0)
    lines = dict(zip(kept["classes"], kept["costs_nano"], strict=True))
    assert (lines.pop("from_cache"), sum(lines.values())) == (Decimal(-15_000), asked["cost_nano"])
    assert world.account(budget)["settled_nano"] == 15_000


async def test_a_stream_is_kept_as_it_came_and_the_sdk_reads_it_again(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await caching(served, world)
    client = served.sdk(key)
    heard = []
    for _ in range(2):
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "Hi"}], temperature=0, stream=True
        )
        heard.append([chunk.choices[0].delta.content async for chunk in stream])
    await client.close()
    assert heard[0] == heard[1] and "".join(filter(None, heard[1])) == "Hello!"
    assert len(vendor.calls) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (COLD, question(temperature=0, max_tokens=5)),
        (COLD, {**COLD, "messages": [{"role": "user", "content": "Hi "}]}),
        (b'{"model":"tiny","temperature":0,"messages":[]}', b'{"model":"tiny", "temperature":0,"messages":[]}'),
        (COLD, question(temperature=0, stream=True)),
        (question(), question()),
        (question(temperature=0.7), question(temperature=0.7)),
        (question(temperature=0, background=True), question(temperature=0, background=True)),
    ],
)
async def test_another_request_or_one_that_leaves_room_for_chance_is_asked(
    served: Served, world: World, vendor: Vendor, key: str, first: Any, second: Any
) -> None:
    await caching(served, world)
    replies = [await ask(served, key, first), await ask(served, key, second)]
    assert "hit" not in [state(reply) for reply in replies]
    assert len(vendor.calls) == 2


async def test_any_temperature_and_only_some_models_if_the_team_wants_that(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await caching(served, world, is_any_temperature=True, patterns=["ti*"])
    assert [state(await ask(served, key, question(temperature=1))) for _ in range(2)] == ["miss", "hit"]
    world.execute("UPDATE policy_responsecache SET patterns = '{gpt-*}'")
    await served.catch_up(world)
    assert state(await ask(served, key, question(temperature=1))) is None
    assert len(vendor.calls) == 2


async def test_another_team_gets_none_of_it_and_one_that_did_not_ask_keeps_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await caching(served, world)
    (row,) = world.rows("SELECT cost_centre_id, unit_id FROM teams_team")
    other = world.insert("teams_team", organisation_id=world.organisation, name="other", required_tags=[], **row)
    stranger = world.add_key(team_id=other)[1]
    assert state(await ask(served, key)) == "miss"
    assert [state(await ask(served, stranger)) for _ in range(2)] == [None, None]
    await caching(served, world, team_id=other)
    assert [state(await ask(served, stranger)) for _ in range(2)] == ["miss", "hit"]
    assert len(vendor.calls) == 4


async def test_what_a_client_may_not_call_any_more_is_not_answered_from_memory_either(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await caching(served, world)
    await ask(served, key)
    world.insert("policy_allowrule", organisation_id=world.organisation, team_id=world.team, pattern="gpt-*")
    await served.catch_up(world)
    assert (await ask(served, key)).json()["error"]["code"] == "model_not_allowed"
    assert (await ask(served, world.add_key(revoked_at="2026-01-01")[1])).status_code == 401


async def test_a_change_of_what_may_answer_or_what_guards_ask_is_another_request(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    served.gateway.vendors.guards.add(Words("words", "zebra", "striped animal"))
    await caching(served, world)
    for change in (
        "UPDATE connections_connection SET options = '{}'",
        "UPDATE catalog_deployment SET upstream_name = 'newer'",
        "INSERT INTO policy_guardrule (organisation_id, guard, requests, replies) "
        "SELECT id, 'words', 'mask', '' FROM teams_organisation",
    ):
        world.execute(change)
        await served.catch_up(world)
        assert state(await ask(served, key)) == "miss"
        assert state(await ask(served, key)) == "hit"
        if "options" in change:
            vendor.calls.clear()
    assert len(vendor.calls) == 2


async def break_in_words(call: VendorCall) -> None:
    await call.begin_stream()
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    await call.chunk(
        chat_event("Hel") + b'data: {"error":{"message":"overloaded"}}\n\n' + chat_event(usage=usage) + DONE
    )
    await call.end_stream()


async def no_usage(call: VendorCall) -> None:
    body = json.loads(chat_reply())
    del body["usage"]
    await call.reply(json.dumps(body).encode())


@pytest.mark.parametrize(("answer", "is_stream"), [(refusing(400), False), (no_usage, False), (break_in_words, True)])
async def test_what_is_no_sure_answer_is_not_kept(
    served: Served, world: World, vendor: Vendor, key: str, answer: Any, is_stream: bool
) -> None:
    await caching(served, world)
    vendor.answer = answer
    assert [state(await ask(served, key, question(temperature=0, stream=is_stream))) for _ in range(2)] == ["miss"] * 2
    assert len(vendor.calls) == 2


async def test_an_answer_that_was_cut_short_for_lack_of_money_is_not_kept(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_budget(1_600_000)
    await caching(served, world)
    first = await ask(served, key)
    assert "x-bursar-max-output-tokens" in first.headers
    assert served.gateway.vendors.cache.size == 0


async def test_a_client_can_have_a_fresh_answer_kept_or_none(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await caching(served, world)
    vendor.answer = in_turn(*[_saying(word) for word in ("one", "two", "three")])
    said = []
    for headers in ({}, {"cache-control": "no-store"}, {}, {"cache-control": "no-cache"}, {}):
        said.append((await ask(served, key, **headers)).json()["choices"][0]["message"]["content"])
    assert said == ["one", "two", "one", "three", "three"]


def _saying(word: str) -> Any:
    async def answer(call: VendorCall) -> None:
        await call.reply(chat_reply(word))

    return answer


async def test_what_is_too_old_is_asked_again_and_turning_it_off_forgets_everything(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await caching(served, world)
    await ask(served, key)
    cache = served.gateway.vendors.cache
    (shelf,) = cache._shelves.values()
    (digest,) = shelf.answers
    assert cache.find(world.team, digest, _policy(served, world), at=shelf.answers[digest].kept_at + 3600) is None
    assert cache.size == 0
    await ask(served, key)
    assert cache.size > 0 and "bursar_cache_bytes" in served.gateway.metrics.exposition().decode()
    world.execute("DELETE FROM policy_responsecache")
    await eventually(lambda: True if cache.size == 0 else None)
    assert state(await ask(served, key)) is None


def _policy(served: Served, world: World) -> Any:
    snapshot = served.gateway.keeper.snapshot
    assert snapshot is not None
    return snapshot.caching[world.team]


async def test_requests_count_for_rate_limits_and_their_tokens_do_not(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(3)
    world.add_rate_limit(5_000, "tokens")
    await caching(served, world)
    replies = [await ask(served, key) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    left = [int(reply.headers["x-ratelimit-remaining-requests"]) for reply in replies[:3]]
    assert left == [2, 1, 0]
    assert replies[3].headers["x-ratelimit-remaining-requests"] == "0"
    assert len(vendor.calls) == 1


async def test_where_the_money_is_spent_what_is_kept_is_answered_still(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await caching(served, world)
    await ask(served, key)
    world.add_budget(1)
    await served.catch_up(world)
    assert state(await ask(served, key)) == "hit"
    with pytest.raises(openai.APIStatusError) as refusal:
        await served.sdk(key).chat.completions.create(model="tiny", messages=[{"role": "user", "content": "New"}])
    assert refusal.value.status_code == 402
