"""What can happen to the files that gateway processes keep beside the database. Their format is nobody's business here.

A file is touched only under the kernel's lock that its process held while it lived: so it belongs to a dead one, and
nobody recovers it at the same time.
"""

import contextlib
import errno
import fcntl
import os
import resource
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

FILLER = "filler"
_TORN = b"\x17\x00\x00\x00torn off in the mid"
_CHUNK = b"\0" * 4096


def tear(folder: Path) -> int:
    """End the files of dead processes with the beginning of a record that was never finished. Return how many."""
    torn = 0
    for path in _kept(folder):
        with _owned_by_the_dead(path) as file:
            if file is not None:
                with contextlib.suppress(OSError):  # the disk is full just now: torn enough
                    os.write(file, _TORN)
                torn += 1
    return torn


def remove(folder: Path) -> int:
    """Take away the files of dead processes, as the loss of their machine does. Return how many."""
    removed = 0
    for path in sorted(folder.glob("*")):
        with _owned_by_the_dead(path) as file:
            if file is not None:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def duplicate(folder: Path) -> list[Path]:
    """Put a copy beside every file of a dead process, as a careless restore does. Return the copies."""
    copies = []
    for path in _kept(folder):
        with _owned_by_the_dead(path) as file:
            if file is not None:
                copy = path.with_name(f"copy-of-{path.name}")
                copy.write_bytes(path.read_bytes())
                copies.append(copy)
    return copies


def smuggle(folder: Path, into: Path) -> int:
    """Put the files of dead processes of one machine among those of another, under their own names. Return how many."""
    smuggled = 0
    for path in _kept(folder):
        with _owned_by_the_dead(path) as file:
            if file is not None and not (into / path.name).exists():
                (into / path.name).write_bytes(path.read_bytes())
                (into / path.with_suffix(".lock").name).touch()
                smuggled += 1
    return smuggled


@contextlib.contextmanager
def full_disk(processes: Iterable["subprocess.Popen[bytes]"], folder: Path) -> Iterator[None]:
    """Let these processes write nothing more into files, as on a full disk.

    Where the folder is a file system of its own it is filled up. Elsewhere the kernel refuses every write of these
    processes into a regular file.
    """
    if folder.is_mount():
        with filled(folder):
            yield
        return
    held = [(process.pid, resource.prlimit(process.pid, resource.RLIMIT_FSIZE)) for process in processes]
    for process_id, (_, hard) in held:
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, (0, hard))
    yield
    for process_id, limits in held:
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill the file system of this folder up to its last page."""
    filler = folder / FILLER
    _fill(filler)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def small_disk(folder: Path, *, kibibytes: int) -> Iterator[None]:
    """Make the folder a small file system of its own, where we may mount one; elsewhere it stays as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=0700", "tmpfs", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(descriptor, _CHUNK)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(descriptor)


def _kept(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.glob("*")):
        with contextlib.suppress(FileNotFoundError):  # somebody recovered it meanwhile
            if path.is_file() and path.stat().st_size > 0 and path.name != FILLER:
                found.append(path)
    return found


@contextlib.contextmanager
def _owned_by_the_dead(path: Path) -> Iterator[int | None]:
    """Open the file with the lock of its process: the file itself or the one of its name that ends in `.lock`."""
    both = dict.fromkeys((path, path.with_suffix(".lock")))
    with contextlib.ExitStack() as stack:
        try:
            files = [os.open(each, os.O_WRONLY | os.O_APPEND) for each in both if each.exists()]
        except FileNotFoundError:
            files = []
        for file in files:
            stack.callback(os.close, file)
        yield files[0] if files and all(_locked(file) for file in files) else None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
