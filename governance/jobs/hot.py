"""Jobs as gateway and worker see them: SQL through psycopg, plain structs, no Django."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from governance.core.errors import GovernanceUnavailable
from governance.jobs.files import Files
from governance.metering import durable
from governance.metering.attempt import Ending, Outcome
from governance.metering.durable import DurableBooks, DurableClaim
from governance.metering.session import Pool, unavailable
from governance.plugin.jobs import JobKind, JobReading

Connection = AsyncConnection[TupleRow]

PATIENCE_SECONDS: Final = 7200.0
"""So long a job may be on its way to its vendor: longer than a request lasts. Then nobody knows what became of it."""
FIRST_LOOK_SECONDS: Final = 15.0
LONGEST_WAIT_SECONDS: Final = 600.0
LARGEST_SHOWN: Final = 64 * 1024

_COLUMNS = """
    SELECT j.id, j.kind, j.team_id, j.connection_id, j.state, j.vendor_id, j.status, j.shown, j.created_at
      FROM jobs_job j
"""
_FIND = _COLUMNS + " WHERE j.team_id = %s AND j.kind = %s AND j.vendor_id = %s AND j.vendor_id <> '' LIMIT 1"
_LIST = (
    _COLUMNS
    + """
     WHERE j.team_id = %(team_id)s AND j.kind = %(kind)s AND j.shown <> ''
       AND (%(before)s::timestamptz IS NULL OR j.created_at < %(before)s)
       AND (%(after)s::timestamptz IS NULL OR j.created_at > %(after)s)
     ORDER BY
"""
)
# What is taken is due again after a wait that doubles, before anybody is asked: whoever takes it may be killed.
_TAKE = """
    UPDATE jobs_job j
       SET looks = j.looks + 1,
           next_look_at = clock_timestamp()
                        + make_interval(secs => least(%(longest)s, %(first)s * 2 ^ least(j.looks, 20)))
     WHERE j.id = (SELECT id FROM jobs_job WHERE state <> 'ended' AND next_look_at <= clock_timestamp()
                    ORDER BY next_look_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING j.id
"""
_WHOLE = """
    SELECT j.id, j.kind, j.team_id, j.connection_id, j.state, j.vendor_id, j.status, j.shown, j.created_at,
           d.admitted_at, d.model_id, d.wire, d.reserved_nano
      FROM jobs_job j JOIN metering_durablereservation d ON d.id = j.id
     WHERE j.id = %s
"""

log = structlog.get_logger("bursar.jobs")


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """One job, as keys of its team may know it."""

    id: UUID
    kind: str
    team_id: int
    connection_id: int
    state: str
    vendor_id: str
    status: str
    shown: str
    created_at: datetime


class OpenJob(JobRow, frozen=True, kw_only=True):
    """One job, with what settling it needs. Where nothing was reserved, it runs at an account that is not charged."""

    admitted_at: datetime
    model_id: int
    wire: str
    reserved_nano: int


class Jobs:
    """The jobs of all teams, for one gateway process. Every method but `begin` raises GovernanceUnavailable alone."""

    def __init__(self, *, pool: Pool) -> None:
        self.files = Files(pool=pool)
        self._pool = pool
        self._books = DurableBooks(pool=pool)

    async def begin(self, claim: DurableClaim, *, kind: JobKind) -> None:
        """Reserve a job's worst case and write down that it will be sent, both or neither.

        Raises BudgetExceeded, BudgetHeld or GovernanceUnavailable; then nothing is held and nothing may be sent.
        """
        attribution, job_id = claim.claim.attribution, claim.claim.attempt_id

        async def write_down(connection: Connection) -> None:
            await connection.execute(
                "SELECT jobs_begin(%s, %s, %s, %s, %s)",
                (job_id, kind, attribution.team_id, attribution.connection_id, PATIENCE_SECONDS),
            )

        await self._books.reserve(claim, beside=write_down)

    async def note(self, job_id: UUID, reading: JobReading, *, shown: str) -> None:
        """Write down what the vendor says of a job; one that is over is looked at next."""
        seconds = 0.0 if reading.is_over else FIRST_LOOK_SECONDS
        try:
            async with self._pool.connection() as connection:
                await connection.execute(
                    "SELECT jobs_note(%s, %s, %s, %s, %s)",
                    (job_id, reading.id, reading.status, shown, seconds),
                )
                await _own_files(connection, job_id, reading)
        except (psycopg.OperationalError, PoolTimeout, OSError) as error:
            raise unavailable() from error

    async def drop(self, job_id: UUID, *, reason: str) -> None:
        """Give back what is held for a job: it is proved that the vendor does nothing for it."""
        try:
            async with self._pool.connection() as connection, connection.transaction():
                await durable.end(connection, job_id, Outcome(ending=Ending.RELEASED, reason=reason))
                await connection.execute("SELECT jobs_drop(%s)", (job_id,))
        except (psycopg.OperationalError, PoolTimeout, OSError) as error:
            raise unavailable() from error

    async def find(self, *, team_id: int, kind: JobKind, vendor_id: str) -> JobRow | None:
        """Return this team's job; None where there is none, whoever else may have one of that name."""
        rows = await self._rows(_FIND, (team_id, kind, vendor_id))
        return rows[0] if rows else None

    async def listed(
        self, *, team_id: int, kind: JobKind, limit: int, before: datetime | None = None, after: datetime | None = None
    ) -> list[JobRow]:
        """Return this team's jobs that a vendor has described, newest first: those before an instant, or the first ones
        after it.
        """
        order = "j.created_at ASC" if after is not None else "j.created_at DESC"
        values = {"team_id": team_id, "kind": kind, "before": before, "after": after, "limit": limit}
        rows = await self._rows(f"{_LIST} {order} LIMIT %(limit)s", values)
        return rows[::-1] if after is not None else rows

    async def _rows(self, query: str, values: Sequence[object] | dict[str, object]) -> list[JobRow]:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), values)
                return [
                    JobRow(**dict(zip(JobRow.__struct_fields__, row, strict=True))) for row in await cursor.fetchall()
                ]
        except (psycopg.OperationalError, PoolTimeout, OSError) as error:
            raise GovernanceUnavailable(
                "The jobs cannot be looked up because the database does not answer: try again shortly.",
                retry_after_seconds=1,
            ) from error


