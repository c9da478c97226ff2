"""Preparing, starting, watching and stopping."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import FrameType

import psycopg

from governance.config.postgres import EmbeddedPostgres, PostgresFailed
from governance.config.processes import start_process
from governance.config.supervisor import database, plans
from governance.config.supervisor.children import Child, StopStage
from governance.config.supervisor.errors import StartRefused, StopRequested
from governance.config.supervisor.home import (
    OWNER_PASSWORD,
    SUPERUSER_PASSWORD,
    ensure_all_secrets,
    lock_home,
    read_memory,
    remember_embedded_url,
    write_memory,
)
from governance.config.supervisor.output import Output
from governance.config.supervisor.readiness import answers, database_now, silent_background
from governance.config.supervisor.ready_file import ReadyFacts, refuse_unwritable, write_ready_file
from governance.config.supervisor.sockets import is_free, listen
from governance.config.supervisor.welcome import welcome_text
from governance.core.environment import Environment, read_environment

_TICK_SECONDS = 0.1
_READY_SECONDS = 120.0
_PROBE_SECONDS = 0.2
_PATIENCE_SECONDS = 5.0


class Supervisor:
    """One installation on one machine, from nothing to running and back."""

    def __init__(self, environment: Environment, output: Output) -> None:
        self._environment = environment
        self._output = output
        self._stop_requests = 0
        self._last_signal = ""
        self._server: EmbeddedPostgres | None = None
        self._children: list[Child] = []
        self._sockets: list[socket.socket] = []
        self._sandbox_url = ""
        self._began = time.monotonic()

    def run(self) -> int:
        """Run until told to stop. Returns the exit code."""
        with self._signals():
            try:
                self._prepare()
                self._start_children()
                self._wait_until_ready()
                self._watch()
            except StopRequested:
                self._output.say("Asked to stop while starting.")
            except (StartRefused, PostgresFailed) as error:
                self._drain_output()
                self._output.say(str(error))
                return StartRefused.exit_code
            finally:
                self._stop()
        return 0

    # --- preparing

    def _prepare(self) -> None:
        environment = self._environment
        self._lock = lock_home(environment.home)
        refuse_unwritable(environment.ready_file)
        held = ensure_all_secrets(environment)
        self._listen(environment.host, environment.gateway_port, "BURSAR_GATEWAY_PORT")
        self._listen(environment.host, environment.console_port, "BURSAR_CONSOLE_PORT")
        self._listen_for_sandbox()
        if environment.is_database_embedded:
            self._start_server(held)
        self._environment = read_environment(os.environ)
        with database.connect(self._environment, "owner") as session:
            if not database.is_prepared(session, self._sandbox_url):
                self._prepare_database(session)

    def _start_server(self, held: dict[str, str]) -> None:
        home = self._environment.home
        self._server = EmbeddedPostgres(home, superuser_password=held[SUPERUSER_PASSWORD])
        if not (home / "postgres").exists():
            self._output.say("Making the database (once) ...")
        self._server.prepare()
        self._launch_server()
        self._server.wait_until_ready()
        remember_embedded_url(home, database.make_owner(self._server, held[OWNER_PASSWORD]))

    def _launch_server(self) -> None:
        if self._server is not None:
            pipe = self._output.open_pipe("postgres")
            try:
                self._server.launch(output=pipe)
            finally:
                os.close(pipe)

    def _prepare_database(self, session: psycopg.Connection) -> None:
        self._output.say("Preparing the database: roles, tables, grants ...")
        self._run_step("migrations", "owner", "governance.config.preparation")
        self._output.say("Making the first objects: administrator, team, key, prices ...")
        self._run_step("first", "console", "governance.config.first_start", "--sandbox-url", self._sandbox_url)
        database.mark_prepared(session, self._sandbox_url)

    def _run_step(self, name: str, role: str, module: str, *arguments: str) -> None:
        pipe = self._output.open_pipe(name)
        try:
            process = start_process(
                [sys.executable, "-m", module, *arguments],
                variables=plans.child_variables(self._environment, role),
                output=pipe,
            )
        finally:
            os.close(pipe)
        while process.poll() is None:
            self._output.pump(_TICK_SECONDS)
            if self._stop_requests:
                self._end_step(process)
                raise StopRequested
        self._drain_output()
        if process.returncode != 0:
            raise StartRefused(f"The step {name!r} failed; its own words are above. Mend that and start again.")

    def _end_step(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listen(self, host: str, port: int, variable: str) -> socket.socket:
        listener = listen(host, port, variable=variable)
        self._sockets.append(listener)
        return listener

    def _listen_for_sandbox(self) -> None:
        environment = self._environment
        if not plans.has_sandbox(environment):
            return
        memory = read_memory(environment.home)
        port = environment.sandbox_port or memory.sandbox_port or 0
        if port and not environment.sandbox_port and not is_free("127.0.0.1", port):
            port = 0
        listener = self._listen("127.0.0.1", port, "BURSAR_SANDBOX_PORT")
        memory.sandbox_port = listener.getsockname()[1]
        write_memory(environment.home, memory)
        self._sandbox_url = f"http://127.0.0.1:{memory.sandbox_port}/v1"

    # --- starting

    def _start_children(self) -> None:
        self._output.say("Starting the gateway, the console and the background work ...")
        environment, descriptors = self._environment, [listener.fileno() for listener in self._sockets]
        wanted = plans.gateway_plans(environment, descriptors[0])
        if self._sandbox_url:
            wanted.append(plans.sandbox_plan(environment, descriptors[2]))
        wanted.append(plans.console_plan(environment, descriptors[1]))
        wanted += plans.background_plans(environment)
        with database.connect(environment, "owner") as session:
            self._started_at = database_now(session)
        self._children = [Child(plan, self._output) for plan in wanted]
        for child in self._children:
            child.start()

    def _wait_until_ready(self) -> None:
        environment = self._environment
        probes = {
            "the gateway": lambda: answers(environment.host, environment.gateway_port, "/readyz"),
            "the console": lambda: answers(environment.host, environment.console_port, "/readyz"),
            "the background work": self._is_background_alive,
        }
        deadline = time.monotonic() + _READY_SECONDS
        next_words = time.monotonic() + _PATIENCE_SECONDS
        next_probe = 0.0
        while probes:
            self._tend(_TICK_SECONDS)
            if time.monotonic() < next_probe:
                continue
            next_probe = time.monotonic() + _PROBE_SECONDS
            probes = {name: probe for name, probe in probes.items() if not probe()}
            if time.monotonic() > deadline:
                raise StartRefused(f"Waited {_READY_SECONDS:.0f} s in vain for {', '.join(probes)}: see the log above.")
            if probes and time.monotonic() > next_words:
                self._output.say(f"Still waiting for {', '.join(probes)} ...")
                next_words = time.monotonic() + _PATIENCE_SECONDS
        facts = self._write_ready_file()
        seconds = time.monotonic() - self._began
        self._output.show(welcome_text(facts, home=str(environment.home), seconds=seconds))

    def _is_background_alive(self) -> bool:
        try:
            with database.connect(self._environment, "console") as session:
                return not silent_background(session, self._started_at)
        except StartRefused:
            return False

    def _write_ready_file(self) -> ReadyFacts:
        environment = self._environment
        memory = read_memory(environment.home)
        gateways = [child.process_id for child in self._children if child.plan.stage is StopStage.GATEWAY]
        facts = ReadyFacts(
            gateway_url=environment.public_gateway_url,
            console_url=environment.public_console_url,
            admin_user=memory.admin_user,
            admin_password=memory.admin_password,
            virtual_key=memory.virtual_key,
            gateway_pids=[process_id for process_id in gateways if process_id is not None],
        )
        if environment.ready_file is not None:
            write_ready_file(environment.ready_file, facts)
        return facts

    # --- watching

    def _watch(self) -> None:
        while True:
            try:
                if self._tend(_TICK_SECONDS):
                    self._write_ready_file()
            except StopRequested:
                self._output.say(f"{self._last_signal}: stopping, the gateway first ...")
                return

    def _tend(self, seconds: float) -> bool:
        """Print what was said, start again what ended. Return True when a gateway process was started."""
        self._output.pump(seconds)
        if self._stop_requests:
            raise StopRequested
        if self._server is not None and self._server.process is not None and self._server.process.poll() is not None:
            self._restart_server()
        started = [child for child in self._children if child.tend()]
        return any(child.plan.stage is StopStage.GATEWAY for child in started)

    def _restart_server(self) -> None:
        self._output.say("PostgreSQL ended; it is started again and recovers by itself.")
        try:
            self._launch_server()
        except (PostgresFailed, OSError) as error:
            # The rest keeps running and answers that the books cannot be asked; the next round tries again.
            self._output.say(str(error))

    # --- stopping

    def _stop(self) -> None:
        if self._environment.ready_file is not None and self._children:
            self._environment.ready_file.unlink(missing_ok=True)
        for listener in self._sockets:
            listener.close()
        for stage in StopStage:
            self._stop_stage([child for child in self._children if child.plan.stage is stage])
        if self._server is not None:
            self._server.stop()
        self._drain_output()
        if self._children:
            self._output.say("Stopped.")

    def _stop_stage(self, children: list[Child]) -> None:
        requests = self._stop_requests
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + max((child.plan.stop_seconds for child in children), default=0.0)
        while not all(child.has_ended() for child in children):
            self._output.pump(_TICK_SECONDS)
            if time.monotonic() > deadline or self._stop_requests > max(requests, 1):
                break
        for child in children:
            child.kill()

    def _drain_output(self) -> None:
        self._output.pump(0.0)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Count Ctrl-C and SIGTERM; the first stops in order, the second at once."""
        reading, writing = os.pipe()
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)
        self._output.watch(reading)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        previous = {number: signal.signal(number, self._note_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_requests += 1
        self._last_signal = signal.Signals(number).name
