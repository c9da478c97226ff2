"""Starting child processes that never outlive us."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_C_LIBRARY = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start_process(
    command: Sequence[str],
    *,
    variables: Mapping[str, str],
    output: IO[bytes] | int | None,
    folder: Path | None = None,
    user: str | None = None,
    inherited_descriptors: Sequence[int] = (),
    signal_when_orphaned: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a child in its own session, so that a Ctrl-C in the terminal reaches the supervisor alone.

    Where the kernel offers it (Linux), the child gets `signal_when_orphaned` when we die. Call it from the main
    thread: the kernel counts the death of the starting thread, not of the process.
    """
    return subprocess.Popen(
        list(command),
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=folder,
        user=user,
        group=None if user is None else _group(user),
        extra_groups=None if user is None else [],
        pass_fds=tuple(inherited_descriptors),
        start_new_session=True,
        preexec_fn=_follow_parent(signal_when_orphaned),
    )


def follow_parent_to_death(parent: int, signal_when_orphaned: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel for this signal when our parent dies (Linux only; elsewhere nothing happens)."""
    if _C_LIBRARY is not None:
        _C_LIBRARY.prctl(_PR_SET_PDEATHSIG, int(signal_when_orphaned), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal_when_orphaned)


def _follow_parent(signal_when_orphaned: signal.Signals) -> Callable[[], None] | None:
    if _C_LIBRARY is None:
        return None
    parent = os.getpid()
    return lambda: follow_parent_to_death(parent, signal_when_orphaned)


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
