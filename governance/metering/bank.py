"""The books' SQL functions as a gateway process calls them: one round trip each, nothing decided here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.metering.slices import Ask

Connection = AsyncConnection[TupleRow]


class GrantLine(NamedTuple):
    """One line of what `metering_grant` answers (see its comment). Amounts in nano-USD."""

    claim: int
    account_id: int
    outcome: str
    granted_nano: int
    is_exact: bool
    limit_nano: int
    settled_nano: int
    held_nano: int
    resets_at: datetime
    at: datetime


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One flush: what is booked, and what is given back as (account, nano-USD). `late`: of epochs given up for lost."""

    sequence: int
    account_ids: Sequence[int]
    outcomes: str
    returned: Sequence[tuple[int, int]]
    late: str


class EpochStanding(NamedTuple):
    """What the books know of an epoch. `leases` by account id, in nano-USD."""

    state: str
    last_sequence: int
    leases: Mapping[int, int]


class Timeline(NamedTuple):
    """The timeline that the database writes, and how long nothing is granted on it yet (see 0012_fail_over.sql).

    Two databases may count the same number; the token is one's own.
    """

    number: int
    token: UUID
    pause_seconds: float


class EpochOfLock(NamedTuple):
    """An epoch that a lock stands for, as the books know it."""

    epoch: int
    state: str
    last_sequence: int


class Reasserted(NamedTuple):
    """What came of saying what is so: the new epoch, and the accounts that another one stands in the place of."""

    epoch: int
    strays: Sequence[int]


_GRANT = """
    SELECT claim, account_id, outcome, granted_nano, is_exact, limit_nano, settled_nano, held_nano, resets_at, at
      FROM metering_grant(%s, %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                          %s::bigint[])
"""
_FLUSH = "SELECT metering_flush(%s, %s, %s::bigint[], %s::json, %s::bigint[], %s::bigint[], %s::json)"


async def grant(connection: Connection, *, epoch: int, asks: Sequence[tuple[int, Ask]]) -> list[GrantLine]:
    """Ask for money for claims, each under its number; they are served in that order."""
    cursor = await connection.execute(
        _GRANT,
        (
            epoch,
            [claim for claim, _ in asks],
            [ask.account_id for _, ask in asks],
            [ask.need for _, ask in asks],
            [ask.short for _, ask in asks],
            [ask.slice for _, ask in asks],
            [ask.typical for _, ask in asks],
            [ask.least for _, ask in asks],
        ),
        prepare=True,
    )
    return [GrantLine(*row) for row in await cursor.fetchall()]


async def flush(connection: Connection, *, epoch: int, batch: Batch) -> datetime | None:
    """Book a batch; return the database's clock, or None when the epoch is not alive."""
    cursor = await connection.execute(
        _FLUSH,
        (
            epoch,
            batch.sequence,
            list(batch.account_ids),
            batch.outcomes,
            [account_id for account_id, _ in batch.returned],
            [nano for _, nano in batch.returned],
            batch.late,
        ),
        prepare=True,
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def standing(connection: Connection, *, epoch: int) -> EpochStanding | None:
    """Return what the books know of an epoch; None when they know nothing."""
    cursor = await connection.execute("SELECT state, last_sequence, leases FROM metering_standing(%s)", (epoch,))
    row = await cursor.fetchone()
    if row is None:
        return None
    return EpochStanding(row[0], row[1], {int(account_id): nano for account_id, nano in row[2].items()})


async def succeed(connection: Connection, *, epoch: int) -> int | None:
    """Take a new epoch that has the leases of a fenced one; None when it is not fenced."""
    cursor = await connection.execute("SELECT metering_succeed(%s)", (epoch,))
    row = await cursor.fetchone()
    return row[0] if row else None


async def timeline(connection: Connection) -> Timeline:
    """Return the timeline that the database is on; the first to see a new one fences every epoch."""
    cursor = await connection.execute("SELECT number, token, pause_seconds FROM metering_take_timeline()")
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("The database has no timeline.")
    return Timeline(*row)


async def epochs_of(connection: Connection, *, lock_name: str) -> list[EpochOfLock]:
    """Return the epochs that this lock stood for, the latest first."""
    cursor = await connection.execute("SELECT epoch, state, last_sequence FROM metering_epochs_of(%s)", (lock_name,))
    return [EpochOfLock(*row) for row in await cursor.fetchall()]


async def reassert(
    connection: Connection, *, host: str, lock_name: str, process_id: int, leases: str, outcomes: str
) -> Reasserted:
    """Replace what the books know of this process by what it says (JSON): its leases, and outcomes confirmed lately."""
    cursor = await connection.execute(
        "SELECT epoch, strays FROM metering_reassert(%s, %s, %s, %s::json, %s::json)",
        (host, lock_name, process_id, leases, outcomes),
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("The database asserted no leases.")
    return Reasserted(*row)


async def add_refusals(connection: Connection, counts: Mapping[tuple[datetime, int, str], int]) -> None:
    """Add so many refused requests by (hour, key id, error code)."""
    hours, keys, codes = zip(*counts, strict=True)
    await connection.execute(
        "SELECT metering_add_refusals(%s::timestamptz[], %s::bigint[], %s::text[], %s::bigint[])",
        (list(hours), list(keys), list(codes), list(counts.values())),
    )


async def clock(connection: Connection) -> datetime:
    """Return the database's clock."""
    cursor = await connection.execute("SELECT clock_timestamp()")
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("The database has no clock.")
    return row[0]  # type: ignore[no-any-return]  # psycopg returns timestamptz as datetime
