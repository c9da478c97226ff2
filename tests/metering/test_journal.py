"""The journal: whatever cuts it short leaves a prefix of what was told, and rotation keeps exactly what is alive."""

import os
import struct
from pathlib import Path
from unittest import mock
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.metering import journal as module
from governance.metering.journal import (
    INTENT,
    MAGIC,
    RESULT,
    SHRUNK,
    Entry,
    Journal,
    JournalForeign,
    JournalFull,
    read_journal,
    record,
)

Told = tuple[bytes, UUID, bytes]

IDS = st.integers(0, 5).map(lambda number: UUID(int=number))
TEXTS = st.binary(max_size=40)
RECORDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([INTENT, RESULT]), IDS, TEXTS),
        st.tuples(st.just(SHRUNK), IDS, st.integers(0, 10**12).map(lambda nano: b"%d" % nano)),
    ),
    max_size=12,
)


def expected(told: list[Told]) -> dict[UUID, Entry]:
    entries: dict[UUID, Entry] = {}
    for kind, attempt_id, text in told:
        if kind == INTENT:
            entries[attempt_id] = Entry(text, None, None)
        elif attempt_id in entries and kind == RESULT:
            entries[attempt_id] = msgspec.structs.replace(entries[attempt_id], result=text)
        elif attempt_id in entries:
            entries[attempt_id] = msgspec.structs.replace(entries[attempt_id], reserved_nano=int(text))
    return entries


def write(path: Path, told: list[Told]) -> Journal:
    journal = Journal(path, lock="own.lock")
    for kind, attempt_id, text in told:
        if kind == INTENT:
            journal.intend(attempt_id, text)
        else:
            journal.tell(kind, attempt_id, text)
    return journal


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(told=RECORDS, data=st.data())
def test_any_truncation_leaves_a_prefix(tmp_path: Path, told: list[Told], data: st.DataObject) -> None:
    path = tmp_path / "own.journal"
    begin = write(path, []).size_bytes
    journal = write(path, told)
    journal.close()
    assert journal.size_bytes == path.stat().st_size
    ends, end = [], begin
    for each in told:
        end += len(record(*each))
        ends.append(end)
    cut = data.draw(st.integers(begin, end))
    os.truncate(path, cut)
    header, entries = read_journal(path, lock="own.lock")
    assert header.lock == "own.lock"
    assert entries == expected([each for each, end in zip(told, ends, strict=True) if end <= cut])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(told=RECORDS.filter(bool), data=st.data())
def test_a_flipped_bit_ends_what_can_be_read(tmp_path: Path, told: list[Told], data: st.DataObject) -> None:
    path = tmp_path / "own.journal"
    begin = write(path, []).size_bytes
    write(path, told).close()
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(begin, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    _, entries = read_journal(path, lock="own.lock")
    assert any(entries == expected(told[:count]) for count in range(len(told)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(told=RECORDS)
def test_a_journal_told_twice_says_the_same(tmp_path: Path, told: list[Told]) -> None:
    write(tmp_path / "own.journal", told + told).close()
    _, entries = read_journal(tmp_path / "own.journal", lock="own.lock")
    assert entries == expected(told + told)
    assert entries.keys() == expected(told).keys()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(told=RECORDS, gone=st.sets(IDS), after=RECORDS)
def test_rotation_keeps_exactly_what_is_alive(
    tmp_path: Path, told: list[Told], gone: set[UUID], after: list[Told]
) -> None:
    path = tmp_path / "own.journal"
    # Every attempt begins with its intent; what comes after the rotation may be of forgotten attempts, too.
    intents = [(INTENT, UUID(int=number), b"{}") for number in range(6)]
    journal = write(path, [*intents, *told])
    for attempt_id in gone:
        journal.forget(attempt_id)
        assert not journal.knows(attempt_id)
    with mock.patch.object(module, "ROTATE_BYTES", 0):
        journal._size *= 1_000
        journal.tidy()
    alive = [each for each in [*intents, *told] if each[1] not in gone]
    assert read_journal(path, lock="own.lock")[1] == expected(alive)
    assert journal.size_bytes == path.stat().st_size
    for kind, attempt_id, text in after:
        journal.tell(kind, attempt_id, text)
    journal.close()
    assert read_journal(path, lock="own.lock")[1] == expected([*alive, *after])


def test_a_small_or_mostly_living_journal_is_not_rotated(tmp_path: Path) -> None:
    path = tmp_path / "own.journal"
    journal = write(path, [(INTENT, UUID(int=1), b"x" * 600_000)] * 1)
    inode = path.stat().st_ino
    journal.forget(UUID(int=1))
    journal.tidy()
    assert path.stat().st_ino == inode
    for number in range(2, 12):
        journal.intend(UUID(int=number), b"x" * 600_000)
    journal.tidy()
    assert path.stat().st_ino == inode
    for number in range(2, 9):
        journal.forget(UUID(int=number))
    journal.tidy()
    assert path.stat().st_ino != inode
    journal.close()
    assert read_journal(path, lock="own.lock")[1].keys() == {UUID(int=number) for number in (9, 10, 11)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"something else",
        MAGIC,
        MAGIC + struct.pack("<II", 4, 0) + b"torn",
        MAGIC + record(b"{", UUID(int=0), b"}"),
    ],
)
def test_what_is_no_journal_is_foreign(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.journal"
    path.write_bytes(content)
    with pytest.raises(JournalForeign):
        read_journal(path, lock="own.lock")


def test_the_journal_of_another_lock_is_foreign(tmp_path: Path) -> None:
    write(tmp_path / "own.journal", []).close()
    with pytest.raises(JournalForeign, match="its header names own"):
        read_journal(tmp_path / "own.journal", lock="other.lock")


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "own.journal"
    journal = write(path, [(INTENT, UUID(int=1), b"first")])
    before = path.read_bytes()

    def write_half(file: int, content: bytes) -> None:
        os.write(file, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with mock.patch.object(module, "_write", write_half), pytest.raises(JournalFull):
        journal.intend(UUID(int=2), b"second")
    assert path.read_bytes() == before
    assert not journal.knows(UUID(int=2))
    journal.intend(UUID(int=3), b"third")
    journal.close()
    assert read_journal(path, lock="own.lock")[1].keys() == {UUID(int=1), UUID(int=3)}


def test_a_half_written_record_that_cannot_be_cut_off_is_left_behind_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "own.journal"
    journal = write(path, [(INTENT, UUID(int=1), b"first")])

    def write_half(file: int, content: bytes) -> None:
        os.write(file, content[: len(content) // 2])
        raise OSError(5, "Input/output error")

    with (
        mock.patch.object(module, "_write", write_half),
        mock.patch.object(module.os, "ftruncate", side_effect=OSError(5, "Input/output error")),
        pytest.raises(JournalFull),
    ):
        journal.intend(UUID(int=2), b"second")
    journal.intend(UUID(int=3), b"third")
    journal.close()
    assert read_journal(path, lock="own.lock")[1].keys() == {UUID(int=1), UUID(int=3)}


def test_a_journal_that_cannot_even_be_begun_says_so_as_a_full_one_does(tmp_path: Path) -> None:
    with pytest.raises(JournalFull):
        Journal(tmp_path / "gone" / "one.journal", lock="one.lock", host="here")