def shown_text(kind: str, body: bytes) -> str:
    """Return a vendor's description as it is kept for lists; nothing of one that holds the answer itself, that is too
    large, or that a database cannot keep.
    """
    if kind == JobKind.OPENAI_BACKGROUND:
        return ""
    return "" if len(body) > LARGEST_SHOWN or b"\0" in body else body.decode("utf-8", "replace")


async def take_due(connection: Connection) -> OpenJob | None:
    """Return a job that is due to be looked at, each to one caller alone; None when none is."""
    cursor = await connection.execute(_TAKE, {"first": FIRST_LOOK_SECONDS, "longest": LONGEST_WAIT_SECONDS})
    row = await cursor.fetchone()
    if row is None:
        return None
    cursor = await connection.execute(_WHOLE, (row[0],))
    whole = await cursor.fetchone()
    return None if whole is None else OpenJob(**dict(zip(_WHOLE_FIELDS, whole, strict=True)))


async def note_look(connection: Connection, job: OpenJob, reading: JobReading, *, shown: bytes) -> None:
    """Write down what the worker saw."""
    await connection.execute(
        "UPDATE jobs_job SET status = %s, shown = %s WHERE id = %s",
        (reading.status, shown_text(job.kind, shown), job.id),
    )
    await _own_files(connection, job.id, reading)


async def _own_files(connection: Connection, job_id: UUID, reading: JobReading) -> None:
    if reading.files:
        await connection.execute("SELECT jobs_own_files(%s, %s)", (job_id, list(reading.files)))


async def end_job(connection: Connection, job: OpenJob, *, rest: Outcome) -> int | None:
    """End a job and its reservation; return what its lines still held, which ends as `rest` says."""
    async with connection.transaction():
        held = await durable.end(connection, job.id, rest)
        await connection.execute(
            "UPDATE jobs_job SET state = 'ended', ended_at = clock_timestamp() WHERE id = %s AND state <> 'ended'",
            (job.id,),
        )
    return held


_WHOLE_FIELDS = (*JobRow.__struct_fields__, "admitted_at", "model_id", "wire", "reserved_nano")
