"""The journal of one gateway process: what it would owe if it died now.

An append-only file beside the process's lock file. Every record is one write(), so that a killed process leaves whole
records, which the kernel keeps; a torn last record is ignored by its length and checksum. There is no fsync: a machine
that lost its page cache has lost the journal, which the boot id in the header shows, and then nothing is freed.

    header   MAGIC, then a record with {lock, boot, host}
    record   u32 length, u32 CRC-32 of what follows, then one letter and the rest
             I  uuid, JSON of the intent       before an attempt is sent
             R  uuid, JSON of the outcome      when it has ended
             S  uuid, JSON integer             its reservation has shrunk to so much

Only records of attempts that are not booked matter. When the file has grown, they are written to a new one, which takes
its place.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

MAGIC: Final = b"bursar journal 1\n"
INTENT: Final = b"I"
RESULT: Final = b"R"
SHRUNK: Final = b"S"
ROTATE_BYTES: Final = 4 * 1024 * 1024
_HEAD: Final = struct.Struct("<II")
_UUID_BYTES: Final = 16
_LARGEST_RECORD: Final = 1024 * 1024


class JournalFull(OSError):
    """A record could not be written: the disk is full or broken. The file is as it was before."""


class JournalForeign(ValueError):
    """The file is no journal, or not that of this lock."""


class Header(msgspec.Struct, frozen=True):
    """Whose journal it is: the name of the lock file, the boot of the machine it was written in, and by whom."""

    lock: str
    boot: str
    host: str = ""


class Entry(msgspec.Struct, frozen=True):
    """What a journal says of one attempt. `result` is None when its outcome is unknown."""

    intent: bytes
    reserved_nano: int | None
    result: bytes | None


def boot_id() -> str:
    """Return the identity of this boot of the machine, or "" where the kernel does not say."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def record(kind: bytes, attempt_id: UUID, text: bytes) -> bytes:
    """Return one framed record."""
    return _framed(kind + attempt_id.int.to_bytes(_UUID_BYTES, "big") + text)


def _framed(body: bytes) -> bytes:
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


class Journal:
    """The open journal of this process. The caller holds the lock of the same name."""

    def __init__(self, path: Path, *, lock: str, host: str = "") -> None:
        self._path = path
        self._header = MAGIC + _framed(msgspec.json.encode(Header(lock, boot_id(), host)))
        self._records: dict[int, bytes] = {}
        self._live_bytes = 0
        self._file = -1
        self._size = 0
        self._is_torn = False
        self._begin()

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return self._size

    def intend(self, attempt_id: UUID, intent: bytes) -> None:
        """Write down what is about to be sent. Raises JournalFull: then nothing may be sent."""
        self._records[attempt_id.int] = self._append(record(INTENT, attempt_id, intent))

    def tell(self, kind: bytes, attempt_id: UUID, text: bytes) -> None:
        """Write down what became of an attempt. Raises JournalFull."""
        framed = self._append(record(kind, attempt_id, text))
        self._records[attempt_id.int] = self._records.get(attempt_id.int, b"") + framed

    def knows(self, attempt_id: UUID) -> bool:
        """Return whether its records still matter."""
        return attempt_id.int in self._records

    def forget(self, attempt_id: UUID) -> None:
        """The books know of this attempt, or it cost nothing: its records may go."""
        self._live_bytes -= len(self._records.pop(attempt_id.int, b""))

    def tidy(self) -> None:
        """Drop what is booked, when the file has grown large of it. Raises JournalFull; then it goes on as it is."""
        if self._size > ROTATE_BYTES and self._size > 2 * self._live_bytes:
            self._begin()

    def close(self) -> None:
        """Close the file; it stays."""
        os.close(self._file)

    def _begin(self) -> None:
        """Write a new file with the records that still matter, and let it take the place of the old one."""
        fresh = self._path.with_suffix(".new")
        content = self._header + b"".join(self._records.values())
        file = -1
        try:
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            _write(file, content)
            fresh.replace(self._path)
        except OSError as error:
            if file >= 0:
                os.close(file)
                fresh.unlink(missing_ok=True)
            raise JournalFull(error.errno, error.strerror) from error
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._size = len(content)
        self._is_torn = False

    def _append(self, framed: bytes) -> bytes:
        """Write a record that matters from now on, and return it. Raises JournalFull."""
        if self._is_torn:
            self._begin()
        try:
            _write(self._file, framed)
        except OSError as error:
            self._is_torn = True
            # Whatever followed a half-written record could not be read: cut it off, which needs no space.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
                os.lseek(self._file, self._size, os.SEEK_SET)
                self._is_torn = False
            raise JournalFull(error.errno, error.strerror) from error
        self._size += len(framed)
        self._live_bytes += len(framed)
        return framed


def _write(file: int, content: bytes) -> None:
    """Write all of it. What the kernel takes in one go it keeps whole; it takes less only when space runs out."""
    written = os.write(file, content)
    while written < len(content):
        written += os.write(file, content[written:])


def read_journal(path: Path, *, lock: str) -> tuple[Header, dict[UUID, Entry]]:
    """Return what a journal says, up to its first torn record. The caller holds its lock.

    Raises FileNotFoundError, and JournalForeign when the file is not that lock's journal.
    """
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise JournalForeign(f"{path} is no journal of Bursar.")
    bodies = _bodies(content, len(MAGIC))
    try:
        header = msgspec.json.decode(next(bodies, b""), type=Header)
    except msgspec.DecodeError as error:
        raise JournalForeign(f"{path} has no header that can be read.") from error
    if header.lock != lock:
        raise JournalForeign(f"{path} is the journal of another process: its header names {header.lock}.")
    entries: dict[UUID, Entry] = {}
    for body in bodies:
        _take(entries, body)
    return header, entries


def _bodies(content: bytes, position: int) -> Iterator[bytes]:
    while position + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, position)
        position += _HEAD.size
        body = content[position : position + length]
        if length > _LARGEST_RECORD or len(body) < length or zlib.crc32(body) != checksum:
            return
        yield body
        position += length


def _take(entries: dict[UUID, Entry], body: bytes) -> None:
    kind, attempt_id, text = body[:1], UUID(bytes=body[1 : 1 + _UUID_BYTES]), body[1 + _UUID_BYTES :]
    if kind == INTENT:
        entries[attempt_id] = Entry(text, None, None)
    elif (entry := entries.get(attempt_id)) is not None:
        if kind == RESULT:
            entries[attempt_id] = msgspec.structs.replace(entry, result=text)
        elif kind == SHRUNK:
            entries[attempt_id] = msgspec.structs.replace(entry, reserved_nano=int(text))
