"""A whole `bursar up` in a temporary home, with the commands of its operator."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench import machine
from tests.bench.cases import Meters
from tests.bench.database import Database, DatabaseReading
from tests.bench.operator import Operator
from tests.bench.scene import Scene, stopping
from tests.bench.settings import BenchSettings

_READY_SECONDS = 180
_IDLE_SECONDS = 2.0
# The gateway writes what it settled once a second: only then is the work of a call done.
_SETTLE_SECONDS = 1.5


class Gateway:
    """A running installation with the commands of its operator."""

    def __init__(self, *, scene: Scene, supervisor: int, variables: Mapping[str, str], ready_file: Path) -> None:
        self.scene = scene
        self.supervisor = supervisor
        self.home = Path(variables["BURSAR_HOME"])
        self.operator = Operator(program=_bursar(), variables=variables)
        self._ready_file = ready_file
        ready = json.loads(ready_file.read_text(encoding="utf-8"))
        self.port = int(ready["gateway_url"].rpartition(":")[2])
        self.database = Database(self.home, self.database_processes)

    def processes(self) -> list[int]:
        """Return the gateway's workers."""
        return [int(process) for process in json.loads(self._ready_file.read_text(encoding="utf-8"))["gateway_pids"]]

    def database_processes(self) -> list[int]:
        """Return the processes of PostgreSQL."""
        below = machine.descendants(self.supervisor)
        return [process for process in below if "postgres" in machine.command_of(process).split(" ")[0]]

    def pin(self) -> None:
        """Give the workers the proxy's core, and leave the other core to all the rest."""
        for process in machine.descendants(self.supervisor):
            machine.pin(process, self.scene.cores.others)
        for process in self.processes():
            machine.pin(process, self.scene.cores.proxy)

    def meters(self) -> Meters:
        """Return what to read of this installation while calls are made."""
        return Meters(
            processes=self.processes,
            database=self.database.read,
            database_idle=idle_rate(self.database),
            settle_seconds=_SETTLE_SECONDS,
        )


@contextlib.contextmanager
def open_gateway(scene: Scene, settings: BenchSettings, *, tell: Callable[[str], None]) -> Iterator[Gateway]:
    """Run `bursar up` in a home of its own until the block ends."""
    ready_file = scene.folder / "ready.json"
    variables = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BURSAR_", "DATABASE_", "CELERY_"))
        },
        "BURSAR_HOME": str(scene.folder / "home"),
        "BURSAR_GATEWAY_PORT": str(machine.free_port()),
        "BURSAR_CONSOLE_PORT": str(machine.free_port()),
        "BURSAR_GATEWAY_WORKERS": str(settings.gateway_workers),
        "BURSAR_READY_FILE": str(ready_file),
    }
    tell("starting `bursar up`")
    log = scene.folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*_bursar(), "up"], env=variables, stdout=output, stderr=subprocess.STDOUT)
    with stopping(process):
        _wait_until_ready(process, ready_file, log)
        gateway = Gateway(scene=scene, supervisor=process.pid, variables=variables, ready_file=ready_file)
        gateway.pin()
        with contextlib.closing(gateway.database):
            yield gateway


def idle_rate(database: Database) -> DatabaseReading:
    """Return what the database does per second without a call (the task queue asks it all the time)."""
    before, started = database.read(), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return database.read().per_second(before, time.monotonic() - started)


def _wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            print(log.read_text(encoding="utf-8", errors="replace")[-4000:], file=sys.stderr)
            raise SystemExit("`bursar up` did not become ready; the lines above are its own.")
        time.sleep(0.05)


def _bursar() -> list[str]:
    return [sys.executable, "-c", "from governance.config.command_line import main; raise SystemExit(main())"]
