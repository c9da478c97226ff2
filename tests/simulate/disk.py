"""The disks that journals lie on: real files, and writes that fail as writes do."""

import asyncio
import errno
import os
from random import Random


class ProcessKilled(BaseException):
    """The process dies in the middle of a write."""


class Disk:
    """One process's disk. The world sets its faults."""

    def __init__(self, chance: Random) -> None:
        self.is_full = False
        self.kills_at_write = False
        self._chance = chance

    def write(self, file: int, content: bytes) -> None:
        """Write all of it, or a part and an error."""
        if self.kills_at_write or self.is_full:
            os.write(file, content[: self._chance.randrange(len(content))])
        if self.kills_at_write:
            raise ProcessKilled
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.write(file, content)


def write(file: int, content: bytes) -> None:
    """Stand for `governance.metering.journal._write`: write to the disk of the process that runs."""
    asyncio.get_running_loop().write(file, content)  # type: ignore[attr-defined]
