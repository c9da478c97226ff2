"""What the kernel knows about processes: their CPU time, their memory, on which core they run. Linux only."""

import contextlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
# Fields of /proc/PID/stat counted after the command's closing bracket: state, ppid, ... utime, stime, cutime, cstime.
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 11, 12, 13, 14


class Cores:
    """The proxy under test has one core to itself; the upstream, the load and everything else share another."""

    def __init__(self) -> None:
        available = sorted(os.sched_getaffinity(0))
        self.are_separate = len(available) > 1
        self.proxy = {available[0]}
        self.others = {available[1]} if self.are_separate else {available[0]}

    def __str__(self) -> str:
        if self.are_separate:
            return f"the proxy on core {min(self.proxy)}, upstream, load and database on core {min(self.others)}"
        return "everything on one core: figures per second are too low, CPU per call still holds"


def cpu_seconds(process: int, *, with_ended_children: bool = False) -> float:
    """Return the user and system time that the process used so far, all its threads together; 0 when it is gone."""
    fields = _stat(process)
    if fields is None:
        return 0.0
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    if with_ended_children:
        ticks += int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])
    return ticks / _TICKS_PER_SECOND


def rss_mib(processes: Iterable[int]) -> float:
    """Return the resident memory of these processes, summed."""
    return sum(_rss_kib(process) for process in processes) / 1024


def descendants(process: int) -> list[int]:
    """Return all processes below this one."""
    parents: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None:
            parents.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    found: list[int] = []
    queue = [process]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def command_of(process: int) -> str:
    """Return the command line of a process; empty when it is gone."""
    try:
        return (_PROC / str(process) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def pin(process: int, cores: set[int]) -> None:
    """Keep the process, with all the threads it has, on these cores. What it starts later follows."""
    with contextlib.suppress(OSError):
        for task in (_PROC / str(process) / "task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stat(process: int) -> list[str] | None:
    try:
        text = (_PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _rss_kib(process: int) -> int:
    try:
        lines = (_PROC / str(process) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
