"""Reservations that outlive their process: held in the database whole, and settled line by line."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from psycopg_pool import AsyncConnectionPool

from governance.budgets.hot import BudgetPolicy
from governance.core.errors import BudgetExceeded, BudgetHeld, BursarError
from governance.metering import durable
from governance.metering.attempt import Ending, Outcome
from governance.metering.durable import DurableBooks, DurableClaim, Line
from governance.metering.outcomes import NO_CHARGE
from governance.metering.proof import prove_accounts
from governance.metering.queries import count_durable_of, suspense
from tests.metering.conftest import MakeBooks, World
from tests.metering.outcomes import settled
from tests.metering.test_suspense import in_django

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def pool(database_urls: dict[str, str]) -> AsyncIterator[durable.Pool]:
    async with AsyncConnectionPool(
        database_urls["gateway"], min_size=1, max_size=4, open=False, kwargs={"autocommit": True}
    ) as opened:
        yield opened


@pytest.fixture
async def worker(database_urls: dict[str, str]) -> AsyncIterator[durable.Connection]:
    async with await durable.Connection.connect(database_urls["worker"], autocommit=True) as connection:
        yield connection


def job(world: World, *budgets: BudgetPolicy, **lines: int) -> DurableClaim:
    return DurableClaim(
        claim=world.claim(*budgets, want=sum(lines.values())),
        lines=[Line(name, uuid4(), amount) for name, amount in lines.items()],
    )


def balance(world: World, budget: BudgetPolicy) -> tuple[int, int]:
    account = world.account(budget)
    return account["settled_nano"], account["held_nano"]


def id_of(claim: DurableClaim) -> UUID:
    return claim.claim.attempt_id


async def test_a_job_is_held_whole_and_leaves_line_by_line(
    world: World, pool: durable.Pool, worker: durable.Connection
) -> None:
    wide, narrow = world.add_budget(5_000), world.add_budget(1_000)
    claim = job(world, wide, narrow, a=500, b=300, c=100, d=100)
    admitted_at = await DurableBooks(pool=pool).reserve(claim)
    assert balance(world, wide) == balance(world, narrow) == (0, 1_000)
    free = Outcome(ending=Ending.SETTLED, reason="canceled", rated=NO_CHARGE)
    unknown = Outcome(ending=Ending.SUSPENSE, reason="usage_unreadable")
    assert await durable.settle(worker, id_of(claim), [("a", settled("400")), ("b", unknown), ("c", free)]) == 3
    assert balance(world, wide) == balance(world, narrow) == (400, 400)
    assert await durable.settle(worker, id_of(claim), [("c", free), ("a", settled("1")), ("x", free)]) == 0
    assert await durable.end(worker, id_of(claim), Outcome(ending=Ending.SUSPENSE, reason="line_missing")) == 100
    assert balance(world, wide) == balance(world, narrow) == (400, 400)
    records = world.rows(
        "SELECT charge_nano, reserved_nano, admitted_at, request_id, epoch FROM ledger_usagerecord ORDER BY 1 DESC"
    )
    assert [(row["charge_nano"], row["reserved_nano"]) for row in records] == [(400, 500), (0, 100)]
    assert {(row["admitted_at"], row["request_id"], row["epoch"]) for row in records} == {
        (admitted_at, claim.claim.request_id, 0)
    }
    held = await in_django(lambda: list(suspense(organisation_id=world.attribution.organisation_id)))
    reasons = {each.suspense_reason: each.held_nano for each in held}
    assert reasons == {"usage_unreadable": 300, "line_missing": 100}
    assert (await in_django(prove_accounts)).failures == ()


async def test_a_job_that_does_not_fit_holds_nothing(world: World, pool: durable.Pool) -> None:
    budget, books = world.add_budget(1_000), DurableBooks(pool=pool)
    with pytest.raises(BudgetExceeded, match=r"can cost up to 0\.000001001 USD"):
        await books.reserve(job(world, budget, a=600, b=401))
    await books.reserve(job(world, budget, a=600))
    with pytest.raises(BudgetHeld, match="are held for requests in flight"):
        await books.reserve(job(world, budget, a=401))
    assert balance(world, budget) == (0, 600)
    assert world.rows("SELECT count(*) AS jobs FROM metering_durablereservation") == [{"jobs": 1}]


async def test_of_many_jobs_at_once_those_that_fit_are_held(world: World, pool: durable.Pool) -> None:
    budget, books = world.add_budget(1_000), DurableBooks(pool=pool)
    claims = [job(world, budget, a=150, b=150) for _ in range(8)]
    answers = await asyncio.gather(*map(books.reserve, claims), return_exceptions=True)
    assert sum(isinstance(answer, datetime) for answer in answers) == 3
    assert all(isinstance(answer, datetime | BursarError) for answer in answers)
    assert balance(world, budget) == (0, 900)


async def test_what_lies_idle_in_a_process_comes_back_for_a_job(
    world: World, pool: durable.Pool, make_books: MakeBooks
) -> None:
    budget, books = world.add_budget(1_000_000), await make_books()
    hold = await books.reserve(world.claim(budget, want=100))
    books.book(hold, Outcome(ending=Ending.RELEASED, reason="not_sent"))
    assert balance(world, budget)[1] > 0
    await DurableBooks(pool=pool).reserve(job(world, budget, a=1_000_000))
    assert balance(world, budget) == (0, 1_000_000)
    await books.close()


async def test_a_job_whose_process_is_gone_is_given_back_only_by_proof(
    world: World, pool: durable.Pool, make_books: MakeBooks
) -> None:
    budget, books = world.add_budget(1_000), await make_books()
    claim = job(world, budget, a=700)
    at = await DurableBooks(pool=pool).reserve(claim)
    await books.close()
    assert balance(world, budget) == (0, 700)
    assert await in_django(lambda: count_durable_of(day=at.astimezone(UTC).date())) == 1
    await DurableBooks(pool=pool).release(id_of(claim), reason="not_sent")
    assert balance(world, budget) == (0, 0)
    assert await in_django(lambda: count_durable_of(day=at.astimezone(UTC).date())) == 0
    assert (await in_django(prove_accounts)).failures == ()
