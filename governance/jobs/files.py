"""Files at vendors as the gateway sees them: whose they are, and what their lines can cost. No Django."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from governance.metering.session import Pool, unavailable
from governance.plugin.provider import Bound

_COLUMNS = """
    SELECT f.id, f.connection_id, f.deployment_id, f.vendor_id, f.wire, f.alias, f.shown, f.created_at, f.job_id,
    j.state   FROM jobs_file f LEFT JOIN jobs_job j ON j.id = f.job_id
     WHERE f.team_id = %(team)s AND f.deleted_at IS NULL
"""
_FIND: Final = _COLUMNS + " AND f.vendor_id = %(vendor_id)s LIMIT 1"
_LIST: Final = (
    _COLUMNS
    + """
       AND f.shown <> '' AND (%(before)s::timestamptz IS NULL OR f.created_at < %(before)s)
     ORDER BY f.created_at DESC LIMIT %(limit)s
"""
)


class KeptLine(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a line: its name, and what bounds its cost."""

    name: str
    maximum: int
    bound: Bound


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """One file, as keys of its team may know it. `job_state` is of the job whose results it holds."""

    id: int
    connection_id: int
    deployment_id: int | None
    vendor_id: str
    wire: str
    alias: str
    shown: str
    created_at: datetime
    job_id: UUID | None
    job_state: str | None


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(list[KeptLine])


class Files:
    """The files of all teams, for one gateway process. Every method raises GovernanceUnavailable alone."""

    def __init__(self, *, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, *, team_id: int, row: FileRow, lines: Sequence[KeptLine]) -> None:
        """Write down a file that its vendor has taken; of the row, what is not the database's to say."""
        await self._call(
            "SELECT jobs_keep_file(%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                team_id,
                row.connection_id,
                row.deployment_id,
                row.vendor_id,
                row.wire,
                row.alias,
                _encode(lines),
                row.shown,
            ),
        )

    async def forget(self, file: FileRow) -> None:
        """The vendor has deleted it."""
        await self._call("SELECT jobs_forget_file(%s)", (file.id,))

    async def find(self, *, team_id: int, vendor_id: str) -> FileRow | None:
        """Return this team's file; None where there is none, whoever else may have one of that name."""
        rows = await self._rows(_FIND, {"team": team_id, "vendor_id": vendor_id})
        return rows[0] if rows else None

    async def listed(self, *, team_id: int, limit: int, before: datetime | None = None) -> list[FileRow]:
        """Return the files that this team sent, newest first, before an instant."""
        return await self._rows(_LIST, {"team": team_id, "limit": limit, "before": before})

    async def lines(self, file: FileRow) -> list[KeptLine]:
        """Return the lines of a file that a team sent."""
        row = await self._call("SELECT lines FROM jobs_file WHERE id = %s", (file.id,))
        kept = row[0] if row is not None else None
        return _decoder.decode(kept) if isinstance(kept, bytes) else []

    async def _call(self, query: str, values: Sequence[object]) -> tuple[object, ...] | None:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), values)
                return await cursor.fetchone()
        except (psycopg.OperationalError, PoolTimeout, OSError) as error:
            raise unavailable() from error

    async def _rows(self, query: str, values: dict[str, object]) -> list[FileRow]:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), values)
                rows = await cursor.fetchall()
        except (psycopg.OperationalError, PoolTimeout, OSError) as error:
            raise unavailable() from error
        return [FileRow(**dict(zip(FileRow.__struct_fields__, row, strict=True))) for row in rows]
