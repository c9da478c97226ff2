"""The processes of compose.yaml, started for real with the commands, settings and secrets that the file gives each."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from governance.core.database_url import DatabaseRole

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SERVICES: dict[str, dict[str, Any]] = YAML(typ="safe").load(ROOT / "deploy/compose.yaml")["services"]
# Messages go through PostgreSQL here: a broker's server is more than the tests may ask for.
WITHOUT = {"CELERY_BROKER_URL_FILE"}
SECONDS = 60


class Host:
    """Plays the container engine: secrets as files, a folder per service, free ports."""

    def __init__(self, folder: Path, urls: dict[DatabaseRole, str]) -> None:
        self.folder = folder
        self.gateway_port, self.console_port = free_port(), free_port()
        (folder / "secrets").mkdir()
        values = {f"{role}_database_url": url for role, url in urls.items()}
        values |= {name: os.environ[f"BURSAR_{name.upper()}"] for name in ("secret_key", "key_pepper", "sealing_keys")}
        for name, value in values.items():
            (folder / "secrets" / name).write_text(value)

    def variables(self, service: str) -> dict[str, str]:
        given: dict[str, str] = SERVICES[service]["environment"]
        (self.folder / service).mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "governance.config.settings",
            "BURSAR_HOME": str(self.folder / service),
            "BURSAR_GATEWAY_PORT": str(self.gateway_port),
            "BURSAR_CONSOLE_PORT": str(self.console_port),
            "BURSAR_GATEWAY_WORKERS": "2",
            **{
                name: value.replace("/run/secrets", str(self.folder / "secrets"))
                for name, value in given.items()
                if name not in WITHOUT
            },
        }

    def command(self, service: str) -> list[str]:
        program, *words = SERVICES[service]["command"]
        places = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=8000": f"--port={self.console_port}"}
        return [str(BIN / program), *(places.get(word, word) for word in words)]

    @contextlib.contextmanager
    def running(self, service: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / f"{service}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(service), env=self.variables(service), stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def is_healthy(self, service: str) -> bool:
        check = SERVICES[service]["healthcheck"]["test"][-1]
        command = [sys.executable, str(ROOT / "deploy/healthcheck.py"), check]
        return subprocess.run(command, env=self.variables(service), check=False).returncode == 0

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()


@pytest.fixture
def host(tmp_path: Path, database_urls: dict[DatabaseRole, str]) -> Host:
    return Host(tmp_path, database_urls)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def becomes_true(look: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in text.split()]


@pytest.mark.parametrize("service", ["console", "worker", "beat"])
def test_the_service_becomes_healthy_with_no_more_than_it_is_given_and_stops_when_told(
    host: Host, service: str
) -> None:
    with host.running(service) as process:
        assert becomes_true(lambda: host.is_healthy(service)), host.log(service)
    # uvicorn stops in good order and then ends by the signal that asked it to.
    assert process.returncode in (0, -signal.SIGTERM), host.log(service)


def test_a_gateway_host_replaces_a_process_that_was_killed_and_stops_with_all_of_them(host: Host) -> None:
    with host.running("gateway-1") as process:
        assert becomes_true(lambda: host.is_healthy("gateway-1")), host.log("gateway-1")
        first = children(process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        assert becomes_true(lambda: len(children(process.pid)) == 2 and first[0] not in children(process.pid))
        assert becomes_true(lambda: host.is_healthy("gateway-1")), host.log("gateway-1")
        last = children(process.pid)
    assert process.returncode == 0, host.log("gateway-1")
    assert [child for child in last if Path(f"/proc/{child}").exists()] == []


def test_a_second_gateway_host_on_the_same_folder_is_refused_in_a_sentence(host: Host) -> None:
    with host.running("gateway-1"):
        assert becomes_true(lambda: host.is_healthy("gateway-1")), host.log("gateway-1")
        second = subprocess.run(
            host.command("gateway-1"), env=host.variables("gateway-1"), capture_output=True, text=True, check=False
        )
    assert second.returncode == 1
    assert "already runs" in second.stderr


def test_the_one_shot_service_prepares_a_database_that_is_prepared_already(host: Host) -> None:
    done = subprocess.run(
        host.command("prepare"), env=host.variables("prepare"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
