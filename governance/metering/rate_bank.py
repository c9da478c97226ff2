"""The SQL functions of rate limits as a gateway process calls them: one round trip each, nothing decided here."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.metering.rates import Line
from governance.policy.rate_limit import RateLimitPolicy

Connection = AsyncConnection[TupleRow]


class TakeLine(NamedTuple):
    """One line of what `metering_take` answers (see its comment)."""

    claim: int
    allowance_id: int
    outcome: str
    granted: int
    is_exact: bool
    amount: int
    remaining: int
    starts_at: datetime | None
    ends_at: datetime | None
    at: datetime


_OPEN = "SELECT metering_open_allowance(%s, %s, %s)"
_TAKE = """
    SELECT claim, allowance_id, outcome, granted, is_exact, amount, remaining, starts_at, ends_at, at
      FROM metering_take(%s, %s, %s::integer[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[],
                         %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
"""


async def open_allowance(connection: Connection, limit: RateLimitPolicy) -> int:
    """Return the allowance of a limit, or of one member's, made if need be."""
    member = limit.member
    cursor = await connection.execute(
        _OPEN,
        (limit.id, member.user_id if member is not None else None, member.key_id if member is not None else None),
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("The database opened no allowance.")
    return int(row[0])


async def take(
    connection: Connection, *, epoch: int, sequence: int, lines: Sequence[tuple[int, Line]]
) -> list[TakeLine]:
    """Give back and take for claims, each under its number; they are served in that order."""
    cursor = await connection.execute(
        _TAKE,
        (
            epoch,
            sequence,
            [claim for claim, _ in lines],
            [line.allowance_id for _, line in lines],
            [line.back for _, line in lines],
            [line.window for _, line in lines],
            [line.keeps for _, line in lines],
            [line.need for _, line in lines],
            [line.want for _, line in lines],
            [line.slice for _, line in lines],
            [line.typical for _, line in lines],
        ),
        prepare=True,
    )
    return [TakeLine(*row) for row in await cursor.fetchall()]
