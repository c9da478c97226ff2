"""The life of a gateway process as the books see it.

A process keeps a lock file locked as long as it lives; the kernel lets go of the lock only when the process is dead.
That lock, never a timeout, is the proof that lets another process of the same host recover what it left.
"""

import fcntl
import math
import os
import uuid
from pathlib import Path
from typing import IO

from psycopg import AsyncConnection
from psycopg.rows import TupleRow


class LifeLock:
    """A locked file, and the place of the journal beside it. Held until `release` or the death of the process."""

    def __init__(self, folder: Path, name: str, file: IO[bytes]) -> None:
        self.name = name
        self._path = folder / name
        self._file = file

    @classmethod
    def make(cls, folder: Path) -> "LifeLock":
        """Lock a new file. Raises OSError where the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{uuid.uuid4().hex}.lock"
        file = (folder / name).open("wb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(folder, name, file)

    @classmethod
    def of_the_dead(cls, folder: Path, name: str) -> "LifeLock":
        """Take the lock of a process that is gone, so that nobody else recovers it meanwhile.

        Raises BlockingIOError when the process lives (or is being recovered), FileNotFoundError when its file is gone.
        """
        file = (folder / name).open("rb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise
        return cls(folder, name, file)

    @staticmethod
    def untouched(folder: Path, *, before: float) -> list[Path]:
        """Return the lock files that were made, or left, before that time (seconds since 1970)."""
        return [path for path in sorted(folder.glob("*.lock")) if _touched_at(path) < before]

    @property
    def journal_path(self) -> Path:
        """Where the journal of this process lies."""
        return self._path.with_suffix(".journal")

    def leave(self) -> None:
        """Let go, and leave the files for a minute: a standby that takes over now may not know yet that it is over."""
        os.utime(self._file.fileno())
        self._file.close()

    def release(self, *, is_over: bool) -> None:
        """Let go. `is_over`: nothing of it is left in the books, so its files go."""
        if is_over:
            self.journal_path.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
        self._file.close()


def _touched_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


async def register(connection: AsyncConnection[TupleRow], *, host: str, lock: LifeLock) -> int:
    """Take a new epoch for this process."""
    cursor = await connection.execute("SELECT metering_register(%s, %s, %s)", (host, lock.name, os.getpid()))
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("The database registered no worker.")
    return int(row[0])
