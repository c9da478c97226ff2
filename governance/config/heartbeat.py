"""Writing and reading signs of life through psycopg, so that the supervisor needs no Django."""

from datetime import datetime

import psycopg

BEAT = "beat"
WORKER = "worker"

_WRITE = """
INSERT INTO config_heartbeat (name, beaten_at) VALUES (%s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET beaten_at = excluded.beaten_at
"""


def write_heartbeat(connection: psycopg.Connection, name: str) -> None:
    """Say that this process did something now, by the database's clock."""
    with connection.transaction():
        connection.execute(_WRITE, [name])


def read_heartbeats(connection: psycopg.Connection) -> dict[str, datetime]:
    """Return the last sign of life of each process."""
    with connection.transaction():
        return dict(connection.execute("SELECT name, beaten_at FROM config_heartbeat").fetchall())
