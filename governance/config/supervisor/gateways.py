"""`bursar gateway`: the gateway processes of one host, where database, console and background work run elsewhere."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from governance.config.supervisor import plans
from governance.config.supervisor.children import Child
from governance.config.supervisor.errors import StartRefused
from governance.config.supervisor.home import lock_home
from governance.config.supervisor.output import Output
from governance.config.supervisor.sockets import listen
from governance.core.environment import Environment, EnvironmentInvalid, read_environment

_TICK_SECONDS = 0.1
_EPILOG = """
The processes share one socket (BURSAR_HOST, BURSAR_GATEWAY_PORT); BURSAR_GATEWAY_WORKERS says how many there are.
One that ends is started again. SIGTERM lets calls that are under way finish. Give every host a BURSAR_HOME of its own
that survives restarts.

example:
  BURSAR_GATEWAY_DATABASE_URL_FILE=/run/secrets/gateway_database_url bursar gateway
"""


class OneLog(Output):
    """Leaves the children's lines as they are, one JSON object each, for whatever collects them."""

    def open_pipe(self, name: str) -> int:
        """Return our own standard output for the child to write to."""
        return os.dup(sys.stdout.fileno())


class GatewayHost:
    """Starts the processes, keeps them running, stops them."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._output = OneLog()
        self._is_stopping = False

    def run(self) -> int:
        """Run until told to stop. Returns the exit code. Raises StartRefused."""
        environment = self._environment
        self._lock = lock_home(environment.home)
        listener = listen(environment.host, environment.gateway_port, variable="BURSAR_GATEWAY_PORT")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        children = [Child(plan, self._output) for plan in plans.gateway_plans(environment, listener.fileno())]
        try:
            while not self._is_stopping:
                for child in children:
                    child.tend()
                self._output.pump(_TICK_SECONDS)
        finally:
            listener.close()
            self._stop(children)
        return 0

    def _stop(self, children: Sequence[Child]) -> None:
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + max(child.plan.stop_seconds for child in children)
        while not all(child.has_ended() for child in children) and time.monotonic() < deadline:
            self._output.pump(_TICK_SECONDS)
        for child in children:
            child.kill()

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True


def main() -> int:
    """Read the environment, then keep the gateway running."""
    parser = argparse.ArgumentParser(
        prog="bursar gateway",
        description="Run this host's gateway processes only (`bursar up` runs everything).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        return GatewayHost(read_environment(os.environ)).run()
    except (EnvironmentInvalid, StartRefused) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return StartRefused.exit_code


if __name__ == "__main__":
    sys.exit(main())
