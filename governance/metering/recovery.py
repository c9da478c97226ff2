"""What a dead process left is worked out from its journal: by proof, never by a timeout.

Proof is the kernel's lock, which only a dead process lets go of, and the journal that is read while it is held. A
process that is only silent is fenced, and nothing of it is released. Where the journal is gone, the leases stay held as
suspense until somebody releases them by name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.metering import bank
from governance.metering.attempt import Ending, Outcome
from governance.metering.epoch import LifeLock, register
from governance.metering.journal import Entry, Header, JournalForeign, boot_id, read_journal
from governance.metering.texts import outcome_text, rest_text

FENCE_SECONDS: Final = 5.0
PROCESS_DIED: Final = "gateway_process_died"
_UNKNOWN: Final = outcome_text(Outcome(ending=Ending.SUSPENSE, reason=PROCESS_DIED))

log = structlog.get_logger("metering")


def rows_of(entries: Mapping[UUID, Entry], *, is_refused: bool = False) -> str:
    """Return what a journal says as the JSON that `metering_recover` takes: results, and intents as suspense.

    The leases are given back whole before anything is booked, so nothing stands for an attempt in them. An estimate is
    two elements: what is settled, and the rest of the hold. `is_refused`: the database cannot keep some result, so all
    go to suspense.
    """
    rows = []
    for entry in entries.values():
        row = msgspec.json.decode(entry.intent)
        if entry.reserved_nano is not None:
            row["reserved_nano"] = entry.reserved_nano
        result = msgspec.json.decode(_UNKNOWN if entry.result is None else entry.result)
        rest = result.pop("rest_nano", 0)
        if is_refused and result["ending"] == Ending.SETTLED:
            result, rest = msgspec.json.decode(_UNKNOWN), 0
        row |= {"held_apart_nano": 0}
        rows.append(row | result | {"leased_nano": 0})
        if rest:
            rows.append(row | {"reserved_nano": rest} | _rest_of(result) | {"leased_nano": 0})
    return msgspec.json.encode(rows).decode()


def _rest_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other half of an estimate: what nobody can prove."""
    decoded: dict[str, Any] = msgspec.json.decode(rest_text(result["reason"]))
    return decoded


async def fence_silent(connection: AsyncConnection[TupleRow]) -> int:
    """Fence the epochs that were not seen for a while, on every host; return how many."""
    cursor = await connection.execute("SELECT metering_fence(%s)", (FENCE_SECONDS,))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def recover_dead(connection: AsyncConnection[TupleRow], *, host: str, folder: Path) -> dict[int, int]:
    """End the epochs of this host whose processes are dead; return {epoch: attempts moved to suspense}."""
    cursor = await connection.execute(
        "SELECT epoch, lock_name FROM metering_worker WHERE host = %s AND state IN ('alive', 'fenced') ORDER BY epoch",
        (host,),
    )
    recovered = {}
    for epoch, lock_name in await cursor.fetchall():
        try:
            lock = LifeLock.of_the_dead(folder, lock_name)
        except BlockingIOError:
            continue
        except FileNotFoundError:
            await _lose(connection, epoch, reason="its lock file is gone")
            continue
        try:
            recovered[epoch] = await _recover(connection, epoch, lock)
        except (FileNotFoundError, JournalForeign) as error:
            await _lose(connection, epoch, reason=str(error))
        except (psycopg.IntegrityError, psycopg.DataError):
            # Its money stays held and its files stay; the other dead of this host must not wait for it.
            log.exception("epoch_not_recovered", epoch=epoch)
        except BaseException:
            lock.release(is_over=False)
            raise
        if epoch in recovered:
            lock.leave()
        else:
            lock.release(is_over=False)
    return recovered


async def tidy_folder(connection: AsyncConnection[TupleRow], *, host: str, folder: Path, before: float) -> None:
    """Look at the files of the dead that were not touched since then (seconds since 1970).

    What is over in the books is removed. A lock that the books never heard of is of a process that registered in the
    last seconds before a fail-over: what its journal says is booked.
    """
    for path in LifeLock.untouched(folder, before=before):
        try:
            lock = LifeLock.of_the_dead(folder, path.name)
        except (FileNotFoundError, BlockingIOError):
            continue
        is_over = False
        try:
            epochs = await bank.epochs_of(connection, lock_name=path.name)
            if not epochs:
                header, entries = _read(lock)
                if header.host != host:
                    raise JournalForeign(f"it was written by {header.host}")
                epoch = await register(connection, host=host, lock=lock)
                attempts = await end_epoch(connection, epoch, entries)
                log.warning("epoch_taken_up", epoch=epoch, attempts_in_suspense=attempts)
            is_over = all(each.state == "dead" for each in epochs)
        except (FileNotFoundError, JournalForeign) as error:
            log.debug("files_not_ours", lock=path.name, reason=str(error))
        finally:
            lock.release(is_over=is_over)


async def end_epoch(connection: AsyncConnection[TupleRow], epoch: int, entries: Mapping[UUID, Entry]) -> int:
    """End an epoch with what its journal says; return how many attempts went to suspense.

    Where the database cannot keep some result as it is, all of them go to suspense rather than none anywhere.
    """
    try:
        return await _end(connection, epoch, rows_of(entries))
    except (psycopg.IntegrityError, psycopg.DataError):
        log.exception("results_unbookable", epoch=epoch)
        return await _end(connection, epoch, rows_of(entries, is_refused=True))


async def _end(connection: AsyncConnection[TupleRow], epoch: int, rows: str) -> int:
    cursor = await connection.execute("SELECT metering_recover(%s, %s::json)", (epoch, rows))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _recover(connection: AsyncConnection[TupleRow], epoch: int, lock: LifeLock) -> int:
    _, entries = _read(lock)
    return await end_epoch(connection, epoch, entries)


def _read(lock: LifeLock) -> tuple[Header, Mapping[UUID, Entry]]:
    header, entries = read_journal(lock.journal_path, lock=lock.name)
    if header.boot != boot_id():
        raise JournalForeign("it was written before this machine last started, so its end may be missing")
    return header, entries


async def _lose(connection: AsyncConnection[TupleRow], epoch: int, *, reason: str) -> None:
    cursor = await connection.execute("SELECT metering_lose(%s)", (epoch,))
    row = await cursor.fetchone()
    if row is not None and row[0]:
        log.error("epoch_lost", epoch=epoch, held_nano=row[0], reason=reason)
