"""What a dead process leaves is worked out from its journal; what nobody can prove stays held."""

import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest import mock

import psycopg
import pytest

from governance.audit.operations import Actor
from governance.core.errors import GovernanceUnavailable
from governance.metering import journal as module
from governance.metering.errors import NoRoomForJournal
from governance.metering.journal import RESULT, Journal, JournalForeign, read_journal, record
from governance.metering.leased import LeasedBooks
from governance.metering.operations import recover_folder, release_lost_leases
from governance.metering.queries import lost_leases
from governance.metering.recovery import recover_dead
from tests.metering.conftest import MakeBooks, World
from tests.metering.outcomes import RELEASED, UNKNOWN, settled
from tests.metering.test_suspense import in_django

pytestmark = pytest.mark.django_db(transaction=True)

Recover = Callable[[], Awaitable[dict[int, int]]]


@pytest.fixture
def recover(database_urls: dict[str, str], tmp_path: Path) -> Recover:
    """Return a function that recovers the dead of this host, as the next process does."""

    async def run() -> dict[int, int]:
        async with await psycopg.AsyncConnection.connect(database_urls["gateway"], autocommit=True) as connection:
            return await recover_dead(connection, host="here", folder=tmp_path)

    return run


def die(books: LeasedBooks) -> None:
    """End the process as SIGKILL does: no more work, and the kernel lets go of its lock."""
    for task in books._tasks:
        task.cancel()
    lock = books._session._lock
    assert lock is not None
    lock.release(is_over=False)


async def test_results_are_booked_intents_are_suspended_and_the_rest_goes_back(
    world: World, make_books: MakeBooks, recover: Recover
) -> None:
    books = await make_books()
    budget = world.add_budget(10**12)
    done, unknown, flying, unsent = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(4)]
    await books._flush()
    books.book(done, settled("149.5"))
    books.book(unknown, UNKNOWN)
    books.book(unsent, RELEASED)
    die(books)
    assert list((await recover()).values()) == [2]
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (150, 2_000)
    reasons = {row["id"]: row["suspense_reason"] for row in world.rows("SELECT * FROM metering_attempt")}
    assert reasons == {unknown.attempt_id: "provider_timed_out", flying.attempt_id: "gateway_process_died"}
    assert [row["attempt_id"] for row in world.rows("SELECT * FROM ledger_usagerecord")] == [done.attempt_id]
    assert world.rows("SELECT * FROM metering_lease") == []


async def test_what_was_booked_before_the_death_is_not_booked_again(
    world: World, make_books: MakeBooks, recover: Recover
) -> None:
    books = await make_books()
    budget = world.add_budget(10**12)
    first, second = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(2)]
    books.book(first, settled("300"))
    books.book(second, UNKNOWN)
    await books._flush()
    die(books)
    assert list((await recover()).values()) == [0]
    assert await recover() == {}
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (300, 1_000)


async def test_a_shrunk_reservation_is_suspended_at_what_it_still_held(
    world: World, make_books: MakeBooks, recover: Recover
) -> None:
    books = await make_books()
    budget = world.add_budget(10**12)
    hold = await books.reserve(world.claim(budget, want=1_000))
    books.shrink(hold, 400)
    books.shrink(hold, 600)
    die(books)
    await recover()
    assert world.account(budget)["held_nano"] == 400


async def test_a_living_process_is_left_alone(world: World, make_books: MakeBooks, recover: Recover) -> None:
    books = await make_books()
    await books.reserve(world.claim(world.add_budget(10**12), want=1_000))
    assert await recover() == {}
    assert world.rows("SELECT state FROM metering_worker") == [{"state": "alive"}]
    await books.close()


@pytest.mark.parametrize("damage", ["gone", "foreign", "other boot", "no journal"])
async def test_leases_of_a_journal_that_proves_nothing_stay_held_until_released_by_name(
    world: World, make_books: MakeBooks, recover: Recover, tmp_path: Path, damage: str
) -> None:
    books = await make_books()
    budget = world.add_budget(10**12)
    await books.reserve(world.claim(budget, want=1_000))
    held = world.account(budget)["held_nano"]
    die(books)
    (path,) = tmp_path.glob("*.journal")  # noqa: ASYNC240 - a temporary folder
    if damage == "gone":
        path.with_suffix(".lock").unlink()
    elif damage == "foreign":
        path.unlink()
        Journal(path, lock="another.lock").close()
    elif damage == "other boot":
        path.write_bytes(_of_another_boot(path))
    else:
        path.unlink()
    assert await recover() == {}
    assert world.rows("SELECT state FROM metering_worker") == [{"state": "lost"}]
    assert world.account(budget)["held_nano"] == held >= 1_000

    organisation_id = world.attribution.organisation_id
    (lost,) = await in_django(lost_leases, organisation_id=organisation_id)
    assert (lost.accounts, lost.largest_nano) == (1, held)
    await in_django(
        release_lost_leases, epoch=lost.worker.epoch, actor=Actor(name="ada@example.org"), reason="the host burnt down"
    )
    assert world.account(budget)["held_nano"] == 0
    (event,) = world.rows("SELECT actor, action, reason FROM audit_auditevent")
    assert event == {"actor": "ada@example.org", "action": "leases.released", "reason": "the host burnt down"}


