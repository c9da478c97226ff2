"""Rate limits over a real database: several processes, one amount."""

import asyncio
import random
from collections.abc import Iterable

import pytest

from governance.core.errors import GovernanceUnavailable, RateLimited, RequestBeyondRateLimit
from governance.metering.leased import LeasedBooks
from governance.metering.rates import Admission, RateClaim
from governance.policy.rate_limit import Counts, RateLimitPolicy
from tests.gateway.world import eventually
from tests.metering.conftest import MakeBooks, World
from tests.metering.test_leases import database_away

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = 10**9


def claim(*limits: RateLimitPolicy, want: int = 100, least: int | None = None) -> RateClaim:
    ordered = tuple(sorted(limits, key=lambda limit: limit.id))
    return RateClaim(limits=ordered, want_tokens=want, least_tokens=want if least is None else least)


async def flood(books: Iterable[LeasedBooks], asked: RateClaim, *, each: int) -> list[tuple[LeasedBooks, Admission]]:
    """Ask in all processes at once; return what was admitted."""

    async def ask(one: LeasedBooks) -> tuple[LeasedBooks, Admission] | None:
        try:
            return one, await one.rates.admit(asked)
        except RateLimited:
            return None

    answers = await asyncio.gather(*(ask(one) for one in books for _ in range(each)))
    return [answer for answer in answers if answer is not None]


async def test_processes_together_admit_the_amount_and_no_more(world: World, make_books: MakeBooks) -> None:
    books = [await make_books() for _ in range(4)]
    limit = world.add_rate_limit(37)
    admitted = await flood(books, claim(limit), each=20)
    assert len(admitted) == 37
    assert world.taken(limit) == 37
    for one in books:
        await one.close()


async def test_tokens_of_many_processes_dying_and_losing_never_exceed_the_amount(
    world: World, make_books: MakeBooks
) -> None:
    limit, dice = world.add_rate_limit(20_000, Counts.TOKENS), random.Random(7)
    books, used = [await make_books() for _ in range(3)], 0
    for number in range(12):
        for one, admission in await flood(books, claim(limit, want=300, least=50), each=6):
            assert admission.tokens is not None and 50 <= admission.tokens <= 300
            spent = dice.randrange(admission.tokens + 1)
            one.rates.settle(admission, tokens=spent, was_sent=True)
            used += spent
        assert used <= world.taken(limit) <= 20_000
        if number % 3 == 2:  # one is gone, with what it had in hand
            books[number % len(books)] = await make_books()
    assert used > 5_000


async def test_everything_idle_returns(world: World, make_books: MakeBooks) -> None:
    books = [await make_books() for _ in range(2)]
    tokens, permits = world.add_rate_limit(10**6, Counts.TOKENS), world.add_rate_limit(50, Counts.CONCURRENT)
    admitted = await flood(books, claim(tokens, permits), each=10)
    assert (len(admitted), world.taken(permits) >= 20) == (20, True)
    for one, admission in admitted:
        one.rates.settle(admission, tokens=7, was_sent=True)
    await eventually(lambda: True if (world.taken(tokens), world.taken(permits)) == (140, 0) else None)


