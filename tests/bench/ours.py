"""The gateway under test: a whole `bursar up` in a temporary home, set up by the command line as an operator would."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench import machine
from tests.bench.cases import Case, Meters
from tests.bench.database import Database, DatabaseReading
from tests.bench.load import LoadOrder
from tests.bench.scene import Scene, finish_load, running_load, stopping
from tests.bench.settings import HELD_STREAMS, STREAMS_AT_ONCE, BenchSettings

_READY_SECONDS = 180
_BOOKED_SECONDS = 30
_IDLE_SECONDS = 2.0
# The gateway writes what it settled once a second: only then is the work of a call done.
_SETTLE_SECONDS = 1.5
_RAMP_SECONDS = 1.0
_AMPLE_USD = "1000000000"


class Gateway:
    """A running installation with the commands of its operator."""

    def __init__(self, *, scene: Scene, supervisor: int, variables: Mapping[str, str], ready_file: Path) -> None:
        self.scene = scene
        self.supervisor = supervisor
        self.variables = dict(variables)
        self._ready_file = ready_file
        ready = json.loads(ready_file.read_text(encoding="utf-8"))
        self.port = int(ready["gateway_url"].rpartition(":")[2])
        self.database = Database(Path(variables["BURSAR_HOME"]), self.database_processes)

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

    def command(self, *words: str) -> str:
        """Run `bursar ...` against this installation and return what it printed. Raises SystemExit."""
        done = subprocess.run([*_bursar(), *words], env=self.variables, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"`bursar {' '.join(words)}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def add_model(self, name: str, upstream_port: int) -> None:
        """Connect an upstream and sell it under this alias."""
        base_url = f"http://127.0.0.1:{upstream_port}/v1"
        self.command(
            "connections", "add", "openai_compatible", "--name", name, "--base-url", base_url,
            "--credential-env", "BENCH_CREDENTIAL",
        )  # fmt: skip
        self.command(
            "models", "add", name, "--connection", name, "--input-price", "2.50", "--output-price", "10",
            "--max-output-tokens", "4096",
        )  # fmt: skip


class Ours:
    """Our two cases, and the accounts of what they did."""

    def __init__(self, gateway: Gateway, cases: list[Case]) -> None:
        self.gateway = gateway
        self.cases = cases

    def accounts_of(self, case: Case) -> dict[str, float | int]:
        """Measure what is left to measure after the rounds, then count the rows that the calls left in the ledger."""
        figures: dict[str, float | int] = {}
        if case.is_stream:
            figures["stream_kib"] = round(self._kib_per_open_stream(case), 1)
        figures["database_round_trips"] = round(case.median(lambda item: item.database_transactions), 4)
        booked = self.gateway.database.booked(case.model)
        deadline = time.monotonic() + _BOOKED_SECONDS
        while booked.usage_rows < case.calls and time.monotonic() < deadline:
            time.sleep(0.2)
            booked = self.gateway.database.booked(case.model)
        budgets = booked.least_budgets if booked.least_budgets == booked.most_budgets else 0
        return {**figures, "budgets_on_path": budgets, "usage_rows": booked.usage_rows, "calls": case.calls}

    def _kib_per_open_stream(self, case: Case) -> float:
        """Hold many streams open and see what the workers grew by beyond those that the rounds had open already."""
        before = machine.rss_mib(self.gateway.processes())
        request = case.request(is_slow=True)
        order = LoadOrder(
            kind="streams", port=case.port, request=request, connections=HELD_STREAMS, calls=1,
            ramp_seconds=_RAMP_SECONDS,
        )  # fmt: skip
        with running_load(order) as process:
            time.sleep(_RAMP_SECONDS + 2)
            during = machine.rss_mib(self.gateway.processes())
            case.calls += finish_load(process).calls
        return max(0.0, during - before) * 1024 / (HELD_STREAMS - STREAMS_AT_ONCE)


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
        "BENCH_CREDENTIAL": "bench-credential-of-no-value",
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


def prepare(gateway: Gateway, *, tell: Callable[[str], None]) -> Ours:
    """Add models, four budgets and a key, and return our cases."""
    tell("adding models, budgets and a key")
    gateway.add_model("bench-chat", gateway.scene.json_port)
    gateway.add_model("bench-stream", gateway.scene.stream_port)
    key = add_budgets_and_key(gateway)
    meters = Meters(
        processes=gateway.processes,
        database=gateway.database.read,
        database_idle=_idle_rate(gateway.database),
        settle_seconds=_SETTLE_SECONDS,
    )

    def case(name: str, model: str, *, is_stream: bool) -> Case:
        return Case(name=name, port=gateway.port, model=model, is_stream=is_stream, meters=meters, key=key)

    return Ours(
        gateway,
        [case("bursar", "bench-chat", is_stream=False), case("bursar_stream", "bench-stream", is_stream=True)],
    )


def add_budgets_and_key(gateway: Gateway) -> str:
    """Set ample budgets on organisation, unit, team and key, and return the key."""
    raise NotImplementedError


def _idle_rate(database: Database) -> DatabaseReading:
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
