"""How much this process refused of each key, on its way to the database: for people to see, not for the books.

Counted in memory and added up there every few seconds, so that a key that is refused all the time costs the database no
more than another. What a killed process had not told is lost, as the numbers of its metrics are.
"""

import asyncio
import contextlib
from datetime import datetime
from typing import Final, TypeAlias

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from governance.metering.bank import add_refusals

_log = structlog.get_logger("bursar.gateway")

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[TupleRow]]

_MOST: Final = 20_000
"""So many keys, reasons and hours are kept apart while the database is away; more are not counted."""
_QUERY_SECONDS: Final = 5.0


class RefusalCounts:
    """The counts of one process, told every `interval_seconds`."""

    def __init__(self, *, pool: Pool, interval_seconds: float) -> None:
        self._pool = pool
        self._interval = interval_seconds
        self._counts: dict[tuple[datetime, int, str], int] = {}

    def count(self, *, key_id: int, code: str, at: datetime) -> None:
        """Count one refused request of this key."""
        one = (at.replace(minute=0, second=0, microsecond=0), key_id, code)
        known = self._counts.get(one)
        if known is not None or len(self._counts) < _MOST:
            self._counts[one] = (known or 0) + 1

    async def run(self) -> None:
        """Tell them until cancelled, through any failure of the database."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._tell()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                _log.warning("refusals_not_told", waiting=len(self._counts), reason=type(error).__name__)

    async def close(self) -> None:
        """Tell what is left, as far as the database takes it now."""
        with contextlib.suppress(psycopg.Error, PoolTimeout, OSError):
            await self._tell()

    async def _tell(self) -> None:
        if not self._counts:
            return
        told, self._counts = self._counts, {}
        try:
            async with asyncio.timeout(_QUERY_SECONDS), self._pool.connection() as connection:
                await add_refusals(connection, told)
        except BaseException:
            for one, requests in self._counts.items():
                told[one] = told.get(one, 0) + requests
            self._counts = told
            raise
