"""Leases over a real database: what is served without asking it, who gives back, and what a lost answer leaves."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psycopg
import pytest

from governance.budgets.hot import BudgetPolicy
from governance.core.errors import BudgetExceeded, BudgetHeld, GovernanceUnavailable
from governance.metering.attempt import Outcome
from governance.metering.leased import LeasedBooks
from tests.gateway.world import eventually
from tests.metering.conftest import MakeBooks, World
from tests.metering.outcomes import RELEASED, UNKNOWN, settled

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = 10**12


def leased(world: World, budget: BudgetPolicy) -> list[int]:
    """Return the leases on the budget's account, in nano-USD."""
    rows = world.rows(
        "SELECT amount_nano FROM metering_lease WHERE account_id = %s ORDER BY epoch", world.account(budget)["id"]
    )
    return [row["amount_nano"] for row in rows]


async def at_rest(world: World, budget: BudgetPolicy) -> dict[str, int]:
    return await eventually(lambda: found if (found := world.account(budget))["held_nano"] == 0 else None, seconds=20)


async def grow(world: World, books: LeasedBooks, budget: BudgetPolicy, *, calls: int = 12) -> None:
    """Make calls until the process has a lease that is larger than a call."""
    for _ in range(calls):
        books.book(await books.reserve(world.claim(budget, want=1000)), settled("900"))


