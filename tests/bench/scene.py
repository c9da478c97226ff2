"""Everything around the proxy under test: temporary folder, upstreams, nginx, and the way to run a load."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.bench import machine
from tests.bench.load import LoadOrder, LoadResult
from tests.bench.nginx import proxy_server, start_nginx, static_server
from tests.bench.settings import EVENT_GAP_SECONDS

_START_SECONDS = 10
_STOP_SECONDS = 10


class Scene(msgspec.Struct, kw_only=True):
    """Ports and processes that all cases share."""

    folder: Path
    cores: machine.Cores
    json_port: int
    stream_port: int
    nginx_port: int
    nginx_stream_port: int
    nginx_process: int


@contextlib.contextmanager
def open_scene() -> Iterator[Scene]:
    """Start the upstreams and nginx in a temporary folder; stop them and remove it at the end."""
    # Told to stop, leave nothing behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    cores = machine.Cores()
    os.sched_setaffinity(0, cores.others)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bursar-bench-")))
        # An embedded PostgreSQL runs as another user where we are root: it must be able to pass through.
        folder.chmod(0o755)
        json_port, nginx_port, nginx_stream_port = (machine.free_port() for _ in range(3))
        stack.enter_context(stopping(start_nginx(folder / "upstream", static_server(json_port))))
        stream_port = stack.enter_context(_stream_upstream())
        nginx = start_nginx(
            folder / "proxy",
            proxy_server("chat", port=nginx_port, upstream_port=json_port, is_buffered=True),
            proxy_server("stream", port=nginx_stream_port, upstream_port=stream_port, is_buffered=False),
        )
        stack.enter_context(stopping(nginx))
        for port in (json_port, nginx_port, nginx_stream_port):
            wait_for_port(port)
        machine.pin(nginx.pid, cores.proxy)
        yield Scene(
            folder=folder,
            cores=cores,
            json_port=json_port,
            stream_port=stream_port,
            nginx_port=nginx_port,
            nginx_stream_port=nginx_stream_port,
            nginx_process=nginx.pid,
        )


@contextlib.contextmanager
def _stream_upstream() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port = int(listener.getsockname()[1])
        command = [sys.executable, "-m", "tests.bench.stream_upstream", str(listener.fileno()), str(EVENT_GAP_SECONDS)]
        process = subprocess.Popen(command, pass_fds=(listener.fileno(),))
    with stopping(process):
        yield port


@contextlib.contextmanager
def stopping(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop the process at the end, by force if it does not listen."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port: int, *, seconds: float = _START_SECONDS) -> None:
    """Return when something accepts connections there. Raises SystemExit after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"Nothing answers on port {port} after {seconds} s; the lines above say why.")


@contextlib.contextmanager
def running_load(order: LoadOrder) -> Iterator[subprocess.Popen[bytes]]:
    """Start the load generator with this order; it runs beside the caller until `finish_load`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with stopping(process):
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order))
        process.stdin.close()
        process.stdin = None
        yield process


def finish_load(process: subprocess.Popen[bytes]) -> LoadResult:
    """Wait for the load generator's result. Raises SystemExit when it stopped early."""
    output, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit("The bench stopped: a case did not answer as it must.")
    return msgspec.json.decode(output, type=LoadResult)


def run_load(order: LoadOrder) -> LoadResult:
    """Run the load generator to its end."""
    with running_load(order) as process:
        return finish_load(process)
