"""The command line of one process of the data plane."""

import argparse
import os
import socket
import sys

import uvloop

from governance.core.environment import EnvironmentInvalid, read_environment
from governance.gateway.limits import Limits
from governance.gateway.logs import configure
from governance.gateway.process import serve


def main() -> int:
    """Serve on an inherited listening socket (--fd), or on BURSAR_HOST and --port."""
    parser = argparse.ArgumentParser(prog="python -m governance.gateway", description=main.__doc__)
    parser.add_argument("--fd", type=int, help="file descriptor of a listening TCP socket, shared by all processes")
    parser.add_argument("--port", type=int, help="port to listen on (default: BURSAR_GATEWAY_PORT)")
    given = parser.parse_args()
    limits = Limits()
    try:
        environment = read_environment(os.environ)
        configure(environment.log_level)
        if given.fd is not None:
            listener = socket.socket(fileno=given.fd)
        else:
            port = environment.gateway_port if given.port is None else given.port
            listener = socket.create_server((environment.host, port), backlog=limits.backlog)
        uvloop.run(serve(environment, listener, limits=limits))
    except (EnvironmentInvalid, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - before or after logging exists
        return 1
    return 0
