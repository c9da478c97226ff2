"""OpenAI's files and batches through the stock SDK: every line priced when the file is sent, held when it is run."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.gateway.batches import add_batch_prices, look
from tests.gateway.file_batches import FileBatches, answered, jsonl, line, never_run
from tests.gateway.openai_vendor import response
from tests.gateway.test_openai_others import EMBEDDINGS
from tests.gateway.vendor import Vendor, chat_reply
from tests.gateway.world import Served, World

HALF = {"input": "500", "output": "1000"}
LINE_COST = 9 * 500 + 3 * 1000


@pytest.fixture(params=["openai"])
def batches(world: World, vendor: Vendor, request: pytest.FixtureRequest) -> FileBatches:
    """What the vendor has; its model runs in batches."""
    world.execute("UPDATE connections_connection SET provider = %s", request.param)
    add_batch_prices(world, "tiny", HALF)
    made = FileBatches()
    vendor.answer = made.answer
    return made


@pytest.fixture
async def client(batches: FileBatches, served: Served, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with served.sdk(key).with_options(max_retries=0) as made:
        yield made


@pytest.fixture
def worker_url(database_urls: dict[str, str]) -> str:
    return database_urls["worker"]


async def sent(client: openai.AsyncOpenAI, *lines: Any) -> str:
    return (await client.files.create(file=("a.jsonl", jsonl(*lines)), purpose="batch")).id


async def begun(client: openai.AsyncOpenAI, file: str, endpoint: Any = "/v1/chat/completions") -> str:
    made = await client.batches.create(
        input_file_id=file, endpoint=endpoint, completion_window="24h", metadata={"for": "a test"}
    )
    assert made.metadata == {"for": "a test"}
    return made.id


@pytest.mark.parametrize("batches", ["openai", "azure_openai"], indirect=True)
async def test_a_file_is_read_a_batch_held_and_every_line_settled(
    world: World, batches: FileBatches, client: openai.AsyncOpenAI, worker_url: str
) -> None:
    budget = world.add_budget(10**9)
    file = await sent(client, *[line(name) for name in "abcde"])
    assert [(each["custom_id"], each["body"]["model"]) for each in batches.lines_of(file)] == [
        (name, "tiny-2026") for name in "abcde"
    ]
    assert world.rows("SELECT id FROM metering_durablereservation") == []
    name = await begun(client, file)
    assert world.account(budget)["held_nano"] > 5 * 50 * 1000
    assert (await client.batches.retrieve(name)).status == "validating"
    assert await look(world, worker_url) == 0
    assert (await client.batches.cancel(name)).status == "cancelling"
    output = jsonl(answered("b", chat_reply()), answered("a", chat_reply()))
    errors = jsonl(answered("c", '{"error":{"message":"bad"}}', 400), never_run("d", "batch_cancelled"))
    batches.end(name, "cancelled", output=output, errors=errors + jsonl(never_run("e", "request_timeout")))
    line_nano = world.account(budget)["held_nano"] // 5
    assert await look(world, worker_url) == 1
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (2 * LINE_COST, line_nano)
    assert sorted((row["outcome"], row["charge_nano"], row["service_tier"]) for row in world.records()) == [
        ("batch_cancelled", 0, "standard"),
        ("completed", LINE_COST, "batch"),
        ("completed", LINE_COST, "batch"),
        ("vendor_error", 0, "standard"),
    ]
    assert [row["suspense_reason"] for row in world.attempts()] == ["request_timeout"]
    done = await client.batches.retrieve(name)
    assert done.output_file_id and done.error_file_id
    assert (await client.files.content(done.output_file_id)).content == output


@pytest.mark.parametrize(
    ("url", "reply", "classes"),
    [
        ("/v1/embeddings", EMBEDDINGS, ["input"]),
        ("/v1/responses", response(), ["input", "output"]),
    ],
)
async def test_lines_of_other_endpoints_are_read_in_their_wires(
    world: World, batches: FileBatches, client: openai.AsyncOpenAI, worker_url: str, url: Any, reply: Any,
    classes: list[str],
) -> None:  # fmt: skip
    file = await sent(client, {**line("a", url), "body": {"model": "tiny", "input": "Hello"}})
    name = await begun(client, file, url)
    batches.end(name, output=jsonl(answered("a", json.dumps(reply))))
    assert await look(world, worker_url) == 1
    (record,) = world.records()
    assert (record["classes"], record["service_tier"]) == (classes, "batch")
    assert world.attempts() == []


async def test_a_batch_that_never_ran_is_given_back_and_one_that_did_stays_held(
    world: World, batches: FileBatches, client: openai.AsyncOpenAI, worker_url: str
) -> None:
    budget = world.add_budget(10**9)
    file = await sent(client, line("a"), line("b"))
    failed, odd = await begun(client, file), await begun(client, file)
    batches.end(failed, "failed")
    batches.end(odd, "completed")
    batches.batches[odd]["request_counts"]["completed"] = 2
    assert await look(world, worker_url) == 2
    (suspended,) = world.attempts()
    assert (suspended["suspense_reason"], world.account(budget)["held_nano"]) == (
        "line_missing",
        suspended["held_nano"],
    )
    assert world.records() == []


async def test_files_and_batches_are_the_teams_alone(
    world: World, batches: FileBatches, client: openai.AsyncOpenAI, served: Served, worker_url: str
) -> None:
    first, second = await sent(client, line("a")), await sent(client, line("b"))
    name = await begun(client, first)
    last = await begun(client, second)
    assert [each.id async for each in client.files.list(limit=1)] == [second, first]
    assert [each.id async for each in client.batches.list(limit=1)] == [last, name]
    batches.end(name, output=jsonl(answered("a", chat_reply())))
    output = (await client.batches.retrieve(name)).output_file_id
    assert output is not None
    with pytest.raises(openai.ConflictError, match="not settled yet"):
        await client.files.delete(output)
    stranger = served.sdk(world.add_key(team_id=another_team(world))[1]).with_options(max_retries=0)
    before = list(batches.asked)
    for ask in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        for file in (first, output, "file-nobody"):
            with pytest.raises(openai.NotFoundError, match="has no file here"):
                await ask(file)
    for about in (stranger.batches.retrieve, stranger.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="has nothing here"):
            await about(name)
    with pytest.raises(openai.NotFoundError):
        await begun(stranger, first)
    assert [each async for each in stranger.files.list()] == [each async for each in stranger.batches.list()] == []
    assert batches.asked == before
    assert await look(world, worker_url) == 1
    assert (await client.files.delete(output)).deleted
    assert (await client.files.delete(first)).deleted
    with pytest.raises(openai.NotFoundError):
        await begun(client, first)


def another_team(world: World) -> int:
    (cost_centre,) = world.rows("SELECT id FROM teams_costcentre")
    return world.insert(
        "teams_team",
        organisation_id=world.organisation,
        unit_id=world.unit,
        cost_centre_id=cost_centre["id"],
        name="others",
        required_tags=[],
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (jsonl(line("a"), line("a")), r"Request 2 \(a\): Its custom_id stands twice"),
        (jsonl(line("a"), line("b", model="big")), r"Request 2 \(b\): It names the model 'big'"),
        (jsonl(line("a", stream=True)), r"Request 1 \(a\): It asks for a stream"),
        (jsonl(line("a", max_tokens="many")), r"Request 1 \(a\): The field 'max_tokens'"),
        (jsonl(line("a", service_tier="flex")), "no other service tier"),
        (jsonl(line("a", model="unpriced")), r"no price for the service tier 'batch'"),
        (jsonl(line("a"), line("b", "/v1/responses", input="Hi")), "Line 2 is for /v1/responses"),
        (jsonl(line("a", "/v1/images/generations")), "Line 1 of the file is no request of a batch: it must be a POST"),
        (jsonl(line("a", method="GET")), "Line 1 of the file is no request of a batch"),
        (jsonl({**line("a"), "priority": 1}), "and no others"),
        (jsonl(line("a")) + b"{\n", "Line 2 of the file is no request of a batch"),
        (b"\n\n", "holds no requests"),
    ],
)
async def test_a_bad_line_is_named_and_the_file_goes_nowhere(
    world: World, vendor: Vendor, client: openai.AsyncOpenAI, served: Served, content: bytes, sentence: str
) -> None:
    world.add_model("unpriced")
    await served.catch_up(world)
    with pytest.raises(openai.BadRequestError, match=sentence):
        await client.files.create(file=("a.jsonl", content), purpose="batch")
    assert vendor.calls == []


async def test_what_is_no_batch_file_is_refused(
    world: World, vendor: Vendor, batches: FileBatches, client: openai.AsyncOpenAI, served: Served, key: str
) -> None:
    for purpose in ("user_data", "vision", "assistants"):
        with pytest.raises(openai.BadRequestError, match=r"purpose 'batch'.* send images within the request"):
            await client.files.create(file=("a.jsonl", jsonl(line("a"))), purpose=purpose)
    async with served.client(key) as plain:
        for content_type, body in (
            ("application/json", b"{}"),
            ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--\r\n"),
            ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x"),
            ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nbatch\r\n--x--\r\n"),
            ("multipart/form-data; boundary=x", b"--x\r\nX: y\r\n\r\n" * 20 + b"--x--\r\n"),
        ):
            reply = await plain.post("/v1/files", content=body, headers={"content-type": content_type})
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_request")
    assert vendor.calls == []
    file = await sent(client, line("a"))
    with pytest.raises(openai.BadRequestError, match="has no requests for"):
        await begun(client, file, "/v1/embeddings")
    with pytest.raises(openai.BadRequestError, match="'output_expires_after' is not known"):
        await client.batches.create(
            input_file_id=file,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            output_expires_after={"anchor": "created_at", "seconds": 3600},
        )
    world.execute("UPDATE catalog_price SET nano_per_unit = 10 * nano_per_unit WHERE service_tier = 'batch'")
    budget = world.add_budget(10**5)
    await served.catch_up(world)
    with pytest.raises(openai.APIStatusError, match="can cost up to") as refused:
        await begun(client, file)
    assert (refused.value.status_code, world.account(budget)["held_nano"], batches.batches) == (402, 0, {})
