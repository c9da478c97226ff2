"""One machine of a campaign: an embedded PostgreSQL, and gateway processes that share one socket.

Everything in it is started as `bursar up` starts it, and may be killed, stopped and started again.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from governance.config.postgres import EmbeddedPostgres
from governance.config.processes import start_process
from governance.config.secrets_file import read_secrets, write_secrets
from governance.config.supervisor import plans
from governance.config.supervisor.database import make_owner
from governance.config.supervisor.home import (
    OWNER_PASSWORD,
    SUPERUSER_PASSWORD,
    ensure_all_secrets,
    remember_embedded_url,
)
from governance.config.supervisor.sockets import listen
from governance.core.environment import Environment, read_environment
from tests.faults import standby as standbys
from tests.installation import get

ROOT = Path(__file__).resolve().parents[2]

_DRAIN_SECONDS = 60
_START_SECONDS = 60
_LOOK_SECONDS = 0.1
_LOG_TAIL_BYTES = 4000
_SKEWED = "tests.faults.skewed_gateway"
_SETTINGS = ("BURSAR_", "DATABASE_", "CELERY_", "DJANGO_")


class Host:
    """`gateways` holds the process of each place; one that died stays until `tend` puts another in its place.

    `skews` says by how many seconds the clock of a place is wrong. Places take turns with the `homes`: processes of
    two homes share nothing but the database, as on two machines.
    """

    def __init__(self, home: Path, server: EmbeddedPostgres, *, gateways: int, homes: int = 1) -> None:
        self.home = home
        self.homes = (home, *(home / f"machine-{number}" for number in range(2, homes + 1)))
        self.server = server
        self.standby: EmbeddedPostgres | None = None
        self.log_file = home / "processes.log"
        self._log = self.log_file.open("ab")
        self._variables = {
            "BURSAR_HOME": str(home),
            "BURSAR_GATEWAY_WORKERS": str(gateways),
            "BURSAR_LOG_LEVEL": "WARNING",
        }
        self._listener = listen("127.0.0.1", 0, variable="BURSAR_GATEWAY_PORT")
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.environment: Environment = read_environment(self._variables)
        self.gateways: list[subprocess.Popen[bytes]] = []
        self.skews: Mapping[int, int] = {}

    def prepare(self, secrets_held: dict[str, str]) -> None:
        """Make the server, its owner, roles and tables."""
        self.server.start(output=self._log)
        self._remember_url(make_owner(self.server, secrets_held[OWNER_PASSWORD]))
        done = self.run_module("owner", "governance.config.preparation")
        if done.returncode != 0:
            raise SystemExit(f"The campaign's database could not be prepared: {done.stderr}")

    @property
    def journal_folders(self) -> list[Path]:
        """Where gateway processes keep their files."""
        return [home / "gateway" for home in self.homes]

    def run_module(self, role: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a Python module of ours in the environment of this role."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            env=self.variables(role),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def variables(self, role: str) -> dict[str, str]:
        """Return the environment of a process with this database role."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        return (
            inherited
            | self._variables
            | {
                "BURSAR_DATABASE_ROLE": role,
                "DJANGO_SETTINGS_MODULE": "governance.config.settings",
                "PYTHONUNBUFFERED": "1",
            }
        )

    def start_gateways(self, count: int | None = None) -> None:
        """Start so many processes, or as many as there are places."""
        self.gateways = [self._start(number) for number in range(count or self.environment.gateway_workers)]

    def add_gateway(self) -> None:
        """Start one more process."""
        self.gateways.append(self._start(len(self.gateways)))

    def tend(self) -> None:
        """Start anew whatever has ended."""
        for number, process in enumerate(self.gateways):
            if process.poll() is not None:
                self.gateways[number] = self._start(number)

    def signal_gateway(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to one of our gateway processes; nothing happens when it has ended."""
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()

    async def ready(self, *, seconds: float = 60) -> None:
        """Return when a gateway process answers that it is ready."""
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(get, f"{self.url}/readyz") != 200:  # noqa: ASYNC110 - no event
                await asyncio.sleep(_LOOK_SECONDS)

    async def stop_database(self) -> None:
        """End PostgreSQL as `pg_ctl stop -m immediate` does: no checkpoint, no goodbye."""
        process = self.server.process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(process.wait)

    async def start_database(self) -> None:
        """Start PostgreSQL, which recovers from its log."""
        self.server.launch(output=self._log)
        await asyncio.to_thread(self.server.wait_until_ready)

    def add_standby(self, *, is_synchronous: bool) -> None:
        """Have another server follow this one. Processes that start from now on know the addresses of both.

        With `is_synchronous` they also rely on it: nothing that was answered to them is not on the standby.
        """
        if self.standby is None:
            # In a home of its own, below ours: as root, PostgreSQL runs as another user, who passes through.
            home = self.home / "standby"
            home.mkdir()
            home.chmod(0o711)
            self.standby = EmbeddedPostgres(
                home,
                superuser_password=read_secrets(self.home)[SUPERUSER_PASSWORD],
                is_durable=self.server.is_durable,
            )
            self.standby.prepare()
            url = self.environment.database_url("owner")
            self._remember_url(standbys.url_of_both(url, self.server, self.standby))
        self._variables["BURSAR_SYNCHRONOUS_STANDBY"] = "required" if is_synchronous else "optional"
        standbys.follow(self.standby, self.server, output=self._log, is_synchronous=is_synchronous)

    async def fail_over(self) -> None:
        """End PostgreSQL without a goodbye, and let its standby take its place; nobody follows that one then."""
        assert self.standby is not None
        await self.stop_database()
        self.server.stop()
        await asyncio.to_thread(standbys.promote, self.standby)
        self.server, self.standby = self.standby, self.server

    def dismiss_standby(self) -> None:
        """Go on with one server."""
        if self.standby is not None and self.standby.process is not None:
            standbys.dismiss(self.standby, self.server)
        self._variables["BURSAR_SYNCHRONOUS_STANDBY"] = "optional"

    async def drain(self) -> list[int]:
        """Ask every gateway process to stop. Return the exit codes; one that does not stop is killed."""
        for process in self.gateways:
            await _listening(process, signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
        return [await asyncio.to_thread(_exit_code, process) for process in self.gateways]

    def kill_gateways(self) -> None:
        """Kill every gateway process that still runs."""
        for process in self.gateways:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Stop everything at once."""
        self.kill_gateways()
        self.server.stop()
        if self.standby is not None:
            self.standby.stop()
        self._listener.close()
        self._log.close()

    def log_tail(self) -> str:
        """Return the last words of all processes."""
        return self.log_file.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")

    def _remember_url(self, url: str) -> None:
        remember_embedded_url(self.home, url)
        self.environment = read_environment(self._variables)
        for other in self.homes[1:]:
            write_secrets(other, read_secrets(self.home))

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        plan = plans.gateway_plans(self.environment, self._listener.fileno())[number]
        command: Sequence[str] = plan.command
        if skew := self.skews.get(number):
            command = [sys.executable, "-m", _SKEWED, str(skew), "--fd", str(self._listener.fileno())]
        return start_process(
            command,
            variables=self.variables("gateway") | {"BURSAR_HOME": str(self.homes[number % len(self.homes)])},
            output=self._log,
            folder=ROOT,
            inherited_descriptors=plan.descriptors,
        )


async def _listening(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Return when the process handles the signal: one that is still starting would just die of it."""
    status = Path("/proc") / str(process.pid) / "status"
    async with asyncio.timeout(_START_SECONDS):
        while process.poll() is None:
            caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
            if int(caught.split()[1], 16) >> (number - 1) & 1:
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextlib.contextmanager
def open_host(*, gateways: int, homes: int = 1, is_durable: bool = True) -> Iterator[Host]:
    """Prepare a machine in a temporary folder; no gateway process runs yet.

    Without `is_durable` PostgreSQL does not wait for the disk: faster, and no different while the kernel lives.
    """
    home = Path(tempfile.mkdtemp(prefix="bursar-faults-"))
    # As root, PostgreSQL runs below it as another user, who passes through.
    home.chmod(0o711)
    held = ensure_all_secrets(read_environment({"BURSAR_HOME": str(home)}))
    server = EmbeddedPostgres(home, superuser_password=held[SUPERUSER_PASSWORD], is_durable=is_durable)
    host = Host(home, server, gateways=gateways, homes=homes)
    try:
        host.prepare(held)
        yield host
    finally:
        host.close()
        shutil.rmtree(home, ignore_errors=True)