async def test_a_volume_that_turns_up_is_recovered_by_whoever_knows_that_it_is_whole(
    world: World, make_books: MakeBooks, recover: Recover, tmp_path: Path
) -> None:
    books = await make_books()
    budget = world.add_budget(10**12)
    done, flying = [await books.reserve(world.claim(budget, want=1_000)) for _ in range(2)]
    books.book(done, settled("300"))
    die(books)
    (path,) = tmp_path.glob("*.journal")  # noqa: ASYNC240 - a temporary folder
    lock_path, away = path.with_suffix(".lock"), tmp_path / "away.lock"
    lock_path.rename(away)
    await recover()
    assert world.rows("SELECT state FROM metering_worker") == [{"state": "lost"}]
    away.rename(lock_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("governance.metering.operations.boot_id", lambda: "a later boot")
        ada = Actor(name="ada@example.org")
        assert await in_django(recover_folder, folder=tmp_path, is_whole=False, actor=ada) == {}
        (recovered,) = (await in_django(recover_folder, folder=tmp_path, is_whole=True, actor=ada)).values()
    assert recovered == 1
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (300, 1_000)
    assert [row["id"] for row in world.rows("SELECT id FROM metering_attempt")] == [flying.attempt_id]
    assert list(tmp_path.glob("*.lock")) == []  # noqa: ASYNC240 - a temporary folder


async def test_a_full_disk_stops_admission_and_lets_it_go_on_by_itself(
    world: World, make_books: MakeBooks, tmp_path: Path
) -> None:
    books = await make_books()
    budget = world.add_budget(10**12)
    hold = await books.reserve(world.claim(budget, want=1_000))
    journal = books._session.journal
    kept = os.dup(journal._file)
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230 - a device
        os.dup2(full.fileno(), journal._file)
        with pytest.raises(GovernanceUnavailable, match="journal"):
            await books.reserve(world.claim(budget, want=1_000))
        books.book(hold, settled("300"))
        os.dup2(kept, journal._file)
    os.close(kept)
    again = await books.reserve(world.claim(budget, want=1_000))
    books.book(again, settled("100"))
    await books.close()
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (400, 0)


async def test_a_process_that_finds_the_disk_full_of_the_dead_makes_room_for_its_next_try(
    world: World, make_books: MakeBooks, tmp_path: Path
) -> None:
    dead = await make_books()
    budget = world.add_budget(10**12)
    await dead.reserve(world.claim(budget, want=1_000))
    left = dead._session._lock.journal_path if dead._session._lock is not None else tmp_path
    die(dead)
    write = module._write

    def write_if_there_is_room(file: int, content: bytes) -> None:
        if left.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, content)

    with mock.patch.object(module, "_write", write_if_there_is_room):
        with pytest.raises(NoRoomForJournal, match="make room"):
            await make_books()
        assert [row["held_nano"] for row in world.rows("SELECT held_nano FROM metering_attempt")] == [1_000]
        assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a temporary folder
        books = await make_books()
    await books.close()


async def test_a_torn_last_record_is_ignored(tmp_path: Path, world: World) -> None:
    path = tmp_path / "one.journal"
    journal = Journal(path, lock="one.lock")
    attempt_id = world.claim(want=1).attempt_id
    journal.intend(attempt_id, b'{"a":1}')
    journal.close()
    whole = path.read_bytes()
    torn = record(RESULT, attempt_id, b'{"b":2}')[:-1]
    path.write_bytes(whole + torn)
    _, entries = read_journal(path, lock="one.lock")
    assert entries[attempt_id].result is None
    with pytest.raises(JournalForeign):
        read_journal(path, lock="two.lock")


def _of_another_boot(path: Path) -> bytes:
    journal = path.with_name("twin.journal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("governance.metering.journal.boot_id", lambda: "an earlier boot")
        Journal(journal, lock=path.with_suffix(".lock").name).close()
    return journal.read_bytes()
