"""The life of a gateway process as the books see it.

A process keeps a lock file locked as long as it lives; the kernel lets go of the lock only when the process is dead.
That lock, never a timeout, is the proof that lets another process of the same host recover what it left.
"""

import fcntl
import os
import uuid
from pathlib import Path
from typing import IO

from psycopg import AsyncConnection
from psycopg.rows import TupleRow


class LifeLock:
    """A locked file. Held until `release` or the death of the process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.name = f"{uuid.uuid4().hex}.lock"
        self._path = folder / self.name
        self._file: IO[bytes] = self._path.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let go and remove the file: this process has nothing in the books any more."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_alive(folder: Path, lock_name: str) -> bool:
    """Return whether a process holds this lock. A missing file means that its process is gone or gave it up."""
    try:
        with (folder / lock_name).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


async def register(connection: AsyncConnection[TupleRow], *, host: str, lock: LifeLock) -> int:
    """Take a new epoch for this process."""
    cursor = await connection.execute("SELECT metering_register(%s, %s, %s)", (host, lock.name, os.getpid()))
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("The database registered no worker.")
    return int(row[0])


async def recover_dead(connection: AsyncConnection[TupleRow], *, host: str, folder: Path) -> dict[int, int]:
    """End the epochs of this host whose processes are dead; return {epoch: attempts moved to suspense}."""
    cursor = await connection.execute(
        "SELECT epoch, lock_name FROM metering_worker WHERE host = %s AND state = 'alive' ORDER BY epoch", (host,)
    )
    recovered = {}
    for epoch, lock_name in await cursor.fetchall():
        if not is_alive(folder, lock_name):
            recovered[epoch] = await retire(connection, epoch=epoch)
            (folder / lock_name).unlink(missing_ok=True)
    return recovered


async def retire(connection: AsyncConnection[TupleRow], *, epoch: int) -> int:
    """End an epoch; return how many attempts without outcome went to suspense."""
    cursor = await connection.execute("SELECT metering_recover(%s)", (epoch,))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
