"""kombu's pgmq transport on a connection pool of ours.

The stock one takes a connection string apart and drops what it does not know: the Unix socket's folder, and `sslmode`.
"""

from typing import Any

from kombu.transport import pgmq
from pgmq import PGMQueue
from psycopg_pool import ConnectionPool

_POOL_SIZE = 4
_POOL_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 0.5


class Transport(pgmq.Transport):
    """Messages through the database whose URL is the transport option `database_url`."""

    def _create_pgmq_client(self) -> PGMQueue:
        options: dict[str, Any] = dict(self.client.transport_options)  # type: ignore[union-attr] # set by the base
        pool = ConnectionPool(
            options["database_url"], min_size=1, max_size=_POOL_SIZE, timeout=_POOL_SECONDS, open=True, name="broker"
        )
        return PGMQueue(pool=pool, vt=options["visibility_timeout"], init_extension=False)

    def drain_events(self, connection: Any, timeout: float | None = None, **options: Any) -> None:
        """Wait for messages; never so long that a worker told to stop is slow to notice."""
        shorter = min(timeout or _LONGEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS)
        super().drain_events(connection, timeout=shorter, **options)  # type: ignore[no-untyped-call] # kombu's

    def close_connection(self, connection: object) -> None:
        """Close the pool too: the client leaves pools that were given to it open."""
        client = self._pgmq_client
        pool = client.pool if client is not None else None
        super().close_connection(connection)
        if pool is not None:
            pool.close()
