"""The embedded server keeps what was committed, whatever happens to it."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from governance.config.postgres import EmbeddedPostgres


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path, superuser_password=secrets.token_urlsafe(24))
    with (tmp_path / "log").open("wb") as log:
        server.start(output=log)
        yield server
    server.stop()


def test_it_comes_back_after_sigkill_with_every_committed_row(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute("CREATE TABLE kept (number int)")
        session.execute("INSERT INTO kept SELECT generate_series(1, 100)")
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start()
    with psycopg.connect(server.url()) as session:
        assert session.execute("SELECT count(*) FROM kept").fetchone() == (100,)


def test_it_asks_for_a_password_and_listens_on_no_port(server: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url(password="wrong"))
    with psycopg.connect(server.url()) as session:
        assert session.execute("SHOW listen_addresses").fetchone() == ("",)
        assert session.execute("SHOW fsync").fetchone() == ("on",)
