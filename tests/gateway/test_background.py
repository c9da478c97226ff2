"""Replies in the background through the stock SDK: held before they are begun, settled whoever asks for them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from tests.gateway.batches import look
from tests.gateway.openai_vendor import response
from tests.gateway.test_file_batches import another_team
from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import Served, World

COST = 9 * 1000 + 3 * 2000


@dataclass
class Replies:
    """`replies` by id, as the vendor describes them."""

    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def answer(self, call: VendorCall) -> None:
        """Answer like the vendor."""
        self.asked.append(f"{call.method} {call.path}")
        name = call.path.partition("?")[0].removeprefix("/v1/responses").strip("/").removesuffix("/cancel")
        if not name:
            assert call.json["background"] is True
            name = f"resp_{len(self.replies) + 1}"
            self.replies[name] = response(id=name, status="queued", usage=None, output=[], background=True)
        elif call.path.endswith("/cancel"):
            self.end(name, status="cancelled", usage=None, output=[])
        body = {"id": name, "object": "response", "deleted": True} if call.method == "DELETE" else self.replies[name]
        await call.reply(json.dumps(body).encode())

    def end(self, name: str, **fields: Any) -> None:
        """Finish a reply."""
        self.replies[name] = response(id=name, background=True, **fields)


@pytest.fixture(params=["openai"])
def replies(world: World, vendor: Vendor, request: pytest.FixtureRequest) -> Replies:
    world.execute("UPDATE connections_connection SET provider = %s", request.param)
    made = Replies()
    vendor.answer = made.answer
    return made


@pytest.fixture
async def client(replies: Replies, served: Served, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with served.sdk(key).with_options(max_retries=0) as made:
        yield made


@pytest.fixture
def worker_url(database_urls: dict[str, str]) -> str:
    return database_urls["worker"]


async def begun(client: openai.AsyncOpenAI, **fields: Any) -> str:
    made = await client.responses.create(model="tiny", input="Hi", background=True, max_output_tokens=50, **fields)
    assert made.status == "queued"
    return made.id


@pytest.mark.parametrize("replies", ["openai", "azure_openai"], indirect=True)
async def test_a_reply_is_held_begun_and_settled_although_nobody_asks_for_it(
    world: World, replies: Replies, client: openai.AsyncOpenAI, worker_url: str
) -> None:
    budget = world.add_budget(10**9)
    name = await begun(client)
    held = world.account(budget)["held_nano"]
    assert held > 50 * 2000
    assert await look(world, worker_url) == 0
    replies.end(name)
    assert await look(world, worker_url) == 1
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (COST, 0)
    (record,) = world.records()
    assert (record["outcome"], record["wire"], record["service_tier"]) == ("completed", "openai.responses", "standard")
    assert world.rows("SELECT shown FROM jobs_job") == [{"shown": ""}]


async def test_a_reply_is_fetched_cancelled_and_deleted_by_its_team_alone(
    world: World, replies: Replies, client: openai.AsyncOpenAI, served: Served, worker_url: str
) -> None:
    first, second = await begun(client), await begun(client)
    replies.end(first, text="Done")
    fetched = await client.responses.with_raw_response.retrieve(first, include=["reasoning.encrypted_content"])
    assert fetched.parse().output_text == "Done"
    assert fetched.content == json.dumps(replies.replies[first]).encode()
    assert replies.asked[-1].partition("?")[2] == "include%5B%5D=reasoning.encrypted_content"
    with pytest.raises(openai.ConflictError, match="not settled yet"):
        await client.responses.delete(first)
    with pytest.raises(openai.BadRequestError, match="not streamed"):
        await client.responses.retrieve(first, stream=True)
    stranger = served.sdk(world.add_key(team_id=another_team(world))[1]).with_options(max_retries=0)
    before = list(replies.asked)
    for ask in (stranger.responses.retrieve, stranger.responses.cancel, stranger.responses.delete):
        with pytest.raises(openai.NotFoundError, match="has nothing here"):
            await ask(first)
    assert replies.asked == before
    assert (await client.responses.cancel(second)).status == "cancelled"
    assert await look(world, worker_url) == 2
    (suspended,) = world.attempts()
    assert suspended["suspense_reason"] == "cancelled_without_usage"
    await client.responses.delete(first)
    assert replies.asked[-1] == f"DELETE /v1/responses/{first}"


async def test_what_does_not_fit_or_cannot_be_in_the_background_is_refused(
    world: World, vendor: Vendor, client: openai.AsyncOpenAI, served: Served
) -> None:
    for fields in ({"stream": True}, {"service_tier": "priority"}, {"extra_body": {"background_options": {"a": 1}}}):
        with pytest.raises(openai.BadRequestError):
            await client.responses.create(model="tiny", input="Hi", background=True, **fields)
    other = world.add_connection(vendor.base_url, provider="xai")
    world.add_alias("elsewhere", model=world.add_model("grok"), upstream_name="grok-x", connection=other)
    await served.catch_up(world)
    with pytest.raises(openai.BadRequestError, match="is not served in background replies here"):
        await client.responses.create(model="elsewhere", input="Hi", background=True)
    budget = world.add_budget(1000)
    await served.catch_up(world)
    with pytest.raises(openai.APIStatusError, match="can cost up to") as refused:
        await begun(client)
    assert (refused.value.status_code, world.account(budget)["held_nano"]) == (402, 0)
    assert vendor.calls == []
