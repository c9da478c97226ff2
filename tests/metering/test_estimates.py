"""An estimate settles what was seen and keeps the rest held, through flush, crash, late booking and somebody's word."""

from decimal import Decimal
from typing import Any

import pytest
from psycopg import AsyncConnection

from governance.budgets.hot import BudgetPolicy
from governance.catalog.rating import Rated, RatedLine
from governance.core.errors import BudgetExceeded, BudgetHeld
from governance.metering.attempt import Ending, Hold, Outcome
from governance.metering.operations import release_suspense, settle_suspense
from governance.metering.proof import prove_accounts
from governance.plugin.usage import TokenClass, Usage
from tests.metering.conftest import MakeBooks, World
from tests.metering.test_recovery import die
from tests.metering.test_suspense import ADA, in_django

pytestmark = pytest.mark.django_db(transaction=True)


def estimated(cost: str, *, reason: str = "client_gone") -> Outcome:
    exact = Decimal(cost)
    rated = Rated(
        lines=(RatedLine(TokenClass.INPUT, 10, None, exact),),
        cost_nano=exact,
        charge_nano=int(exact.to_integral_value(rounding="ROUND_CEILING")),
        is_assumed=False,
    )
    usage = Usage(input_tokens=10, output_tokens=0)
    return Outcome(ending=Ending.ESTIMATED, reason=reason, http_status=200, usage=usage, rated=rated)


async def _booked(world: World, make_books: MakeBooks, cost: str = "99.5") -> tuple[BudgetPolicy, Hold]:
    books = await make_books()
    budget = world.add_budget(1_000)
    hold = await books.reserve(world.claim(budget, want=600))
    books.book(hold, estimated(cost))
    await books.close()
    return budget, hold


def _standing(world: World, budget: BudgetPolicy) -> tuple[int, int]:
    account = world.account(budget)
    return account["settled_nano"], account["held_nano"]


def _records(world: World) -> list[dict[str, Any]]:
    return world.rows("SELECT * FROM ledger_usagerecord ORDER BY revision")


async def _is_proved() -> bool:
    return not (await in_django(prove_accounts)).failure_count


async def test_what_was_seen_is_settled_and_the_rest_stays_held(world: World, make_books: MakeBooks) -> None:
    budget, hold = await _booked(world, make_books)
    assert _standing(world, budget) == (100, 500)
    (record,) = _records(world)
    assert (record["attempt_id"], record["charge_nano"], record["reserved_nano"]) == (hold.attempt_id, 100, 600)
    assert (record["is_estimated"], record["outcome"]) == (True, "client_gone")
    (attempt,) = world.rows("SELECT id, held_nano, suspense_reason FROM metering_attempt")
    assert attempt == {"id": hold.attempt_id, "held_nano": 500, "suspense_reason": "client_gone"}
    assert await _is_proved()


async def test_what_is_held_cannot_be_spent_and_neither_can_what_is_settled(
    world: World, make_books: MakeBooks
) -> None:
    budget, _ = await _booked(world, make_books)
    books = await make_books()
    with pytest.raises((BudgetExceeded, BudgetHeld)):
        await books.reserve(world.claim(budget, want=401))
    await books.reserve(world.claim(budget, want=400))
    await books.close()


@pytest.mark.parametrize("cost", ["0", "600", "601"])
async def test_an_estimate_that_leaves_no_rest_proves_nothing(world: World, make_books: MakeBooks, cost: str) -> None:
    budget, _ = await _booked(world, make_books, cost)
    assert _standing(world, budget) == (0, 600)
    assert _records(world) == []


@pytest.mark.parametrize(
    ("cost_nano", "charged", "is_estimated"),
    [(None, 600, True), (250, 250, True), (100, 100, True), (7, 7, True), (0, 0, False), (700, 700, True)],
)
async def test_somebodys_word_says_what_it_cost_in_all(
    world: World, make_books: MakeBooks, cost_nano: int | None, charged: int, is_estimated: bool
) -> None:
    budget, hold = await _booked(world, make_books)
    asked = {"attempt_id": hold.attempt_id, "actor": ADA, "reason": "on the invoice"}
    if cost_nano == 0:
        await in_django(release_suspense, **asked)
    else:
        await in_django(settle_suspense, cost_nano=cost_nano, **asked)
    assert _standing(world, budget) == (charged, 0)
    first, second = _records(world)
    assert first["charge_nano"] + second["charge_nano"] == charged
    assert first["cost_nano"] + second["cost_nano"] == charged
    assert (second["is_estimated"], second["reserved_nano"]) == (is_estimated, 0)
    assert second["outcome"] == ("suspense_settled" if charged else "suspense_released")
    assert world.rows("SELECT * FROM metering_attempt") == []
    overruns = world.rows("SELECT reserved_nano, charge_nano FROM metering_overrun")
    assert overruns == ([{"reserved_nano": 600, "charge_nano": 700}] if charged > 600 else [])
    kinds = world.rows("SELECT kind, reason FROM ledger_entry ORDER BY id")
    assert kinds[1:] == [{"kind": "true_up", "reason": "on the invoice"}]
    assert await _is_proved()


async def test_a_process_that_dies_after_the_estimate_leaves_both_halves(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(1_000)
    hold = await books.reserve(world.claim(budget, want=600))
    books.book(hold, estimated("99.5"))
    die(books)
    heir = await make_books()
    assert _standing(world, budget) == (100, 500)
    assert await _is_proved()
    await heir.close()


async def test_an_estimate_that_cannot_be_booked_is_held_in_full(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(1_000)
    hold = await books.reserve(world.claim(budget, want=600))
    books.book(hold, _unbookable())
    await books.close()
    assert _standing(world, budget) == (0, 600)
    assert _records(world) == []


async def test_an_unbookable_estimate_of_the_dead_is_held_in_full(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    budget = world.add_budget(1_000)
    hold = await books.reserve(world.claim(budget, want=600))
    books.book(hold, _unbookable())
    die(books)
    heir = await make_books()
    assert _standing(world, budget) == (0, 600)
    assert await _is_proved()
    await heir.close()


async def test_an_estimate_of_an_epoch_that_was_given_up_is_held_in_full(
    world: World, make_books: MakeBooks, database_urls: dict[str, str]
) -> None:
    books = await make_books()
    budget = world.add_budget(1_000_000)
    early = await books.reserve(world.claim(budget, want=300))
    late = await books.reserve(world.claim(budget, want=300))
    books.book(early, estimated("50"))
    async with await AsyncConnection.connect(database_urls["gateway"], autocommit=True) as connection:
        await connection.execute("SELECT metering_lose(%s)", (books._session.epoch,))
    books._session.is_in_doubt = True
    await books._session.resolve_doubt()
    books.book(late, estimated("60"))
    await books.close()
    held = world.rows("SELECT held_nano FROM metering_attempt")
    assert (held, _records(world)) == ([{"held_nano": 300}] * 2, [])
    assert world.account(budget)["held_nano"] >= 600


def _unbookable() -> Outcome:
    """An estimate whose count no column can hold."""
    whole = estimated("99.5")
    assert whole.rated is not None
    line = RatedLine(TokenClass.INPUT, 2**70, None, Decimal("99.5"))
    rated = Rated(lines=(line,), cost_nano=Decimal("99.5"), charge_nano=100, is_assumed=False)
    return Outcome(ending=Ending.ESTIMATED, reason="client_gone", http_status=200, rated=rated)
