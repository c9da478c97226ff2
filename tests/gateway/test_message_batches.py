"""Anthropic's message batches through the stock SDK: priced whole before they are sent, settled line by line after."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic.types.messages.batch_create_params import Request

from governance.jobs import looking
from tests.gateway.batches import LINE_COST, MessageBatches, add_batch_prices, look, succeeded
from tests.gateway.claude import MESSAGES, add_claude, sdk
from tests.gateway.test_guards import Words
from tests.gateway.vendor import Vendor, break_off, refusing
from tests.gateway.world import Served, World, eventually

ERRED = {"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}}


def requests(*names: str, **params: Any) -> list[Request]:
    return [
        Request(custom_id=name, params={"model": "claude", "max_tokens": 64, "messages": MESSAGES, **params})  # type: ignore[typeddict-item]
        for name in names
    ]


@pytest.fixture
def batches(world: World, vendor: Vendor) -> MessageBatches:
    """What the vendor has; its model runs in batches."""
    add_claude(world, vendor.base_url)
    add_batch_prices(world, "claude")
    made = MessageBatches()
    vendor.answer = made.answer
    return made


@pytest.fixture
def worker_url(database_urls: dict[str, str]) -> str:
    return database_urls["worker"]


@pytest.fixture
async def claude(batches: MessageBatches, served: Served, key: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with sdk(served, key) as made:
        yield made


async def test_a_batch_is_held_whole_sent_once_and_settled_line_by_line(
    world: World, batches: MessageBatches, claude: anthropic.AsyncAnthropic, worker_url: str
) -> None:
    budget = world.add_budget(10**9)
    made = await claude.messages.batches.create(requests=requests("a", "b", "c", "d"))
    sent = batches.batches[made.id]["requests"]
    assert [(each["custom_id"], each["params"]["model"]) for each in sent] == [(name, "claude-2026") for name in "abcd"]
    held = world.account(budget)["held_nano"]
    assert held == sum(row["reserved_nano"] for row in world.rows("SELECT reserved_nano FROM metering_durableline"))
    assert held > 4 * 64 * 5000
    assert (await claude.messages.batches.retrieve(made.id)).processing_status == "in_progress"
    assert await look(world, worker_url) == 0
    assert (await claude.messages.batches.cancel(made.id)).processing_status == "canceling"
    batches.end(made.id, ("b", succeeded("Hi")), ("a", succeeded()), ("c", ERRED), ("d", {"type": "canceled"}))
    assert await look(world, worker_url) == 1
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (2 * LINE_COST, 0)
    records = {row["outcome"]: row for row in world.records()}
    assert sorted(row["charge_nano"] for row in world.records()) == [0, 0, LINE_COST, LINE_COST]
    assert records.keys() == {"completed", "errored", "canceled"}
    done = records["completed"]
    assert (done["service_tier"], done["is_estimated"], done["alias"]) == ("batch", False, "claude")
    assert await look(world, worker_url) == 0


async def test_results_and_lists_are_the_teams_alone(
    world: World, batches: MessageBatches, claude: anthropic.AsyncAnthropic, served: Served, worker_url: str
) -> None:
    first = await claude.messages.batches.create(requests=requests("a"))
    second = await claude.messages.batches.create(requests=requests("b"))
    batches.end(first.id, ("a", succeeded("Mine")))
    shown = await claude.messages.batches.retrieve(first.id)
    assert shown.results_url == f"/v1/messages/batches/{first.id}/results"
    answers = [line async for line in await claude.messages.batches.results(first.id)]
    assert [(line.custom_id, line.result.type) for line in answers] == [("a", "succeeded")]
    page = await claude.messages.batches.list(limit=1)
    assert ([each.id for each in page.data], page.has_more) == ([second.id], True)
    assert [each.id async for each in claude.messages.batches.list(limit=1)] == [second.id, first.id]
    assert [each.id for each in (await claude.messages.batches.list(before_id=first.id)).data] == [second.id]

    other = world.insert(
        "teams_team",
        organisation_id=world.organisation,
        unit_id=world.unit,
        cost_centre_id=world.rows("SELECT id FROM teams_costcentre")[0]["id"],
        name="others",
        required_tags=[],
    )
    stranger = sdk(served, world.add_key(team_id=other)[1])
    before = list(batches.asked)
    about = stranger.messages.batches
    for ask in (about.retrieve, about.cancel, about.delete, about.results):
        with pytest.raises(anthropic.NotFoundError, match="has nothing here that is named"):
            await ask(first.id)
    assert (await about.list()).data == []
    with pytest.raises(anthropic.BadRequestError, match="There is no batch named"):
        await about.list(after_id=first.id)
    assert batches.asked == before


async def test_a_batch_is_deleted_once_it_is_settled(
    world: World, batches: MessageBatches, claude: anthropic.AsyncAnthropic, worker_url: str
) -> None:
    made = await claude.messages.batches.create(requests=requests("a"))
    batches.end(made.id, ("a", succeeded()))
    with pytest.raises(anthropic.ConflictError, match="is not settled yet"):
        await claude.with_options(max_retries=0).messages.batches.delete(made.id)
    assert await look(world, worker_url) == 1
    assert (await claude.messages.batches.delete(made.id)).type == "message_batch_deleted"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (requests("a") + requests("a"), r"Request 2 \(a\): Its custom_id stands twice"),
        (requests("a") + requests("b", model="nobody"), r"Request 2 \(b\): It names the model 'nobody' and the first"),
        (requests("a", "b", stream=True), r"Request 1 \(a\): It asks for a stream"),
        (requests("a") + requests("b", max_tokens=-1), r"Request 2 \(b\): The field 'max_tokens' must be"),
        (requests("a", tools=[{"type": "web_search_20250305", "name": "w"}]), r"Request 1 \(a\): The request uses"),
        (
            requests("a", inference_geo="us"),
            r"Request 1 \(a\): The model has no price for .* 'batch\+us'",
        ),
        (requests("x" * 65), "must have 1 to 64 printable characters"),
        (requests("a", model="tiny"), "is not served in"),
        ([], "holds no requests"),
        ([{"custom_id": "a", "params": {}, "url": "/v1/messages"}], "'custom_id' and 'params', and no others"),
    ],
)
async def test_a_bad_request_in_a_batch_is_named_and_nothing_is_sent(
    world: World, vendor: Vendor, claude: anthropic.AsyncAnthropic, asked: Any, sentence: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=sentence):
        await claude.messages.batches.create(requests=asked)
    assert vendor.calls == []
    assert world.rows("SELECT id FROM jobs_job") == []


async def test_a_batch_that_does_not_fit_is_refused_before_it_is_sent(
    world: World, vendor: Vendor, claude: anthropic.AsyncAnthropic
) -> None:
    budget = world.add_budget(3 * 10**6)
    await claude.messages.batches.create(requests=requests("a"))
    worst = world.account(budget)["held_nano"]
    assert 10**6 < worst < 2 * 10**6
    with pytest.raises(anthropic.APIStatusError, match="can cost up to") as refused:
        await claude.messages.batches.create(requests=requests("a", "b", "c"))
    assert refused.value.status_code == 402
    assert (len(vendor.calls), world.account(budget)["held_nano"]) == (1, worst)


async def test_what_the_vendor_refuses_is_given_back_and_what_it_lost_stays_held(
    world: World, vendor: Vendor, batches: MessageBatches, claude: anthropic.AsyncAnthropic, worker_url: str
) -> None:
    budget = world.add_budget(10**9)
    claude = claude.with_options(max_retries=0)
    batches.on_create = refusing(400)
    with pytest.raises(anthropic.BadRequestError):
        await claude.messages.batches.create(requests=requests("a"))
    assert world.account(budget)["held_nano"] == 0
    lost = 0
    for answer in (refusing(500), break_off):
        batches.on_create = answer
        with pytest.raises(anthropic.InternalServerError):
            await claude.messages.batches.create(requests=requests("a", "b"))
        assert world.account(budget)["held_nano"] > lost
        lost = world.account(budget)["held_nano"]
    assert await look(world, worker_url) == 2
    assert world.account(budget)["held_nano"] == lost
    assert [(row["suspense_reason"], row["held_nano"]) for row in world.attempts()] == [("answer_lost", lost // 2)] * 2


async def test_lines_that_nobody_can_prove_stay_held(
    world: World, batches: MessageBatches, claude: anthropic.AsyncAnthropic, worker_url: str
) -> None:
    budget = world.add_budget(10**9)
    made = await claude.messages.batches.create(requests=requests("a", "b", "c", "d"))
    line = world.account(budget)["held_nano"] // 4
    batches.end(made.id, ("a", succeeded()), ("b", succeeded(input_tokens=-1)), ("nobody", succeeded()))
    batches.results[made.id] += b"not a line\n"
    assert await look(world, worker_url) == 1
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (LINE_COST, 3 * line)
    assert sorted((row["suspense_reason"], row["held_nano"]) for row in world.attempts()) == [
        ("line_missing", 2 * line),
        ("usage_unreadable", line),
    ]


async def test_a_task_killed_half_way_and_run_twice_at_once_settles_each_line_once(
    world: World,
    batches: MessageBatches,
    claude: anthropic.AsyncAnthropic,
    worker_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budget = world.add_budget(10**9)
    names = [f"line-{number}" for number in range(25)]
    made = await claude.messages.batches.create(requests=requests(*names))
    batches.end(made.id, *[(name, succeeded()) for name in names])
    whole = batches.results[made.id]
    monkeypatch.setattr(looking, "LINES_AT_ONCE", 5)
    batches.cut = len(whole) // 2
    killed = asyncio.create_task(look(world, worker_url))
    settled = await eventually(lambda: world.account(budget)["settled_nano"] or None)
    killed.cancel()
    assert settled < 25 * LINE_COST
    batches.cut = None
    ended = await asyncio.gather(look(world, worker_url), look(world, worker_url))
    assert sum(ended) >= 1
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (25 * LINE_COST, 0)
    assert len(world.records()) == 25


async def test_a_job_counts_in_the_limits_of_requests_and_tokens(
    world: World, vendor: Vendor, claude: anthropic.AsyncAnthropic
) -> None:
    world.add_rate_limit(1000, "tokens")
    with pytest.raises(anthropic.BadRequestError, match="tokens"):
        await claude.messages.batches.create(requests=requests("a", "b"))
    assert vendor.calls == []


async def test_guards_and_allow_lists_hold_for_every_request_of_a_batch(
    world: World, vendor: Vendor, claude: anthropic.AsyncAnthropic, batches: MessageBatches, served: Served
) -> None:
    served.gateway.vendors.guards.add(Words("words", "zebra", "striped animal"))
    rule = world.insert(
        "policy_guardrule", organisation_id=world.organisation, guard="words", team_id=world.team, requests="mask"
    )
    key_id, narrow = world.add_key(name="narrow")
    world.insert("policy_allowrule", organisation_id=world.organisation, key_id=key_id, pattern="tiny")
    await served.catch_up(world)
    made = await claude.messages.batches.create(
        requests=[*requests("a"), *requests("b", messages=[{"role": "user", "content": "A zebra"}])]
    )
    said = [each["params"]["messages"][0]["content"] for each in batches.batches[made.id]["requests"]]
    assert said == ["Hi", "A [striped animal]"]
    with pytest.raises(
        anthropic.PermissionDeniedError, match=r"Request 1 \(a\): .* not on the allow-list of key narrow"
    ):
        await sdk(served, narrow).messages.batches.create(requests=requests("a"))
    world.execute("UPDATE policy_guardrule SET replies = 'block' WHERE id = %s", rule)
    await served.catch_up(world)
    batches.end(made.id, ("a", succeeded()))
    for ask in (claude.messages.batches.create(requests=requests("a")), claude.messages.batches.results(made.id)):
        with pytest.raises(anthropic.BadRequestError, match="are not served to you"):
            await ask
    assert len(batches.batches) == 1


async def test_a_batch_at_an_account_of_the_teams_own_that_is_not_charged_holds_and_costs_nothing(
    world: World, batches: MessageBatches, claude: anthropic.AsyncAnthropic, served: Served, worker_url: str
) -> None:
    world.execute(
        "UPDATE connections_connection SET team_id = %s, is_charged = false WHERE id = %s", world.team, world.connection
    )
    world.add_budget(1)
    await served.catch_up(world)
    made = await claude.messages.batches.create(requests=requests("a", "b", "c"))
    batches.end(made.id, ("a", succeeded()), ("b", succeeded(input_tokens=-1)), ("c", ERRED))
    assert await look(world, worker_url) == 1
    records = {row["outcome"]: row for row in world.records()}
    assert records.keys() == {"completed", "usage_unreadable", "errored"}
    assert [row["charge_nano"] for row in records.values()] == [0, 0, 0]
    assert records["completed"]["classes"][-1] == "own_account"
    assert (world.attempts(), world.rows("SELECT id FROM budgets_account")) == ([], [])
