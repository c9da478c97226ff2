"""Requests and replies of a team that asked for it: what is stored of them, sealed, and what never is."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from governance.connections.sealing import seal_secret
from governance.core.clock import utc_now
from governance.core.database_url import DatabaseRole
from governance.gateway.prompt_writer import Said
from governance.prompts.envelope import Conversation, data_key_owner, open_conversation
from tests.gateway.test_guards import Words
from tests.gateway.vendor import Vendor, chat_reply, refusing
from tests.gateway.world import Served, World, eventually, question

DATA_KEY = bytes(range(32))


async def storing(served: Served, world: World, *, max_bytes: int = 100_000) -> None:
    key_id = uuid4()
    owner = data_key_owner(team_id=world.team, data_key_id=key_id)
    sealed = seal_secret(DATA_KEY, owner=owner, keys=world.environment.sealing_keys)
    world.insert(
        "prompts_promptstorage",
        team_id=world.team,
        days=30,
        max_bytes=max_bytes,
        data_key_id=key_id,
        sealing_key=sealed.key_id,
        nonce=sealed.nonce,
        ciphertext=sealed.ciphertext,
    )
    await served.catch_up(world)


async def ask(served: Served, key: str, **fields: object) -> httpx.Response:
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", json=question(**fields))


async def stored(world: World, count: int = 1) -> list[dict[str, Any]]:
    query = "SELECT * FROM prompts_storedprompt ORDER BY asked_at"
    return await eventually(lambda: found if len(found := world.rows(query)) >= count else None)


def opened(row: dict[str, Any]) -> Conversation:
    return open_conversation(
        row["ciphertext"],
        nonce=row["nonce"],
        data_key=DATA_KEY,
        team_id=row["team_id"],
        request_id=row["request_id"],
    )


def counted(served: Served) -> dict[str, int]:
    counters = served.gateway.metrics.numbers.counters
    return {key.partition("\t")[2]: count for key, count in counters.items() if key.startswith("bursar_prompts\t")}


@pytest.mark.parametrize("is_stream", [False, True])
async def test_request_and_reply_are_stored_sealed_beside_whose_they_are(
    served: Served, world: World, key: str, is_stream: bool
) -> None:
    await storing(served, world)
    reply = await ask(served, key, text="a secret plan", stream=is_stream)
    (row,) = await stored(world)
    assert str(row["request_id"]) == reply.headers["x-request-id"]
    assert (row["team_id"], row["alias"], row["wire"], row["status"]) == (world.team, "tiny", "openai.chat", 200)
    assert (row["is_cut"], str(row["attempt_id"])) == (False, reply.headers["x-bursar-attempt-id"])
    said = opened(row)
    assert said == Conversation(reply.request.content, reply.content)
    assert b"secret plan" in said.request and b"secret plan" not in row["ciphertext"]


async def test_without_the_teams_wish_nothing_is_stored(served: Served, world: World, key: str) -> None:
    assert (await ask(served, key)).status_code == 200
    await world.recorded()
    assert served.gateway.vendors.prompts.size == 0
    assert world.rows("SELECT FROM prompts_storedprompt") == []


async def test_what_guards_mask_is_stored_masked_and_what_they_block_is_not_stored(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    served.gateway.vendors.guards.add(Words("words", "zebra", "striped animal"))
    world.insert("policy_guardrule", organisation_id=world.organisation, guard="words", requests="mask", replies="mask")
    await storing(served, world)

    async def answer(call: Any) -> None:
        await call.reply(chat_reply("A zebra!"))

    vendor.answer = answer
    await ask(served, key, text="I saw a zebra.")
    (row,) = await stored(world)
    said = opened(row)
    assert b"[striped animal]" in said.request and b"[striped animal]" in said.reply
    world.execute("UPDATE policy_guardrule SET requests = 'block'")
    await served.catch_up(world)
    assert (await ask(served, key, text="Another zebra.")).status_code == 400
    await ask(served, key)
    assert len(await stored(world, 2)) == 2


async def test_long_texts_are_cut_and_errors_of_vendors_are_stored_too(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await storing(served, world, max_bytes=1024)
    vendor.answer = refusing(400, b'{"error":{"message":"no"}}')
    await ask(served, key, text="x" * 5000)
    (row,) = await stored(world)
    said = opened(row)
    assert (row["is_cut"], row["status"], len(said.request)) == (True, 400, 1024)
    assert json.loads(said.reply)["error"]["message"] == "no"


async def test_a_gateway_hands_over_and_can_read_nothing(
    served: Served, world: World, key: str, database_urls: dict[DatabaseRole, str]
) -> None:
    await storing(served, world)
    await ask(served, key)
    await stored(world)
    for role, statement in (
        ("gateway", "SELECT FROM prompts_storedprompt"),
        ("worker", "SELECT FROM prompts_storedprompt"),
        ("worker", "SELECT FROM prompts_promptstorage"),
        ("console", "UPDATE prompts_storedprompt SET status = 0"),
        ("console", "SELECT prompts_keep('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}')"),
    ):
        with psycopg.connect(database_urls[role]) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(statement.encode())


async def test_what_there_is_no_room_for_is_dropped_and_counted_and_nobody_waits(
    served: Served, world: World, key: str
) -> None:
    await storing(served, world)
    served.gateway.vendors.prompts._most = 10
    assert (await ask(served, key)).status_code == 200
    assert counted(served) == {"dropped": 1}


async def test_a_database_that_does_not_take_them_holds_up_no_answer_and_gets_them_later(
    served: Served, world: World, key: str
) -> None:
    await storing(served, world)
    world.execute("ALTER TABLE prompts_storedprompt RENAME TO prompts_away")
    assert (await ask(served, key)).status_code == 200
    world.execute("ALTER TABLE prompts_away RENAME TO prompts_storedprompt")
    await stored(world)


async def test_what_still_waits_when_a_team_turns_it_off_is_not_stored(served: Served, world: World, key: str) -> None:
    await storing(served, world)
    writer = served.gateway.vendors.prompts
    said = _said(served, world)
    world.execute("DELETE FROM prompts_promptstorage")
    await served.catch_up(world)
    writer.offer(said)
    await eventually(lambda: counted(served).get("unwanted"))
    assert world.rows("SELECT FROM prompts_storedprompt") == []
    writer._queue.append(said)
    writer.obey({})
    assert (writer.size, counted(served)["unwanted"]) == (0, 2)


def _said(served: Served, world: World) -> Any:
    snapshot = served.gateway.keeper.snapshot
    assert snapshot is not None
    return Said(
        request_id=UUID(int=1),
        asked_at=utc_now(),
        organisation_id=world.organisation,
        team_id=world.team,
        key_id=1,
        attempt_id=None,
        alias="tiny",
        wire="openai_chat",
        status=200,
        is_cut=False,
        conversation=Conversation(b"{}", b"{}"),
        policy=snapshot.storing[world.team],
    )
