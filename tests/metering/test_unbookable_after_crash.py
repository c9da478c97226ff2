"""An outcome that the database cannot keep, told to the journal of a process that then died.

Simulation found it (seed 821851968): what the outcome had freed was lent again, so that the lease of the dead fell
below zero when the whole reservation was taken out of it.
"""

import pytest

from tests.metering.conftest import MakeBooks, World
from tests.metering.outcomes import settled
from tests.metering.test_leases import settled_as_no_database_keeps
from tests.metering.test_recovery import Recover, die, recover

__all__ = ["recover"]

pytestmark = pytest.mark.django_db(transaction=True)


async def test_what_it_freed_and_was_lent_again_is_held_anew(
    world: World, make_books: MakeBooks, recover: Recover
) -> None:
    books = await make_books()
    budget = world.add_budget(10_000)
    first = await books.reserve(world.claim(budget, want=1_000))
    books.book(first, settled_as_no_database_keeps())  # 100 of the 1,000: the rest comes free
    second = await books.reserve(world.claim(budget, want=900))
    die(books)
    assert world.rows("SELECT amount_nano FROM metering_lease") == [{"amount_nano": 1_000}]

    assert list((await recover()).values()) == [2]
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (0, 1_900)
    held = {row["id"]: row["held_nano"] for row in world.rows("SELECT id, held_nano FROM metering_attempt")}
    assert held == {first.attempt_id: 1_000, second.attempt_id: 900}
    assert world.rows("SELECT * FROM metering_lease") == []
    assert await recover() == {}


async def test_its_neighbours_in_the_journal_go_to_suspense_with_it_and_nothing_is_lost(
    world: World, make_books: MakeBooks, recover: Recover
) -> None:
    books = await make_books()
    budget = world.add_budget(10_000)
    holds = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(3)]
    books.book(holds[0], settled("250"))
    books.book(holds[1], settled_as_no_database_keeps())
    die(books)
    await recover()
    account = world.account(budget)
    records = world.rows("SELECT charge_nano FROM ledger_usagerecord")
    suspended = world.rows("SELECT held_nano FROM metering_attempt")
    assert len(records) + len(suspended) == 3
    assert account["settled_nano"] == sum(row["charge_nano"] for row in records)
    assert account["held_nano"] == sum(row["held_nano"] for row in suspended) >= 2_000
