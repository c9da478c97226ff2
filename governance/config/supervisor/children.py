"""One child process: started, watched, started again after growing pauses, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import IntEnum

import msgspec

from governance.config.processes import start_process
from governance.config.supervisor.output import Output

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 15.0
_STEADY_SECONDS = 30.0


class StopStage(IntEnum):
    """In which order things are stopped: first whoever takes requests, so that their calls can finish."""

    GATEWAY = 1
    REST = 2


class ChildPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How one child is started and stopped."""

    name: str
    command: tuple[str, ...]
    variables: Mapping[str, str]
    descriptors: tuple[int, ...] = ()
    stage: StopStage = StopStage.REST
    stop_seconds: float = 15.0


class Child:
    """One child that should be running."""

    def __init__(self, plan: ChildPlan, output: Output) -> None:
        self.plan = plan
        self.process: subprocess.Popen[bytes] | None = None
        self._output = output
        self._started_at = 0.0
        self._failures = 0
        self._may_start_at = 0.0

    @property
    def process_id(self) -> int | None:
        """The child's process id while it runs."""
        return self.process.pid if self.process is not None else None

    def start(self) -> None:
        """Start it now."""
        pipe = self._output.open_pipe(self.plan.name)
        try:
            self.process = start_process(
                self.plan.command,
                variables=self.plan.variables,
                output=pipe,
                inherited_descriptors=self.plan.descriptors,
            )
        finally:
            os.close(pipe)
        self._started_at = time.monotonic()

    def tend(self) -> bool:
        """Start it again if it ended and its pause is over. Return True when it was started."""
        if self.process is not None:
            if not self.has_ended():
                return False
            self._note_end(self._end())
        if time.monotonic() < self._may_start_at:
            return False
        self.start()
        return True

    def ask_to_stop(self) -> None:
        """Send SIGTERM: finish what is under way, then end."""
        if self.process is not None and not self.has_ended():
            self.process.send_signal(signal.SIGTERM)

    def has_ended(self) -> bool:
        """Say whether it runs no more. Does not reap it: until `kill`, nobody else gets its process id."""
        if self.process is None or self.process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        if self.process is not None and self.process.returncode is None:
            self._end()

    def _end(self) -> int:
        """Kill what is left in its session while the process id is surely still its own; return its exit code."""
        if self.process is None:
            return 0
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self.process = None
        return code

    def _note_end(self, code: int) -> None:
        if time.monotonic() - self._started_at > _STEADY_SECONDS:
            self._failures = 0
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._may_start_at = time.monotonic() + pause
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._output.say(f"{self.plan.name} {how}; it is started again in {pause:.1f} s.")
