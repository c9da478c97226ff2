"""`bursar up` from an empty folder to a clean end, through its faults."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from openai import OpenAI

from governance.config.heartbeat import WORKER, read_heartbeats
from governance.config.supervisor.readiness import database_now
from governance.core.environment import read_environment
from tests.installation import Installation, get, wait_until


@pytest.fixture
def installation() -> Iterator[Installation]:
    with Installation() as installation:
        yield installation


def test_one_command_starts_everything_survives_its_faults_and_stops_cleanly(installation: Installation) -> None:
    first = installation.start()
    assert get(first["gateway_url"] + "/readyz") == 200
    assert get(first["console_url"] + "/readyz") == 200
    assert stat.S_IMODE(installation.ready_file.stat().st_mode) == 0o600
    assert len(first["gateway_pids"]) == 2
    assert first["admin_user"]
    assert first["admin_password"]

    _the_printed_key_makes_a_call(installation)
    _the_doctor_finds_nothing(installation)
    _a_second_start_in_the_same_home_is_refused(installation)
    _a_killed_gateway_process_is_replaced(installation)
    _a_killed_database_comes_back(installation)
    _a_task_sent_by_the_console_reaches_the_worker(installation)
    _nothing_outlives_a_killed_supervisor(installation)

    second = installation.start()
    assert [second[name] for name in ("admin_user", "admin_password", "virtual_key")] == [
        first[name] for name in ("admin_user", "admin_password", "virtual_key")
    ]
    assert installation.log.count("Making the database (once)") == 1
    _the_printed_key_makes_a_call(installation)
    assert installation.stop() == 0
    assert not installation.ready_file.exists()
    assert installation.processes() == []


def _the_printed_key_makes_a_call(installation: Installation) -> None:
    facts = installation.facts
    client = OpenAI(base_url=facts["gateway_url"] + "/v1", api_key=facts["virtual_key"])
    reply = client.chat.completions.create(model="sandbox-1", messages=[{"role": "user", "content": "Hello"}])
    assert "sandbox" in (reply.choices[0].message.content or "")


def _the_doctor_finds_nothing(installation: Installation) -> None:
    answer = installation.run("doctor")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def _a_second_start_in_the_same_home_is_refused(installation: Installation) -> None:
    answer = installation.run("up")
    assert answer.returncode == 1
    assert "Bursar already runs from" in answer.stdout


def _a_killed_gateway_process_is_replaced(installation: Installation) -> None:
    victim, survivor = installation.facts["gateway_pids"]
    os.kill(victim, signal.SIGKILL)

    def replaced() -> bool:
        present = installation.facts["gateway_pids"]
        return len(present) == 2 and victim not in present

    wait_until(replaced, 30, lambda: installation.log)
    assert survivor in installation.facts["gateway_pids"]


def _a_killed_database_comes_back(installation: Installation) -> None:
    pid_file = next(Path(installation.home).glob("postgres/data/postmaster.pid"))
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
    wait_until(lambda: "PostgreSQL ended" in installation.log, 30, lambda: installation.log)
    console, gateway = installation.facts["console_url"], installation.facts["gateway_url"]
    wait_until(lambda: get(console + "/readyz") == 200 == get(gateway + "/readyz"), 60, lambda: installation.log)


def _a_task_sent_by_the_console_reaches_the_worker(installation: Installation) -> None:
    url = read_environment(installation.environment).database_url("console")
    with psycopg.connect(url, autocommit=True) as session:
        before = database_now(session)
        sent = installation.run(
            "shell", "-c", "from governance.config.tasks import sign_of_life; sign_of_life.delay(); print('sent')"
        )
        assert "sent" in sent.stdout, sent.stderr
        wait_until(lambda: read_heartbeats(session)[WORKER] > before, 30, lambda: installation.log)


def _nothing_outlives_a_killed_supervisor(installation: Installation) -> None:
    installation.stop(signal.SIGKILL)
    wait_until(lambda: installation.processes() == [], 30, lambda: f"{installation.processes()} live on")
    installation.ready_file.unlink()


def test_a_port_in_use_is_one_sentence_that_names_the_variable(installation: Installation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(installation.environment["BURSAR_GATEWAY_PORT"])))
        other.listen()
        answer = installation.run("up")
    assert answer.returncode == 1
    assert "in use by another program" in answer.stdout
    assert "BURSAR_GATEWAY_PORT" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


def test_a_folder_that_cannot_be_made_is_one_sentence(installation: Installation) -> None:
    (installation.home / "file").write_text("")
    installation.environment["BURSAR_HOME"] = str(installation.home / "file" / "home")
    answer = installation.run("up")
    assert answer.returncode == 1
    assert "cannot be written" in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr


def test_a_wrong_variable_is_one_sentence(installation: Installation) -> None:
    installation.environment["BURSAR_GATEWAY_PORT"] = "eighty"
    answer = installation.run("up")
    assert answer.returncode == 1
    assert "BURSAR_GATEWAY_PORT is 'eighty'" in answer.stderr
