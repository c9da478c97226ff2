"""Books over a real database: what is admitted, what is refused, what is booked."""

import asyncio
from decimal import Decimal

import pytest

from governance.core.errors import BudgetExceeded, BudgetHeld
from governance.core.windows import WindowKind
from governance.metering.attempt import Ending, Outcome
from governance.metering.outgoing import LARGEST_BATCH
from tests.metering.conftest import MakeBooks, World
from tests.metering.outcomes import settled

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_reservation_is_held_on_every_budget_and_settling_gives_the_rest_back(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    team, key = world.add_budget(1_000), world.add_budget(500)
    hold = await books.reserve(world.claim(team, key, want=400))
    assert [world.account(budget)["held_nano"] for budget in (team, key)] == [400, 400]

    books.book(hold, settled("149.5"))
    await books.close()

    for budget in (team, key):
        account = world.account(budget)
        assert (account["settled_nano"], account["held_nano"]) == (150, 0)
    (record,) = world.rows("SELECT * FROM ledger_usagerecord")
    assert record["attempt_id"] == hold.attempt_id
    assert (record["cost_nano"], record["charge_nano"], record["reserved_nano"]) == (Decimal("149.5"), 150, 400)
    assert record["tags"] == {"feature": "search"}
    assert world.rows("SELECT * FROM metering_attempt") == []


async def test_postings_balance_and_the_rounding_of_a_batch_has_its_own_account(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(10_000)
    for cost in ("1.25", "1.25", "1.25"):
        books.book(await books.reserve(world.claim(budget, want=10)), settled(cost))
    await books.close()
    amounts = world.rows(
        "SELECT kind, sum(amount_nano) AS amount FROM ledger_posting p"
        " JOIN ledger_ledgeraccount a ON a.id = p.account_id GROUP BY kind ORDER BY kind"
    )
    assert {row["kind"]: row["amount"] for row in amounts} == {
        "cost_centre_expense": 6,
        "provider_payable": -4,
        "rounding": -2,
    }


async def test_a_budget_can_be_used_up_to_the_last_call_that_fits_and_no_further(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(1_000)
    for _ in range(10):
        books.book(await books.reserve(world.claim(budget, want=100)), settled("100"))
    with pytest.raises(BudgetExceeded) as refusal:
        await books.reserve(world.claim(budget, want=100))
    await books.close()
    assert world.account(budget)["settled_nano"] == 1_000
    assert "'budget 0' (team default) has 0.00 USD left of 0.000001 USD" in refusal.value.message
    assert "It resets at" in refusal.value.message


async def test_money_in_flight_is_another_refusal_than_money_spent(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(100)
    hold = await books.reserve(world.claim(budget, want=80))
    with pytest.raises(BudgetHeld) as refusal:
        await books.reserve(world.claim(budget, want=80))
    assert refusal.value.retry_after_seconds == 1
    books.book(hold, settled("10"))
    assert (await books.reserve(world.claim(budget, want=80))).granted_nano == 80


async def test_less_than_wanted_is_granted_where_the_maximum_may_be_lowered(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    team, key = world.add_budget(100), world.add_budget(1_000)
    hold = await books.reserve(world.claim(team, key, want=500, least=50))
    assert hold.granted_nano == 100
    books.book(hold, settled("100"))
    await books.close()
    assert [world.account(budget)["held_nano"] for budget in (team, key)] == [0, 0]


async def test_a_soft_budget_counts_and_never_refuses(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(10, enforcement="soft")
    books.book(await books.reserve(world.claim(budget, want=500)), settled("400"))
    await books.close()
    assert world.account(budget)["settled_nano"] == 400


async def test_a_refusal_holds_nothing_on_any_budget_of_the_path(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    rich, poor = world.add_budget(1_000), world.add_budget(10)
    with pytest.raises(BudgetExceeded):
        await books.reserve(world.claim(rich, poor, want=100))
    assert [world.account(budget)["held_nano"] for budget in (rich, poor)] == [0, 0]
    assert world.rows("SELECT * FROM metering_attempt") == []


async def test_two_hundred_claims_from_two_processes_on_a_budget_for_ten_admit_ten(
    world: World, make_books: MakeBooks
) -> None:
    first, second = await make_books(), await make_books()
    budget = world.add_budget(1_000)
    books = [first, second] * 100
    answers = await asyncio.gather(
        *(each.reserve(world.claim(budget, want=100)) for each in books), return_exceptions=True
    )
    granted = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(granted) == 10
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} == {BudgetHeld}
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (0, 1_000)


async def test_an_unknown_outcome_keeps_its_money(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(100)
    hold = await books.reserve(world.claim(budget, want=60))
    books.book(hold, Outcome(ending=Ending.SUSPENSE, reason="provider_timed_out"))
    await books.close()
    assert world.account(budget)["held_nano"] == 60
    assert world.rows("SELECT suspense_reason FROM metering_attempt") == [{"suspense_reason": "provider_timed_out"}]


async def test_an_attempt_that_never_reached_the_vendor_gives_everything_back(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(100)
    hold = await books.reserve(world.claim(budget, want=60))
    books.book(hold, Outcome(ending=Ending.RELEASED, reason="provider_unavailable"))
    await books.close()
    assert (world.account(budget)["held_nano"], world.account(budget)["settled_nano"]) == (0, 0)
    assert world.rows("SELECT * FROM ledger_usagerecord") == []


async def test_a_flush_sent_twice_counts_once(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(1_000)
    hold = await books.reserve(world.claim(budget, want=100))
    books.book(hold, settled("30"))
    books.book(hold, settled("30"))
    await books.close()
    assert world.account(budget)["settled_nano"] == 30
    assert len(world.rows("SELECT * FROM ledger_usagerecord")) == 1


async def test_a_settlement_above_its_reservation_is_recorded_as_an_overrun(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(1_000)
    books.book(await books.reserve(world.claim(budget, want=100)), settled("130"))
    await books.close()
    assert world.account(budget)["settled_nano"] == 130
    (overrun,) = world.rows("SELECT reserved_nano, charge_nano FROM metering_overrun")
    assert overrun == {"reserved_nano": 100, "charge_nano": 130}


async def test_the_next_period_has_an_account_of_its_own(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(100, window=WindowKind.DAY)
    await books.reserve(world.claim(budget, want=100))
    world.rows(
        "UPDATE budgets_account SET starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 day'"
        " RETURNING 1"
    )
    assert (await books.reserve(world.claim(budget, want=100))).granted_nano == 100
    assert len(world.rows("SELECT * FROM budgets_account WHERE budget_id = %s", budget.id)) == 2


async def test_what_is_booked_during_a_flush_waits_for_the_next_one(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(10_000_000)
    first, second = [await books.reserve(world.claim(budget, want=10)) for _ in range(2)]
    books.book(first, settled("3"))
    flush = asyncio.create_task(books._flush())
    await asyncio.sleep(0)  # the batch is on its way
    books.book(second, settled("4"))
    await flush
    assert books.pending() == 1
    assert world.account(budget)["settled_nano"] == 3


async def test_closing_books_everything_in_as_many_batches_as_it_takes(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(100_000_000)
    count = LARGEST_BATCH + 50
    holds = [await books.reserve(world.claim(budget, want=10)) for _ in range(count)]
    for hold in holds:
        books.book(hold, settled("3"))
    await books.close()
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (3 * count, 0)
    assert world.rows("SELECT count(*) AS records FROM ledger_usagerecord") == [{"records": count}]
