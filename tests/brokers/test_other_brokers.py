"""CELERY_BROKER_URL names another broker: a real one carries the messages of a real installation.

The servers are those of REDIS_URL and RABBITMQ_URL, or a redis-server found on this machine.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from governance.config.heartbeat import WORKER, read_heartbeats
from governance.config.supervisor.readiness import database_now
from governance.core.environment import read_environment
from tests.installation import Installation, free_port, wait_until


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    given = os.environ.get("REDIS_URL")
    program = shutil.which("redis-server")
    if given:
        yield given
    elif program:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()
        server.wait()
    else:
        pytest.skip("There is no redis-server: install it or set REDIS_URL.")


@pytest.fixture
def rabbitmq_url() -> str:
    given = os.environ.get("RABBITMQ_URL")
    if not given:
        pytest.skip("RABBITMQ_URL is not set.")
    return given


def test_redis_carries_a_task_from_the_console_to_the_worker(redis_url: str) -> None:
    _a_task_travels(redis_url)


def test_rabbitmq_carries_a_task_from_the_console_to_the_worker(rabbitmq_url: str) -> None:
    _a_task_travels(rabbitmq_url)


def _a_task_travels(broker_url: str) -> None:
    with Installation(CELERY_BROKER_URL=broker_url) as installation:
        installation.start()
        url = read_environment(installation.environment).database_url("console")
        with psycopg.connect(url, autocommit=True) as session:
            before = database_now(session)
            sent = installation.run(
                "shell", "-c", "from governance.config.tasks import sign_of_life; sign_of_life.delay(); print('sent')"
            )
            assert "sent" in sent.stdout, sent.stderr
            wait_until(lambda: read_heartbeats(session)[WORKER] > before, 30, lambda: installation.log)
            queued = session.execute("SELECT count(*) FROM pgmq.q_celery").fetchone()
        assert queued == (0,), "no message went through PostgreSQL"
        assert installation.stop() == 0
