"""The health check of the image, run as the container would run it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy/healthcheck.py"


class Answers(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    answers = type("Answers", (Answers,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def check(*arguments: str, **variables: str) -> int:
    return subprocess.run([sys.executable, SCRIPT, *arguments], env=os.environ | variables, check=False).returncode


def test_a_ready_gateway_is_healthy_and_one_that_is_not_ready_is_not(server: ThreadingHTTPServer) -> None:
    port = str(server.server_port)
    assert check("gateway", BURSAR_GATEWAY_PORT=port) == 0
    server.RequestHandlerClass.status = 503  # type: ignore[attr-defined]
    assert check("gateway", BURSAR_GATEWAY_PORT=port) == 1


def test_a_console_that_does_not_answer_is_unhealthy(server: ThreadingHTTPServer) -> None:
    port = str(server.server_port)
    server.shutdown()
    server.server_close()
    assert check("console", BURSAR_CONSOLE_PORT=port) == 1


def test_a_worker_is_unhealthy_while_the_database_cannot_be_reached() -> None:
    nowhere = "postgresql://bursar_worker:none@127.0.0.1:1/bursar"
    assert check("worker", BURSAR_WORKER_DATABASE_URL=nowhere) == 1


def test_an_unknown_process_is_a_misuse() -> None:
    assert check("nothing") == 2
