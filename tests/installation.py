"""A whole installation for tests: a real `bursar up` on free ports with a home of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

_START_SECONDS = 90.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Installation:
    """Start it with `start`, ask it through `facts`, and leave the `with` block to stop it and remove everything."""

    def __init__(self, **variables: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="bursar-home-"))
        # As root, PostgreSQL runs below it as another user, who passes through.
        self.home.chmod(0o711)
        self.ready_file = self.home / "ready.json"
        self.log_file = self.home / "up.log"
        kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        self.environment = kept | {
            "BURSAR_HOME": str(self.home),
            "BURSAR_GATEWAY_PORT": str(free_port()),
            "BURSAR_CONSOLE_PORT": str(free_port()),
            "BURSAR_GATEWAY_WORKERS": "2",
            **variables,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def facts(self) -> dict[str, Any]:
        """The ready file's content now."""
        content: dict[str, Any] = json.loads(self.ready_file.read_text())
        return content

    @property
    def log(self) -> str:
        """What `bursar up` printed so far."""
        return self.log_file.read_text(errors="replace")

    def start(self) -> dict[str, Any]:
        """Start and wait until everything answers. Returns the ready file's content."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "governance.config.command_line", "up", "--ready-file", str(self.ready_file)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        process = self.process
        wait_until(lambda: self.ready_file.exists() or process.poll() is not None, _START_SECONDS, self._explain)
        assert process.poll() is None, self.log
        return self.facts

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end. Returns the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(_STOP_SECONDS)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one `bursar` command against this installation."""
        return subprocess.run(
            [sys.executable, "-m", "governance.config.command_line", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def processes(self) -> list[int]:
        """Return every live process that belongs to this home (Linux)."""
        return [process_id for process_id in _process_ids() if self._owns(process_id)]

    def _owns(self, process_id: int) -> bool:
        folder = Path("/proc") / str(process_id)
        mark = os.fsencode(self.home)
        try:
            is_ours = mark in (folder / "environ").read_bytes() or mark in (folder / "cmdline").read_bytes()
            return is_ours and "\nState:\tZ" not in (folder / "status").read_text()
        except OSError:
            return False

    def _explain(self) -> str:
        return f"bursar up did not get ready:\n{self.log}"


def get(url: str) -> int:
    """Return the status of a GET; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            status: int = reply.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until(condition: Callable[[], bool], seconds: float, explain: Callable[[], str]) -> None:
    """Wait for a condition; fail with the explanation when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(_POLL_SECONDS)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _is_setting(name: str) -> bool:
    return name.startswith(("BURSAR_", "DATABASE_URL", "CELERY_", "DJANGO_"))


def _process_ids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
