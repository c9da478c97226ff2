"""`python -m governance.config.supervisor`: what `bursar up` runs."""

import argparse
import os
import sys
from pathlib import Path

from governance.config.supervisor.errors import StartRefused
from governance.config.supervisor.output import Output
from governance.config.supervisor.run import Supervisor
from governance.core.environment import EnvironmentInvalid, read_environment

_EPILOG = """
Everything is kept in BURSAR_HOME (default: .bursar in the current folder) and is there again at the next start.
Several installations run side by side with different BURSAR_HOME, BURSAR_GATEWAY_PORT and BURSAR_CONSOLE_PORT.

example:
  BURSAR_HOME=/srv/bursar BURSAR_GATEWAY_PORT=9080 bursar up --ready-file /run/bursar.json
"""


def main() -> int:
    """Read the command line and the environment, then supervise."""
    parser = argparse.ArgumentParser(
        prog="bursar up",
        description="Start everything on this machine: PostgreSQL, gateway, console, worker, beat, sandbox.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--ready-file",
        metavar="PATH",
        help="write the addresses, the first log-in and the first key as JSON once everything answers; "
        "removed on stop (also BURSAR_READY_FILE)",
    )
    options = parser.parse_args()
    if options.ready_file:
        os.environ["BURSAR_READY_FILE"] = str(Path(options.ready_file).absolute())
    try:
        environment = read_environment(os.environ)
        return Supervisor(environment, Output()).run()
    except (EnvironmentInvalid, StartRefused) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return StartRefused.exit_code


if __name__ == "__main__":
    sys.exit(main())
