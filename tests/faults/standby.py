"""A second PostgreSQL that follows the first by streaming, as an operator's standby does.

Nothing of ours helps it: what it knows is what its wal receiver was sent.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict

from governance.config.postgres import EmbeddedPostgres

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_COME_BACK_SOON = "wal_retrieve_retry_interval = '200ms'\n"
_IS_STREAMING = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = %s"
_IS_DEAF = "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"


def follow(standby: EmbeddedPostgres, primary: EmbeddedPostgres, *, output: IO[bytes], is_synchronous: bool) -> None:
    """Copy the primary in place of what the standby has, and stream from it. Returns when it has what the primary has.

    With `is_synchronous` no commit on the primary is answered from then on before the standby has it on disk.
    """
    data, programs = standby.data_folder, primary.programs_folder
    shutil.rmtree(data)
    command = [programs / "pg_basebackup", "-d", primary.url(), "-D", data, "-c", "fast", "-X", "stream", "-R"]
    subprocess.run(command, check=True)
    owner = primary.data_folder.stat()
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(_COME_BACK_SOON)
    standby.start(output=output)
    if is_synchronous:
        _set(primary, "synchronous_standby_names = '*'")
    _await(primary, _IS_STREAMING, "sync" if is_synchronous else "async")


def dismiss(standby: EmbeddedPostgres, primary: EmbeddedPostgres) -> None:
    """Stop the standby, and have the primary wait for nobody."""
    _set(primary, "synchronous_standby_names = ''")
    standby.stop()


def stop_hearing(standby: EmbeddedPostgres) -> None:
    """What the primary commits from now on never arrives at its standby."""
    _set(standby, "primary_conninfo = ''")
    _await(standby, _IS_DEAF)


@contextlib.contextmanager
def hanging(standby: EmbeddedPostgres) -> Iterator[None]:
    """In the block the standby confirms nothing, as behind a network that is stuck."""
    with psycopg.connect(standby.url()) as session:
        row = session.execute("SELECT pid FROM pg_stat_wal_receiver").fetchone()
    assert row is not None
    os.kill(row[0], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(row[0], signal.SIGCONT)


def promote(standby: EmbeddedPostgres) -> None:
    """Let it become a primary, on a timeline of its own."""
    with psycopg.connect(standby.url(), autocommit=True) as session:
        session.execute("SELECT pg_promote()")


def url_of_both(url: str, *servers: EmbeddedPostgres) -> str:
    """Return a URL of one server as the URL of whichever of these is the primary."""
    hosts = ",".join(str(conninfo_to_dict(server.url())["host"]) for server in servers)
    return f"{url.partition('?')[0]}?host={hosts.replace('/', '%2F')}&target_session_attrs=read-write"


def _set(server: EmbeddedPostgres, setting: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute(f"ALTER SYSTEM SET {setting}".encode())
        session.execute("SELECT pg_reload_conf()")


def _await(server: EmbeddedPostgres, query: str, *values: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with psycopg.connect(server.url(), autocommit=True) as session:
        while session.execute(query.encode(), values).fetchone() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"A PostgreSQL of the test never came to this: {query}")
            time.sleep(_LOOK_SECONDS)
