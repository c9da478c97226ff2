"""`python -m bursar_plugin_sandbox`: serve the pretend vendor on this machine."""

import argparse
import socket

import uvicorn

from bursar_plugin_sandbox.server import app


def main() -> None:
    """Serve on an inherited listening socket (--fd) or on a port of 127.0.0.1 (--port; 0 picks a free one)."""
    parser = argparse.ArgumentParser(prog="python -m bursar_plugin_sandbox", description=main.__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--fd", type=int, help="file descriptor of a listening TCP socket")
    where.add_argument("--port", type=int, default=8089, help="port on 127.0.0.1 (default 8089)")
    given = parser.parse_args()
    listener = socket.socket(fileno=given.fd) if given.fd is not None else _listen(given.port)
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    print(f"The sandbox listens on http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)  # noqa: T201
    return listener


if __name__ == "__main__":
    main()
