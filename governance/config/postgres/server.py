"""Starting, watching and stopping the embedded server."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

from governance.config.postgres.place import Place, PlaceUnusable, prepare_place
from governance.config.processes import start_process

SUPERUSER = "postgres"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_LOG_TAIL_CHARACTERS = 2000
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "logging_collector": "off",
}


class PostgresFailed(Exception):
    """The embedded server cannot be used. The message says what it said and what to do."""


class EmbeddedPostgres:
    """One server below one home. Data stays between starts; a crash is recovered by PostgreSQL itself."""

    def __init__(self, home: Path, *, superuser_password: str, is_durable: bool = True) -> None:
        self._home = home
        self._password = superuser_password
        self.is_durable = is_durable
        self._place: Place | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, *, user: str = SUPERUSER, password: str | None = None, database: str = "postgres") -> str:
        """Return a connection URL over the Unix socket."""
        if self._place is None:
            raise PostgresFailed("The embedded PostgreSQL was asked for its address before it was prepared.")
        secret = quote(password if password is not None else self._password, safe="")
        return f"postgresql://{quote(user)}:{secret}@/{quote(database)}?host={quote(str(self._place.sockets), safe='')}"

    @property
    def data_folder(self) -> Path:
        """Where the database cluster lies. Raises PostgresFailed before `prepare`."""
        return self._prepared().data

    @property
    def programs_folder(self) -> Path:
        """Where PostgreSQL's own programs lie. Raises PostgresFailed before `prepare`."""
        return self._prepared().programs

    def prepare(self) -> bool:
        """Make the folders and, the first time, the database cluster. Return True when it was made now."""
        try:
            self._place = prepare_place(self._home)
        except (PlaceUnusable, OSError) as error:
            raise PostgresFailed(f"The embedded PostgreSQL has no place for its data: {error}") from error
        if (self._place.data / "PG_VERSION").exists():
            self._refuse_other_version(self._place)
            return False
        self._initialise(self._place)
        return True

    def start(self, *, output: IO[bytes] | int | None = None) -> None:
        """Start the server as a child and wait until it answers. Raises PostgresFailed."""
        self.launch(output=output)
        self.wait_until_ready()

    def launch(self, *, output: IO[bytes] | int | None = None) -> subprocess.Popen[bytes]:
        """Start the server as a child without waiting."""
        if self._place is None:
            self.prepare()
        place = self._prepared()
        _wait_for_leftovers(place.data)
        settings = _SETTINGS | {"unix_socket_directories": str(place.sockets), "fsync": _switch(self.is_durable)}
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        self.process = start_process(
            [str(place.programs / "postgres"), "-D", str(place.data), *arguments],
            variables={"LC_ALL": "C", "PATH": os.defpath},
            output=output,
            folder=place.data.parent,
            user=place.user,
            signal_when_orphaned=signal.SIGINT,
        )
        return self.process

    def wait_until_ready(self) -> None:
        """Wait until the server takes connections. Raises PostgresFailed when it ends or stays silent."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if self.process is None or self.process.poll() is not None:
                raise PostgresFailed(
                    "The embedded PostgreSQL ended while starting. Its own words are in the log above."
                )
            if _says_ready(self._prepared().data, self.process.pid):
                return
            if time.monotonic() > deadline:
                raise PostgresFailed("The embedded PostgreSQL does not get ready. Its own words are in the log above.")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop cleanly: open transactions are rolled back, everything committed is on disk."""
        if self.process is None:
            return
        for how, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, _STOP_SECONDS), (signal.SIGKILL, 5.0)):
            if self.process.poll() is None:
                self.process.send_signal(how)
                try:
                    self.process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
        self.process = None

    def _initialise(self, place: Place) -> None:
        with tempfile.NamedTemporaryFile("w", dir=place.sockets, encoding="utf-8") as password_file, _log() as log:
            password_file.write(self._password)
            password_file.flush()
            if place.user is not None:
                os.chown(password_file.name, place.data.stat().st_uid, -1)
            arguments = ["-D", str(place.data), "-U", SUPERUSER, f"--pwfile={password_file.name}"]
            arguments += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
            process = start_process(
                [str(place.programs / "initdb"), *arguments, *([] if self.is_durable else ["--no-sync"])],
                variables={"LC_ALL": "C", "PATH": os.defpath},
                output=log,
                folder=place.data.parent,
                user=place.user,
            )
            if process.wait() != 0:
                raise PostgresFailed(f"The embedded PostgreSQL could not make its database: {_tail(log)}")

    def _prepared(self) -> Place:
        if self._place is None:
            raise PostgresFailed("The embedded PostgreSQL was not prepared.")
        return self._place

    def _refuse_other_version(self, place: Place) -> None:
        held = (place.data / "PG_VERSION").read_text(encoding="utf-8").strip()
        answer = subprocess.run([place.programs / "postgres", "--version"], capture_output=True, text=True, check=True)
        offered = answer.stdout.split()[-1].partition(".")[0]
        if held != offered:
            raise PostgresFailed(
                f"The data in {place.data} was written by PostgreSQL {held}, and this installation carries {offered}. "
                f"Carry it over with pg_dump and pg_restore, or install the earlier release of Bursar."
            )


def _says_ready(data: Path, process_id: int) -> bool:
    # The server's own report, so that no knock of ours stands in its log as a failed log-in.
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return False
    return bool(lines) and lines[0] == str(process_id) and lines[-1] == "ready"


def _wait_for_leftovers(data: Path) -> None:
    """Wait for the processes of a killed server to notice; then take away the lock file that it left.

    PostgreSQL refuses to start when the process id in its lock file is alive, whoever has it now: after a restart of
    a container that is often somebody else.
    """
    proc = Path("/proc")
    if not (data / "postmaster.pid").exists() or not (proc / "self" / "cwd").exists():
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while _has_process_in(proc, data):
        if time.monotonic() > deadline:
            raise PostgresFailed(f"Another PostgreSQL still works on {data}. Stop it, then start Bursar again.")
        time.sleep(_POLL_SECONDS)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _has_process_in(proc: Path, data: Path) -> bool:
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                if (folder / "cwd").readlink() == data:
                    return True
            except OSError:  # ended meanwhile, or somebody else's: then it is not ours
                continue
    return False


def _log() -> IO[bytes]:
    return tempfile.TemporaryFile("w+b")


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-_LOG_TAIL_CHARACTERS:].strip()


def _switch(is_on: bool) -> str:
    return "on" if is_on else "off"