async def test_all_limits_or_none(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    wide, narrow = world.add_rate_limit(100), world.add_rate_limit(1)
    await books.rates.admit(claim(narrow))
    with pytest.raises(RateLimited, match="limit 1"):
        await books.rates.admit(claim(wide, narrow))
    await books.rates.close()
    assert (world.taken(wide), world.taken(narrow)) == (0, 1)


async def test_processes_that_ask_several_limits_at_once_never_wait_for_each_other_for_ever(
    world: World, make_books: MakeBooks
) -> None:
    books = [await make_books() for _ in range(3)]
    first, second, third = (world.add_rate_limit(1000) for _ in range(3))
    pairs = [(first, second), (second, third), (third, first)]
    for _ in range(5):
        admitted = await asyncio.gather(
            *(one.rates.admit(claim(*pair)) for one in books for pair in pairs for _ in range(4))
        )
        assert len(admitted) == 36
    for one in books:
        await one.close()
    assert [world.taken(limit) for limit in (first, second, third)] == [120, 120, 120]


async def test_no_more_requests_run_at_once_in_all_living_processes_than_allowed(
    world: World, make_books: MakeBooks
) -> None:
    books = [await make_books() for _ in range(3)]
    limit = world.add_rate_limit(5, Counts.CONCURRENT)
    admitted = await flood(books, claim(limit), each=5)
    assert len(admitted) == 5
    ended, admission = admitted[0]
    ended.rates.settle(admission, tokens=None, was_sent=True)
    other = next(one for one in books if one is not ended)

    async def is_admitted() -> bool:
        return bool(await flood([other], claim(limit), each=1))

    async with asyncio.timeout(10):
        while not await is_admitted():  # noqa: ASYNC110 - what comes back to the database sets no event
            await asyncio.sleep(0.02)
    assert world.taken(limit) == 5


async def test_a_permit_that_comes_back_is_used_again_at_once(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    limit = world.add_rate_limit(1, Counts.CONCURRENT)
    for _ in range(5):
        admission = await books.rates.admit(claim(limit))
        with pytest.raises(RateLimited, match="as many are running"):
            await books.rates.admit(claim(limit))
        books.rates.settle(admission, tokens=None, was_sent=True)


async def test_permits_of_a_process_that_is_fenced_or_dead_count_no_more(world: World, make_books: MakeBooks) -> None:
    silent, other = await make_books(), await make_books()
    limit = world.add_rate_limit(2, Counts.CONCURRENT)
    held = await flood([silent], claim(limit), each=2)
    with pytest.raises(RateLimited):
        await other.rates.admit(claim(limit))
    world.owner.execute(
        "UPDATE metering_worker SET state = 'fenced' WHERE epoch = (SELECT min(epoch) FROM metering_worker)"
    )
    await eventually(lambda: True if world.rows("SELECT 1 FROM metering_worker WHERE state = 'dead'") else None)
    assert len(await flood([other], claim(limit), each=3)) == 2
    for one, admission in held:
        one.rates.settle(admission, tokens=None, was_sent=True)
    assert await flood([silent], claim(limit), each=2) == []
    await silent.close()
    assert world.taken(limit) == 2


async def test_what_was_taken_in_another_window_does_not_count(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    limit = world.add_rate_limit(10)
    assert len(await flood([books], claim(limit), each=12)) == 10
    await books.close()
    world.owner.execute("UPDATE metering_allowance SET window_starts_at = window_starts_at - interval '1 day'")
    assert len(await flood([await make_books()], claim(limit), each=12)) == 10
    assert world.taken(limit) == 10


async def test_what_comes_back_after_its_window_is_not_added_to_the_next(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    limit = world.add_rate_limit(1000, Counts.TOKENS)
    before = await books.rates.admit(claim(limit, want=800))
    # The next day has begun, as far as the database knows; its windows never go back.
    world.owner.execute(
        "UPDATE metering_allowance SET window_starts_at = window_starts_at + interval '1 day', taken = 0"
    )
    after = await books.rates.admit(claim(limit, want=900))
    books.rates.settle(before, tokens=0, was_sent=True)
    books.rates.settle(after, tokens=900, was_sent=True)
    with pytest.raises(RateLimited, match="100 are left"):
        await books.rates.admit(claim(limit, want=200))
    await books.close()
    assert world.taken(limit) == 900


async def test_what_is_in_hand_serves_while_the_database_is_away(
    world: World, make_books: MakeBooks, database_urls: dict[str, str]
) -> None:
    books = await make_books()
    limit = world.add_rate_limit(LARGE)
    for _ in range(40):
        await books.rates.admit(claim(limit))
    with database_away(world, database_urls["gateway"]):
        await books.rates.admit(claim(limit))
        with pytest.raises(GovernanceUnavailable):
            for _ in range(100):
                await books.rates.admit(claim(limit))

    async def is_served() -> bool:
        try:
            await books.rates.admit(claim(limit))
        except GovernanceUnavailable:
            return False
        return True

    async with asyncio.timeout(20):
        while not await is_served():  # noqa: ASYNC110 - the database's return sets no event
            await asyncio.sleep(0.05)


async def test_a_steady_stream_of_requests_seldom_asks_the_database(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    limits = world.add_rate_limit(LARGE), world.add_rate_limit(LARGE, Counts.CONCURRENT)
    for _ in range(1000):
        admission = await books.rates.admit(claim(*limits))
        books.rates.settle(admission, tokens=None, was_sent=True)
    (row,) = world.rows(
        "SELECT max(t.sequence) AS questions FROM metering_allotment t JOIN metering_allowance a"
        " ON a.id = t.allowance_id WHERE a.rate_limit_id = %s",
        limits[0].id,
    )
    assert row["questions"] <= 50


async def test_a_refusal_says_what_is_left_and_when_to_come_again(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    limit = world.add_rate_limit(1000, Counts.TOKENS)
    await books.rates.admit(claim(limit, want=800))
    for _ in range(2):  # the second one is remembered
        with pytest.raises(RateLimited) as refused:
            await books.rates.admit(claim(limit, want=400))
        assert "'limit 0' (team default) allows 1,000 tokens per day. 200 are left" in refused.value.message
        assert "can use up to 400. It resets at" in refused.value.message
        assert refused.value.counts == "tokens"
        assert 1 <= (refused.value.retry_after_seconds or 0) <= 86_400
    with pytest.raises(RequestBeyondRateLimit, match="1,001"):
        await books.rates.admit(claim(limit, want=1001))


async def test_a_client_that_goes_while_it_waits_leaves_nothing_taken(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    limit = world.add_rate_limit(3, Counts.CONCURRENT)
    waiting = [asyncio.create_task(books.rates.admit(claim(limit))) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await eventually(lambda: True if world.taken(limit) == 0 else None)
    assert len(await flood([books], claim(limit), each=4)) == 3
