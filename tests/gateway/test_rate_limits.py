"""Rate limits through the front door, as the stock `openai` package and a stranger with an HTTP client meet them."""

import asyncio
from typing import Any

import httpx
import openai
import pytest

from governance.core.environment import Environment
from governance.gateway.allowance import duration_text
from governance.gateway.limits import Limits
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, answer_plainly, chat_event, chat_reply
from tests.gateway.world import Served, World, eventually, question, serving

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


async def _ask(served: Served, key: str, **fields: Any) -> httpx.Response:
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", json=question(**fields))


def _taken(world: World, limit: int) -> int:
    (row,) = world.rows(
        "SELECT CASE WHEN l.counts = 'concurrent'"
        "            THEN (SELECT coalesce(sum(amount), 0)::bigint FROM metering_allotment WHERE allowance_id = a.id)"
        "            ELSE a.taken END AS taken"
        "  FROM metering_allowance a JOIN policy_ratelimit l ON l.id = a.rate_limit_id WHERE l.id = %s",
        limit,
    )
    return int(row["taken"])


async def _settled(world: World, limit: int, taken: int) -> None:
    """Return when what is taken is this: processes give back what they do not need after about a second."""
    await eventually(lambda: True if _taken(world, limit) == taken else None)


async def test_requests_beyond_the_limit_get_a_429_that_says_when_to_come_again(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(2, name="Search")
    await served.catch_up(world)
    async with served.sdk(key).with_options(max_retries=0) as client:
        for _ in range(2):
            await client.chat.completions.create(model="tiny", messages=MESSAGES)
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(model="tiny", messages=MESSAGES)
    error, headers = refused.value, refused.value.response.headers
    assert (error.status_code, error.code, error.type) == (429, "rate_limited", "rate_limit_error")
    assert "Rate limit 'Search' (team default) allows 2 requests per day. 0 are left. It resets at 20" in error.message
    assert 0 < int(headers["retry-after"]) <= 86_400
    assert "x-should-retry" not in headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("2", "0")
    assert "x-bursar-attempt-id" not in headers
    assert len(vendor.calls) == 2
    counters = served.gateway.metrics.numbers.counters
    assert (counters["bursar_rate_refusals\trequests"], counters["bursar_refusals\trate_limited"]) == (1, 1)


async def test_every_reply_says_what_the_tightest_limits_leave_and_not_what_the_vendor_leaves_bursar(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        headers = "content-type: application/json\r\nx-ratelimit-remaining-requests: 9999\r\nx-ratelimit-other: 1"
        await call.reply(chat_reply(), headers=headers)

    vendor.answer = answer
    assert (await _ask(served, key)).headers["x-ratelimit-remaining-requests"] == "9999"
    world.add_rate_limit(100)
    world.add_rate_limit(5, window="hour")
    world.add_rate_limit(9000, "tokens")
    await served.catch_up(world)
    headers = (await _ask(served, key, max_tokens=100)).headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("5", "4")
    assert headers["x-ratelimit-limit-tokens"] == "9000"
    assert 8000 < int(headers["x-ratelimit-remaining-tokens"]) < 8900
    assert headers["x-ratelimit-reset-requests"].endswith("s")
    assert "x-ratelimit-other" not in headers


async def test_tokens_are_reserved_for_the_worst_case_and_what_was_not_used_comes_back(
    served: Served, world: World, key: str
) -> None:
    limit = world.add_rate_limit(5000, "tokens")
    await served.catch_up(world)
    for _ in range(6):  # each could use more than a thousand
        assert (await _ask(served, key)).status_code == 200
    await _settled(world, limit, 6 * USAGE["total_tokens"])


async def test_a_maximum_is_lowered_to_what_the_tokens_and_the_money_left_are_enough_for(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(1200, "tokens")
    await served.catch_up(world)
    by_tokens = await _ask(served, key)
    lowered = int(by_tokens.headers["x-bursar-max-output-tokens"])
    assert 16 <= lowered < 700
    assert vendor.calls[-1].json["max_tokens"] == lowered
    world.add_budget(1_000_000)
    await served.catch_up(world)
    by_money = await _ask(served, key)
    assert 16 <= int(by_money.headers["x-bursar-max-output-tokens"]) < lowered
    assert by_money.headers.get_list("x-bursar-max-output-tokens") == [str(vendor.calls[-1].json["max_tokens"])]


async def test_what_could_never_be_admitted_is_no_matter_of_time(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(600, "tokens")
    await served.catch_up(world)
    async with served.sdk(key) as client:
        with pytest.raises(
            openai.BadRequestError, match="allows 600 tokens per day, and this request can use"
        ) as refused:
            await client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=900)
    assert refused.value.code == "request_beyond_rate_limit"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert vendor.calls == []


async def test_of_three_streams_at_once_two_are_allowed_and_the_third_when_one_has_ended(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(2, "concurrent")
    await served.catch_up(world)
    may_end = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hel"))
        await may_end.wait()
        await call.chunk(chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    vendor.answer = answer
    async with served.sdk(key).with_options(max_retries=0) as client:

        async def stream() -> Any:
            return await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)

        open_ones = [await stream(), await stream()]
        with pytest.raises(
            openai.RateLimitError, match="2 requests at the same time, and as many are running"
        ) as refused:
            await stream()
        assert refused.value.response.headers["retry-after"] == "1"
        assert len(vendor.calls) == 2
        may_end.set()
        for one in open_ones:
            assert [chunk async for chunk in one]
        assert [chunk async for chunk in await stream()]


async def test_the_sdk_waits_and_comes_again_by_itself(served: Served, world: World, vendor: Vendor, key: str) -> None:
    world.add_rate_limit(1, "concurrent")
    await served.catch_up(world)
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def answer(call: VendorCall) -> None:
        has_begun.set()
        await may_end.wait()
        await answer_plainly(call)

    vendor.answer = answer
    async with served.sdk(key) as client:
        first = asyncio.create_task(client.chat.completions.create(model="tiny", messages=MESSAGES))
        await has_begun.wait()
        second = asyncio.create_task(client.chat.completions.create(model="tiny", messages=MESSAGES))
        counters = served.gateway.metrics.numbers.counters
        await eventually(lambda: counters.get("bursar_rate_refusals\tconcurrent"))
        assert len(vendor.calls) == 1
        may_end.set()
        replies = await asyncio.gather(first, second)
    assert [reply.choices[0].message.content for reply in replies] == ["Hello!", "Hello!"]
    assert len(vendor.calls) == 2


async def test_gateway_processes_share_a_limit(
    served: Served, world: World, environment: Environment, limits: Limits, key: str
) -> None:
    world.add_rate_limit(9)
    await served.catch_up(world)
    async with serving(environment, limits) as other:
        replies = await asyncio.gather(*(_ask(one, key) for one in (served, other) for _ in range(8)))
    assert sorted(reply.status_code for reply in replies) == [200] * 9 + [429] * 7


async def test_what_was_not_sent_is_given_back(served: Served, world: World, vendor: Vendor, key: str) -> None:
    requests, tokens = world.add_rate_limit(1000), world.add_rate_limit(100_000, "tokens")
    permits = world.add_rate_limit(100, "concurrent")
    budget = world.add_budget(1)
    await served.catch_up(world)
    assert (await _ask(served, key)).status_code == 402
    world.execute("UPDATE budgets_budget SET retired_at = now() WHERE id = %s", budget)
    gone = world.add_connection("http://127.0.0.1:1/v1")
    model = world.rows("SELECT id FROM catalog_languagemodel WHERE name = 'tiny'")[0]["id"]
    world.add_alias("gone", model=model, upstream_name="gone", connection=gone)
    await served.catch_up(world)
    assert (await _ask(served, key, model="gone")).status_code == 502
    for limit in (requests, tokens, permits):
        await _settled(world, limit, 0)
    assert (await _ask(served, key)).status_code == 200
    await _settled(world, requests, 1)


async def test_an_unknown_outcome_keeps_its_tokens(served: Served, world: World, vendor: Vendor, key: str) -> None:
    tokens = world.add_rate_limit(100_000, "tokens")
    await served.catch_up(world)

    async def answer(call: VendorCall) -> None:
        call.writer.transport.abort()

    vendor.answer = answer
    assert (await _ask(served, key, max_tokens=500)).status_code == 502
    taken = await eventually(lambda: found if (found := _taken(world, tokens)) < 2000 else None)
    assert taken > 1000


async def test_limits_narrow_to_models_and_providers_and_each_member_has_the_whole(
    served: Served, world: World, key: str
) -> None:
    world.add_model("large")
    group = world.insert("policy_accessgroup", organisation_id=world.organisation, name="big", patterns=["lar*"])
    world.add_rate_limit(1, name="each", sharing="per_member", model_pattern="ti*")
    world.add_rate_limit(1, name="group", model_group_id=group)
    world.add_rate_limit(1, name="elsewhere", provider="another")
    await served.catch_up(world)
    assert (await _ask(served, key)).status_code == 200
    refused = await _ask(served, key)
    assert refused.status_code == 429
    assert "share of key a key" in refused.json()["error"]["message"]
    _, second = world.add_key()
    assert (await _ask(served, second)).status_code == 200
    assert (await _ask(served, key, model="large")).status_code == 200
    assert "'group'" in (await _ask(served, second, model="large")).json()["error"]["message"]


async def test_a_raised_limit_is_heeded_at_once_and_a_retired_one_counts_nothing(
    served: Served, world: World, key: str
) -> None:
    limit = world.add_rate_limit(1)
    await served.catch_up(world)
    assert [(await _ask(served, key)).status_code for _ in range(2)] == [200, 429]
    world.execute("UPDATE policy_ratelimit SET amount = 2 WHERE id = %s", limit)
    await served.catch_up(world)

    async def raised() -> int:
        return (await _ask(served, key)).status_code

    async with asyncio.timeout(5):
        while await raised() != 200:  # noqa: ASYNC110 - a refusal is remembered for half a second
            await asyncio.sleep(0.05)
    assert await raised() == 429
    world.execute("UPDATE policy_ratelimit SET retired_at = now() WHERE id = %s", limit)
    await served.catch_up(world)
    assert await raised() == 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1ms"), (0.12, "120ms"), (0.9996, "1s"), (59, "59s"), (59.2, "1m0s"), (360, "6m0s"), (3603, "1h0m3s")],
)
def test_durations_read_as_openais(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
