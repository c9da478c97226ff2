"""Books whose database turns out to be on another timeline. tests/faults does it with a real standby."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from governance.core.errors import GovernanceUnavailable
from governance.metering import bank
from governance.metering.leased import LeasedBooks
from governance.metering.recovery import tidy_folder
from governance.metering.session import not_lent
from governance.metering.slices import Ask
from tests.metering.conftest import MakeBooks, World
from tests.metering.outcomes import UNKNOWN, settled
from tests.metering.test_recovery import die

pytestmark = pytest.mark.django_db(transaction=True)

_FORGET_RECORDS = "SET LOCAL session_replication_role = replica; DELETE FROM ledger_usagerecord"


def fail_over(world: World) -> None:
    """Let the books believe that they knew another timeline until now."""
    world.owner.execute("UPDATE metering_timeline SET number = number - 1, token = gen_random_uuid()")


def lend_again(world: World) -> None:
    """Let the pause be over."""
    world.owner.execute("UPDATE metering_timeline SET grants_from = clock_timestamp()")


def balances(account: dict[str, Any]) -> tuple[int, int]:
    return account["settled_nano"], account["held_nano"]


@pytest.fixture
async def books(world: World, make_books: MakeBooks) -> AsyncIterator[LeasedBooks]:
    made = await make_books()
    yield made
    await made.close()


async def test_nothing_is_granted_before_processes_had_time_to_say_what_they_hold(
    world: World, books: LeasedBooks
) -> None:
    budget, other = world.add_budget(10**9), world.add_budget(10**9)
    for _ in range(2):
        await books.reserve(world.claim(budget, want=400))
    fail_over(world)
    await books._flush()
    with pytest.raises(GovernanceUnavailable, match="replaced by its standby"):
        await books.reserve(world.claim(other, want=400))
    assert world.rows("SELECT * FROM budgets_account WHERE budget_id = %s", other.id) == []
    assert (await books.reserve(world.claim(budget, want=400))).granted_nano == 400
    lend_again(world)
    assert (await books.reserve(world.claim(other, want=400))).granted_nano == 400


async def test_a_process_says_what_it_holds_and_tells_again_what_was_lost(world: World, books: LeasedBooks) -> None:
    budget = world.add_budget(10**9)
    done, unknown, flying = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(3)]
    books.book(done, settled("300"))
    books.book(unknown, UNKNOWN)
    await books._flush()
    before = world.account(budget)
    with world.owner.transaction():
        world.owner.execute(_FORGET_RECORDS)
        world.owner.execute("DELETE FROM metering_attempt")
        world.owner.execute("UPDATE metering_lease SET amount_nano = 7")
        world.owner.execute("UPDATE budgets_account SET settled_nano = 0, held_nano = 7")
        world.owner.execute("UPDATE metering_worker SET last_sequence = 0")
    fail_over(world)
    await books._flush()
    assert balances(world.account(budget)) == balances(before)
    assert [row["attempt_id"] for row in world.rows("SELECT * FROM ledger_usagerecord")] == [done.attempt_id]
    assert [row["id"] for row in world.rows("SELECT * FROM metering_attempt")] == [unknown.attempt_id]
    books.book(flying, settled("200"))
    await books._flush()
    assert world.account(budget)["settled_nano"] == 500


async def test_an_account_that_was_lost_is_opened_again_under_its_id(world: World, books: LeasedBooks) -> None:
    budget = world.add_budget(10**9)
    hold = await books.reserve(world.claim(budget, want=1_000))
    before = world.account(budget)
    with world.owner.transaction():
        for table in ("metering_lease", "budgets_account", "metering_worker"):
            world.owner.execute(psycopg.sql.SQL("DELETE FROM {}").format(psycopg.sql.Identifier(table)))
    fail_over(world)
    await books._flush()
    after = world.account(budget)
    assert (after["id"], *balances(after)) == (before["id"], *balances(before))
    books.book(hold, settled("300"))
    await books._flush()
    assert world.account(budget)["settled_nano"] == 300


async def test_no_id_of_the_lost_seconds_is_given_again(world: World, books: LeasedBooks) -> None:
    budget = world.add_budget(10**9)
    fail_over(world)
    await books._flush()
    lend_again(world)
    await books.reserve(world.claim(budget, want=1_000))
    assert world.account(budget)["id"] > 10_000
    assert world.rows("SELECT epoch FROM metering_worker WHERE state = 'alive'")[0]["epoch"] > 10_000


async def test_a_database_of_the_past_is_not_believed(world: World, books: LeasedBooks) -> None:
    budget = world.add_budget(10**9)
    await books.reserve(world.claim(budget, want=1_000))
    timeline = books._session.timeline
    assert timeline is not None
    books._session.timeline = timeline._replace(number=timeline.number + 1)
    fail_over(world)
    with pytest.raises(GovernanceUnavailable):
        await books._flush()
    books._session.timeline = timeline


async def test_who_relies_on_a_synchronous_standby_is_lent_nothing_without_one(
    world: World, books: LeasedBooks, database_urls: dict[str, str]
) -> None:
    fail_over(world)
    budget = world.add_budget(10**9)
    async with await psycopg.AsyncConnection.connect(
        database_urls["gateway"], autocommit=True, options="-c bursar.needs_synchronous_standby=on"
    ) as connection:
        assert (await bank.timeline(connection)).pause_seconds == 0
        await books._flush()
        lend_again(world)
        await books.reserve(world.claim(budget, want=10))
        ask = Ask(world.account(budget)["id"], need=10, short=10, slice=10, typical=10, least=10)
        (line,) = await bank.grant(connection, epoch=books._session.epoch, asks=[(0, ask)])
    assert line.outcome == "unguarded"
    assert "BURSAR_SYNCHRONOUS_STANDBY" in not_lent(line.outcome).message


async def test_a_process_that_the_books_never_heard_of_is_recovered_from_its_files(
    world: World, make_books: MakeBooks, tmp_path: Path, database_urls: dict[str, str]
) -> None:
    books = await make_books()
    budget = world.add_budget(10**9)
    done, flying = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(2)]
    books.book(done, settled("300"))
    await books._flush()
    die(books)
    with world.owner.transaction():
        world.owner.execute(_FORGET_RECORDS)
        world.owner.execute("DELETE FROM metering_lease")
        world.owner.execute("UPDATE budgets_account SET settled_nano = 0, held_nano = 0")
        world.owner.execute("DELETE FROM metering_worker")
    async with await psycopg.AsyncConnection.connect(database_urls["gateway"], autocommit=True) as connection:
        await tidy_folder(connection, host="elsewhere", folder=tmp_path, before=2**40)
        assert world.rows("SELECT * FROM metering_worker") == []
        await tidy_folder(connection, host="here", folder=tmp_path, before=2**40)
    assert balances(world.account(budget)) == (300, 1_000)
    assert [row["id"] for row in world.rows("SELECT id FROM metering_attempt")] == [flying.attempt_id]


async def test_files_of_an_ended_process_stay_a_while_and_go_then(
    world: World, make_books: MakeBooks, tmp_path: Path, database_urls: dict[str, str]
) -> None:
    books, other = await make_books(), await make_books()
    await books.close()
    async with await psycopg.AsyncConnection.connect(database_urls["gateway"], autocommit=True) as connection:
        await tidy_folder(connection, host="here", folder=tmp_path, before=0)
        assert len(list(tmp_path.glob("*.lock"))) == 2  # noqa: ASYNC240 - a temporary folder
        await tidy_folder(connection, host="here", folder=tmp_path, before=2**40)
    assert len(list(tmp_path.glob("*.lock"))) == 1  # noqa: ASYNC240 - a temporary folder
    await other.close()
