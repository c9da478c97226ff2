"""An epoch that was given up while its process lives: the process goes on under another one, and facts stay facts."""

import shutil
from pathlib import Path

import psycopg
import pytest

from governance.core.errors import GovernanceUnavailable
from governance.metering.outgoing import UNBOOKABLE
from governance.metering.recovery import recover_dead
from tests.metering.conftest import MakeBooks, World
from tests.metering.test_leased_books import settled

pytestmark = pytest.mark.django_db(transaction=True)

TOO_MUCH = str(2**63)


async def _give_up(world: World, folder: Path, database_url: str) -> None:
    """Somebody empties the folder of the journals, and another process of the host finds nothing there."""
    for path in list(folder.iterdir()):  # noqa: ASYNC240 - a test
        path.unlink()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await recover_dead(connection, host="here", folder=folder)
    assert world.rows("SELECT state FROM metering_worker") == [{"state": "lost"}]


async def test_a_process_whose_files_were_deleted_goes_on_under_a_new_epoch(
    world: World, make_books: MakeBooks, tmp_path: Path, database_urls: dict[str, str]
) -> None:
    books = await make_books()
    budget = world.add_budget(10_000)
    hold = await books.reserve(world.claim(budget, want=400))
    await _give_up(world, tmp_path, database_urls["gateway"])

    books.book(hold, settled("150"))
    await books._flush()
    assert world.account(budget)["settled_nano"] == 150
    assert (await books.reserve(world.claim(budget, want=300))).granted_nano == 300
    await books.close()
    states = world.rows("SELECT state FROM metering_worker ORDER BY epoch")
    assert [row["state"] for row in states] == ["lost", "dead"]
    # Reserved again and never sent: in suspense, beside what the lost epoch still holds.
    assert world.account(budget)["held_nano"] == 300 + 400


async def test_a_late_outcome_that_cannot_be_booked_is_held_anew(
    world: World, make_books: MakeBooks, tmp_path: Path, database_urls: dict[str, str]
) -> None:
    books = await make_books()
    budget = world.add_budget(10_000)
    hold = await books.reserve(world.claim(budget, want=400))
    await _give_up(world, tmp_path, database_urls["gateway"])
    await books._flush()

    books.book(hold, settled(TOO_MUCH))
    await books._flush()
    assert world.rows("SELECT suspense_reason, held_nano FROM metering_attempt") == [
        {"suspense_reason": UNBOOKABLE, "held_nano": 400}
    ]
    leased = world.rows("SELECT sum(amount_nano)::bigint AS nano FROM metering_lease")[0]["nano"]
    assert world.account(budget)["held_nano"] == leased + 400
    await books.close()


async def test_a_process_that_ends_without_its_journal_says_so(
    world: World, make_books: MakeBooks, tmp_path: Path
) -> None:
    books = await make_books()
    shutil.rmtree(tmp_path)
    with pytest.raises(GovernanceUnavailable, match="journal of this process is gone"):
        await books.close()