async def test_a_lease_in_hand_pays_while_the_database_is_away(
    world: World, make_books: MakeBooks, database_urls: dict[str, str]
) -> None:
    books = await make_books()
    budget = world.add_budget(LARGE)
    await grow(world, books, budget)
    with database_away(world, database_urls["gateway"]):
        hold = await books.reserve(world.claim(budget, want=1000))
        books.book(hold, settled("900"))
        with pytest.raises(GovernanceUnavailable):
            await books.reserve(world.claim(budget, want=LARGE // 2))
    await books.close()
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (13 * 900, 0)


async def test_after_the_database_was_away_everything_goes_on(
    world: World, make_books: MakeBooks, database_urls: dict[str, str]
) -> None:
    books = await make_books()
    budget = world.add_budget(LARGE)
    await grow(world, books, budget)
    with database_away(world, database_urls["gateway"]), pytest.raises(GovernanceUnavailable):
        await books.reserve(world.claim(budget, want=LARGE // 2))

    async def is_served() -> bool:
        try:
            books.book(await books.reserve(world.claim(budget, want=LARGE // 2)), RELEASED)
        except GovernanceUnavailable:
            return False
        return True

    async with asyncio.timeout(20):
        while not await is_served():  # noqa: ASYNC110 - the database's return sets no event
            await asyncio.sleep(0.05)
    await at_rest(world, budget)


async def test_an_idle_lease_goes_back_by_itself(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(LARGE)
    await grow(world, books, budget)
    account = await at_rest(world, budget)
    assert account["settled_nano"] == 12 * 900


async def test_what_lies_idle_in_one_process_comes_back_for_another(world: World, make_books: MakeBooks) -> None:
    first, second = await make_books(), await make_books()
    budget = world.add_budget(400_000)
    await grow(world, first, budget)
    left = 400_000 - 12 * 900
    hold = await second.reserve(world.claim(budget, want=left))
    assert hold.granted_nano == left
    second.book(hold, settled(str(left)))
    await first.close()
    await second.close()
    assert world.account(budget)["settled_nano"] == 400_000


async def test_what_lies_idle_in_a_lease_is_a_small_share_of_the_limit(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(20_000_000)
    most = 0.0
    for _ in range(500):
        await grow(world, books, budget, calls=4)
        most = max(most, books.gauges()["bursar_leased_idle_nano_usd"])
    await books.close()
    assert 10_000 < most <= 20_000_000 // 200 + 1_000


async def test_small_budgets_are_lent_call_by_call_and_given_back_at_once(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(5_000)
    hold = await books.reserve(world.claim(budget, want=1_000))
    assert leased(world, budget) == [1_000]
    books.book(hold, settled("400"))
    assert (await at_rest(world, budget))["settled_nano"] == 400


async def test_thirty_two_claims_at_once_on_one_account_never_hold_more_than_the_limit(
    world: World, make_books: MakeBooks
) -> None:
    books = [await make_books() for _ in range(4)]
    budget = world.add_budget(10_000)
    answers = await asyncio.gather(
        *(books[number % 4].reserve(world.claim(budget, want=1_000)) for number in range(32)), return_exceptions=True
    )
    holds = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(holds) == 10
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} == {BudgetHeld}
    account = world.account(budget)
    assert account["held_nano"] == 10_000


async def test_a_lowered_limit_refuses_and_loses_no_hold(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(10_000)
    hold = await books.reserve(world.claim(budget, want=6_000))
    world.owner.execute("UPDATE budgets_account SET limit_nano = 1000 WHERE budget_id = %s", (budget.id,))
    with pytest.raises(BudgetExceeded):
        await books.reserve(world.claim(budget, want=2_000))
    books.book(hold, settled("5000"))
    assert (await at_rest(world, budget))["settled_nano"] == 5_000


async def test_a_silent_process_is_fenced_succeeds_itself_and_keeps_its_leases(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(LARGE)
    hold = await books.reserve(world.claim(budget, want=1_000))
    world.owner.execute("UPDATE metering_worker SET state = 'fenced' WHERE state = 'alive'")
    before = world.account(budget)
    assert world.rows("SELECT metering_flush(epoch, 99, '{}', '[]', '{}', '{}', '[]') AS at FROM metering_worker") == [
        {"at": None}
    ]
    books.book(hold, settled("700"))
    account = await at_rest(world, budget)
    assert before["held_nano"] > 0
    assert account["settled_nano"] == 700
    assert [row["state"] for row in world.rows("SELECT state FROM metering_worker ORDER BY epoch")] == ["dead", "alive"]


async def test_an_epoch_given_up_under_a_living_process_still_gets_its_facts_booked_once(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(LARGE)
    first = await books.reserve(world.claim(budget, want=1_000))
    second = await books.reserve(world.claim(budget, want=1_000))
    unknown = await books.reserve(world.claim(budget, want=1_000))
    world.rows("SELECT metering_lose(epoch) FROM metering_worker")
    world.rows("SELECT metering_release_lost(epoch) FROM metering_worker")
    assert world.account(budget)["held_nano"] == 0
    books.book(first, settled("700"))
    books.book(unknown, UNKNOWN)
    await eventually(lambda: True if len(world.rows("SELECT 1 FROM ledger_usagerecord")) == 1 else None)
    books.book(second, settled("300"))
    await books.close()
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (1_000, 1_000)
    assert len(world.rows("SELECT * FROM metering_attempt")) == 1


async def test_an_outcome_that_the_database_refuses_does_not_hold_up_the_others(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(LARGE)
    holds = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(3)]
    books.book(holds[0], settled("100"))
    books.book(holds[1], settled_as_no_database_keeps())
    books.book(holds[2], settled("200"))
    await books.close()
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (300, 1_000)
    assert world.rows("SELECT suspense_reason FROM metering_attempt") == [{"suspense_reason": "outcome_unbookable"}]


def settled_as_no_database_keeps() -> Outcome:
    return msgspec.structs.replace(settled("100"), raw_usage=b'{"x":"\\u0000"}')


@contextmanager
def database_away(world: World, gateway_url: str) -> Iterator[None]:
    """No connection of a gateway stands, and none can be made: as while the server restarts."""
    name = psycopg.sql.Identifier(world.rows("SELECT current_database() AS name")[0]["name"])
    allow = psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    owner = world.owner.info
    with (
        psycopg.connect(owner.dsn, dbname="postgres", password=owner.password, autocommit=True) as elsewhere,
        psycopg.connect(gateway_url, autocommit=True) as gateway,
    ):
        elsewhere.execute(allow.format(name, psycopg.sql.SQL("false")))
        try:
            gateway.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )
            yield
        finally:
            elsewhere.execute(allow.format(name, psycopg.sql.SQL("true")))
