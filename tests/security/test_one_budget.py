"""A budget for one, and everybody at once: it pays for one, in one process or in several."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from governance.core.environment import Environment
from governance.gateway.limits import Limits
from tests.gateway.vendor import Vendor, VendorCall, chat_reply
from tests.gateway.world import Served, World, eventually, question, serving
from tests.security.asking import COST_NANO, PATH, packed, worst_nano

BODY = packed(max_tokens=100)
WORST_NANO = worst_nano(BODY, maximum=100)
MANY = 100


class Gate:
    """A vendor's manner: nobody gets an answer before the gate is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, call: VendorCall) -> None:
        await self.opened.wait()
        await call.reply(chat_reply())


@pytest.fixture
async def other(world: World, environment: Environment, limits: Limits) -> AsyncIterator[Served]:
    """Another gateway over the same database."""
    async with serving(environment, limits) as running:
        yield running


async def _ask_everywhere(gateways: list[Served], key: str, *, times: int) -> list[asyncio.Task[httpx.Response]]:
    async def ask(number: int) -> httpx.Response:
        async with gateways[number % len(gateways)].client(key) as client:
            return await client.post(PATH, content=BODY)

    return [asyncio.create_task(ask(number)) for number in range(times)]


async def _all_but_the_first_are_refused(
    gateways: list[Served], world: World, vendor: Vendor, key: str, budget: int
) -> None:
    gate = vendor.answer = Gate()
    tasks = await _ask_everywhere(gateways, key, times=MANY)
    await eventually(lambda: True if sum(task.done() for task in tasks) == MANY - 1 else None, seconds=60)
    account = world.account(budget)
    assert len(vendor.calls) == 1
    assert account["held_nano"] == WORST_NANO <= account["limit_nano"]
    gate.opened.set()
    statuses = sorted([(await task).status_code for task in tasks])
    assert statuses == [200] + [429] * (MANY - 1)
    assert (await world.at_rest(budget))["settled_nano"] == COST_NANO


async def test_a_hundred_requests_at_once_against_a_budget_for_one_admit_one(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(WORST_NANO)
    await served.catch_up(world)
    await _all_but_the_first_are_refused([served], world, vendor, key, budget)


async def test_two_gateways_have_one_budget_between_them_and_not_one_each(
    served: Served, other: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(WORST_NANO)
    await served.catch_up(world)
    await other.catch_up(world)
    await _all_but_the_first_are_refused([served, other], world, vendor, key, budget)


async def test_a_hundred_requests_against_a_budget_one_nano_short_of_one_admit_none(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(WORST_NANO - 1)
    await served.catch_up(world)
    statuses = [(await task).status_code for task in await _ask_everywhere([served], key, times=MANY)]
    assert statuses == [402] * MANY
    assert vendor.calls == []
    assert world.rows("SELECT held_nano, settled_nano FROM budgets_account WHERE budget_id = %s", budget) == [
        {"held_nano": 0, "settled_nano": 0}
    ]


async def test_eight_threads_of_the_stock_client_at_a_barrier_pass_a_budget_for_one_once(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(WORST_NANO)
    await served.catch_up(world)
    gate = vendor.answer = Gate()
    barrier = threading.Barrier(8)
    answers: list[object] = []

    def ask() -> None:
        with openai.OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0) as client:
            barrier.wait(timeout=30)
            try:
                answers.append(client.chat.completions.create(**question(max_tokens=100)))
            except openai.APIStatusError as error:
                answers.append(error.status_code)

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask) for _ in range(8)]
        try:
            await eventually(lambda: True if len(answers) == 7 else None, seconds=30)
        finally:
            gate.opened.set()
        await asyncio.gather(*map(asyncio.wrap_future, asked))
    assert sorted(answer for answer in answers if isinstance(answer, int)) == [429] * 7
    assert len(vendor.calls) == 1
    assert (await world.at_rest(budget))["settled_nano"] == COST_NANO


async def test_the_stock_client_that_retries_a_held_budget_is_charged_for_what_it_got_and_no_more(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(3 * WORST_NANO)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        answers = await asyncio.gather(
            *(client.chat.completions.create(**question(max_tokens=100)) for _ in range(20)), return_exceptions=True
        )
    served_times = sum(not isinstance(answer, BaseException) for answer in answers)
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} <= {
        openai.RateLimitError,
        openai.APIStatusError,
    }
    assert served_times == len(vendor.calls) >= 3
    account = await world.at_rest(budget)
    assert account["settled_nano"] == COST_NANO * served_times <= account["limit_nano"]
