"""A lowered limit takes hold as soon as money in flight allows: what lies idle in processes goes back at once."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from governance.audit.operations import Actor
from governance.budgets import increases, operations
from governance.budgets.hot import BudgetPolicy
from governance.budgets.increases import NewIncrease
from governance.core.errors import BudgetExceeded, BudgetHeld
from governance.metering.leases import Lease
from governance.metering.refusals import LONGEST_RETRY_SECONDS, seconds_until_money
from tests.gateway.world import eventually
from tests.metering.conftest import MakeBooks, World
from tests.metering.outcomes import RELEASED, settled
from tests.metering.test_suspense import in_django

pytestmark = pytest.mark.django_db(transaction=True)

ADA = Actor(name="ada@example.org")
LIMIT = 10**9


def _held(world: World, budget: BudgetPolicy, nano: int) -> bool | None:
    return world.account(budget)["held_nano"] == nano or None


async def test_a_lowered_limit_brings_idle_money_back_and_nothing_more_is_lent(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(LIMIT)
    released, hold = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(2)]
    books.book(released, RELEASED)
    assert world.account(budget)["held_nano"] > 2_000
    await in_django(operations.change_limit, actor=ADA, budget_id=budget.id, limit_nano=500)
    await eventually(lambda: _held(world, budget, 1_000))
    with pytest.raises(BudgetHeld):
        await books.reserve(world.claim(budget, want=100))
    books.book(hold, settled("450"))
    await eventually(lambda: _held(world, budget, 0))
    with pytest.raises(BudgetExceeded):
        await books.reserve(world.claim(budget, want=100))
    assert (await books.reserve(world.claim(budget, want=50))).granted_nano == 50
    await books.close()


async def test_money_that_comes_free_under_a_lowered_limit_is_not_lent_again(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(LIMIT)
    holds = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(2)]
    await in_django(operations.change_limit, actor=ADA, budget_id=budget.id, limit_nano=1_000)
    await eventually(lambda: _held(world, budget, 2_000))
    books.book(holds[0], settled("100"))
    with pytest.raises(BudgetHeld):
        await books.reserve(world.claim(budget, want=500))
    await books.close()
    assert world.account(budget)["settled_nano"] == 100


async def test_a_limit_that_is_lowered_and_still_ample_is_lent_of_as_before(
    world: World, make_books: MakeBooks
) -> None:
    books = await make_books()
    budget = world.add_budget(LIMIT)
    books.book(await books.reserve(world.claim(budget, want=1_000)), settled("100"))
    await in_django(operations.change_limit, actor=ADA, budget_id=budget.id, limit_nano=LIMIT // 2)
    await eventually(lambda: _held(world, budget, 0))
    (lease,) = books._session.in_hand
    assert lease.is_over
    assert (await books.reserve(world.claim(budget, want=1_000))).granted_nano == 1_000
    assert not lease.is_over
    await books.close()


@pytest.mark.parametrize("ends", ["withdrawn", "by itself"])
async def test_the_end_of_an_increase_brings_idle_money_back(world: World, make_books: MakeBooks, ends: str) -> None:
    books = await make_books()
    budget = world.add_budget(2_000)
    await books.reserve(world.claim(budget, want=1_000))
    now = datetime.now(UTC)
    new = NewIncrease(
        budget_id=budget.id, amount_nano=LIMIT, starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=1)
    )
    increase = await in_django(increases.give, actor=ADA, new=new, at=now)
    await books.reserve(world.claim(budget, want=5_000))
    await books.reserve(world.claim(budget, want=5_000))
    assert world.account(budget)["held_nano"] > 11_000
    if ends == "withdrawn":
        await in_django(increases.withdraw, actor=ADA, increase_id=increase.pk)
    else:
        world.owner.execute("UPDATE budgets_increase SET ends_at = clock_timestamp()")
        await books._recover()
    await eventually(lambda: _held(world, budget, 11_000))
    await books.close()


def test_the_wait_is_until_the_oldest_reservation_is_expected_to_end() -> None:
    lease, other = (Lease(number, starts_at=0, ends_at=10**6, at=0) for number in (1, 2))
    lease.lasting = 20.0

    def reservation(at: float, *path: Lease) -> SimpleNamespace:
        return SimpleNamespace(path=path, hold=SimpleNamespace(admitted_at=datetime.fromtimestamp(at, UTC)))

    open_ones = [reservation(80, other), reservation(95, lease, other), reservation(99, lease)]
    assert seconds_until_money(open_ones, lease, at=100) == 15  # type: ignore[arg-type]
    assert seconds_until_money(open_ones, lease, at=130) == 1  # type: ignore[arg-type]
    assert seconds_until_money([], lease, at=100) == 1
    lease.lasting = 600.0
    assert seconds_until_money(open_ones, lease, at=100) == LONGEST_RETRY_SECONDS  # type: ignore[arg-type]
