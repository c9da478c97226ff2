"""In which order the deployments behind an alias are asked: by weight, price, latency or a plugin's strategy."""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence

import httpx
import pytest

from governance.gateway.routing import Latencies
from governance.plugin.routing import Candidate, RoutingStrategy
from governance.policy.strategies import ByLatency, ByPrice, ByWeight
from tests.gateway.vendor import Vendor, chat_reply, refusing
from tests.gateway.world import Served, World, question


def candidate(number: int, *, weight: int = 1, worst: int = 0, latency: float | None = None) -> Candidate:
    return Candidate(
        deployment_id=number,
        provider="p",
        model="m",
        connection="c",
        region="",
        weight=weight,
        worst_nano=worst,
        latency_seconds=latency,
    )


def order(strategy: RoutingStrategy, *candidates: Candidate, chance: Callable[[], float] = random.random) -> list[int]:
    return [each.deployment_id for each in strategy.order(candidates, alias="a", chance=chance)]


def test_weights_are_proportions_and_zero_is_a_spare() -> None:
    chance = random.Random(1).random
    candidates = (candidate(1, weight=3), candidate(2, weight=1), candidate(3, weight=0))
    orders = Counter(tuple(order(ByWeight(), *candidates, chance=chance)) for _ in range(4000))
    assert set(orders) == {(1, 2, 3), (2, 1, 3)}
    assert 2850 < orders[1, 2, 3] < 3150


@pytest.mark.parametrize(("point", "first"), [(0.0, 1), (0.74, 1), (0.75, 2), (0.999999, 2), (1.0, 2)])
def test_a_point_falls_into_one_weight(point: float, first: int) -> None:
    assert order(ByWeight(), candidate(1, weight=3), candidate(2), chance=lambda: point)[0] == first


def test_the_cheapest_comes_first_and_equals_stay_as_they_stand() -> None:
    assert order(ByPrice(), candidate(1, worst=5), candidate(2, worst=3), candidate(3, worst=5)) == [2, 1, 3]


def test_the_unknown_is_tried_before_the_quickest_and_what_is_being_tried_comes_last() -> None:
    waits = (candidate(1, latency=0.3), candidate(2, latency=0.1), candidate(3, latency=math.inf), candidate(4))
    assert order(ByLatency(), *waits) == [4, 2, 1, 3]


def test_a_latency_is_an_average_that_grows_old() -> None:
    latencies = Latencies()
    assert latencies.seen(1, is_stream=True, at=0) is None
    latencies.asked(1, is_stream=True, at=0)
    assert latencies.seen(1, is_stream=True, at=1) == math.inf
    assert latencies.seen(1, is_stream=True, at=11) is None
    latencies.note(1, 1.0, is_stream=True, at=12)
    latencies.note(1, 2.0, is_stream=True, at=13)
    assert latencies.seen(1, is_stream=True, at=13) == pytest.approx(1.2)
    assert latencies.seen(1, is_stream=False, at=13) is None
    assert latencies.seen(1, is_stream=True, at=74) is None
    latencies.asked(1, is_stream=True, at=74)
    assert latencies.seen(1, is_stream=True, at=75) == pytest.approx(1.2)


async def ask(served: Served, key: str, times: int = 1) -> list[httpx.Response]:
    async with served.client(key) as client:
        return [await client.post("/v1/chat/completions", json=question()) for _ in range(times)]


def route(world: World, routing: str) -> None:
    world.execute("UPDATE catalog_modelalias SET routing = %s WHERE name = 'tiny'", routing)


async def test_the_cheaper_of_two_is_asked_though_it_stands_second(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    world.execute("UPDATE catalog_aliastarget SET position = position + 10")
    world.execute("UPDATE catalog_aliastarget SET position = 22 - position")
    await served.catch_up(world)
    (dear,) = await ask(served, key)
    route(world, "price")
    await served.catch_up(world)
    (cheap,) = await ask(served, key)
    assert (dear.headers["x-bursar-model"], cheap.headers["x-bursar-model"]) == ("big", "tiny")
    assert (len(vendor.calls), len(other.calls)) == (1, 1)


async def test_a_strategy_also_orders_the_fallbacks(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    route(world, "price")
    vendor.answer = refusing(401)
    await served.catch_up(world)
    (reply,) = await ask(served, key)
    assert (reply.content, reply.headers["x-bursar-model"], reply.headers["x-bursar-attempts"]) == (
        chat_reply(), "big", "2",
    )  # fmt: skip


async def test_a_spare_gets_nothing_while_the_first_answers(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    route(world, "weight")
    world.execute("UPDATE catalog_aliastarget SET weight = 0 WHERE position = 0")
    await served.catch_up(world)
    replies = await ask(served, key, 5)
    assert [reply.headers["x-bursar-model"] for reply in replies] == ["big"] * 5
    assert not vendor.calls


async def test_by_latency_each_is_tried_once_and_then_the_quicker_one_is_asked(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    route(world, "latency")
    await served.catch_up(world)
    first, second = await ask(served, key, 2)
    assert {reply.headers["x-bursar-model"] for reply in (first, second)} == {"tiny", "big"}
    latencies = served.gateway.vendors.router.latencies
    waits = {
        row["upstream_name"]: latencies.seen(row["id"], is_stream=False, at=-math.inf)
        for row in world.rows("SELECT id, upstream_name FROM catalog_deployment")
    }
    quicker = "tiny" if (waits["tiny-2026"] or 0) < (waits["fallback-1"] or 0) else "big"
    (third,) = await ask(served, key)
    assert third.headers["x-bursar-model"] == quicker


class Backwards:
    name = "backwards"
    title = "The last first"

    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        return candidates[::-1]


class Broken(Backwards):
    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        raise ZeroDivisionError


class Silent(Backwards):
    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        return ()


@pytest.mark.parametrize(
    ("strategy", "model"),
    [(Backwards(), "big"), (Broken(), "tiny"), (Silent(), "tiny"), (None, "tiny")],
    ids=["backwards", "raises", "names none", "not installed"],
)
async def test_a_plugins_strategy_is_asked_and_its_faults_cost_nothing(
    served: Served, world: World, other: Vendor, key: str, strategy: RoutingStrategy | None, model: str
) -> None:
    if strategy is not None:
        served.gateway.vendors.router.add(strategy)
    route(world, "backwards")
    await served.catch_up(world)
    (reply,) = await ask(served, key)
    assert (reply.status_code, reply.headers["x-bursar-model"]) == (200, model)


@pytest.mark.parametrize(("days", "is_told"), [(0, True), (90, True), (91, False)])
async def test_a_model_near_its_end_says_so_in_every_answer(
    served: Served, world: World, key: str, days: int, is_told: bool
) -> None:
    world.execute(
        "UPDATE catalog_languagemodel SET successor = 'tiny-2',"
        " retires_on = (clock_timestamp() AT TIME ZONE 'UTC')::date + %s",
        days,
    )
    await served.catch_up(world)
    (reply,) = await ask(served, key)
    assert reply.status_code == 200
    assert [name in reply.headers for name in ("deprecation", "sunset", "x-bursar-successor")] == [is_told] * 3
