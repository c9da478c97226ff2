"""Asking the children whether they answer yet."""

import http.client
from datetime import datetime

import psycopg

from governance.config.heartbeat import BEAT, WORKER, read_heartbeats

_PROBE_SECONDS = 2.0
_SERVER_ERROR = 500


def answers(host: str, port: int, path: str) -> bool:
    """Say whether a GET of this path is answered without a server error."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 # where we listen, not where we ask
    connection = http.client.HTTPConnection(reachable, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}", "Connection": "close"})
        return connection.getresponse().status < _SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def silent_background(session: psycopg.Connection, since: datetime) -> set[str]:
    """Return which of beat and worker gave no sign of life since this instant of the database's clock."""
    beats = read_heartbeats(session)
    return {name for name in (BEAT, WORKER) if name not in beats or beats[name] < since}


def database_now(session: psycopg.Connection) -> datetime:
    """Return the database's clock."""
    row = session.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise psycopg.OperationalError("The database did not say what time it is.")
    now: datetime = row[0]
    return now
