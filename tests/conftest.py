"""One real PostgreSQL for the whole test run, and the roles of each test database.

The server is started once, by the process that controls the run; pytest-xdist's workers inherit its address and
pytest-django gives each of them a database of its own.
"""

import base64
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import django
import pgtrigger
import psycopg
import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from governance.config.database.grants import apply_grants
from governance.config.database.roles import ensure_roles
from governance.config.postgres import EmbeddedPostgres
from governance.core.database_url import LIMITED_ROLES, DatabaseRole, LimitedRole, role_url, with_database

_FOLDER = pytest.StashKey[Path]()
_SERVER = pytest.StashKey[EmbeddedPostgres]()
_ROLE_PASSWORD = "test-" * 8


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the server and export the environment before Django reads it."""
    if not hasattr(config, "workerinput"):
        _start_server(config)
    os.environ["DJANGO_SETTINGS_MODULE"] = "governance.config.settings"
    django.setup()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server; nothing of it remains."""
    if _SERVER in config.stash:
        config.stash[_SERVER].stop()
        shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


def _start_server(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bursar-tests-"))
    folder.chmod(0o711)
    config.stash[_FOLDER] = folder
    server = EmbeddedPostgres(folder, superuser_password=secrets.token_urlsafe(24), is_durable=False)
    config.stash[_SERVER] = server
    with (folder / "postgres.log").open("wb") as log:
        server.start(output=log)
    password = secrets.token_urlsafe(24)
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute(f"CREATE ROLE bursar LOGIN CREATEDB CREATEROLE PASSWORD '{password}'")
        session.execute("CREATE DATABASE bursar OWNER bursar")
        # Emptying the append-only tables between tests must pass their triggers, which no role of ours may.
        session.execute("GRANT SET ON PARAMETER session_replication_role TO bursar")
    _export_environment(folder, server.url(user="bursar", password=password, database="bursar"))


def _export_environment(folder: Path, owner_url: str) -> None:
    for name in list(os.environ):
        if name.startswith("BURSAR_") and name != "BURSAR_RECORDINGS":
            del os.environ[name]
    os.environ |= {
        "BURSAR_HOME": str(folder / "home"),
        "BURSAR_SECRET_KEY": secrets.token_urlsafe(48),
        "BURSAR_KEY_PEPPER": secrets.token_urlsafe(48),
        "BURSAR_SEALING_KEYS": "test:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "BURSAR_DATABASE_ROLE": "owner",
        "DATABASE_URL": owner_url,
    }
    for role in LIMITED_ROLES:
        os.environ[f"BURSAR_{role.upper()}_DATABASE_URL"] = role_url(owner_url, role, _ROLE_PASSWORD)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Let the emptying of tables between tests pass the triggers of the append-only ones."""
    with pgtrigger.ignore():
        yield
    if nextitem is not None and "transactional_db" in getattr(item, "fixturenames", ()):
        _empty_usage_records()


def _empty_usage_records() -> None:
    """The partitioned table is made by SQL, so Django's flush does not know it."""
    with psycopg.connect(_database_urls()["owner"], autocommit=True) as session:
        row = session.execute("SELECT EXISTS (SELECT FROM ledger_usagerecord)").fetchone()
        if row and row[0]:
            session.execute("SET session_replication_role = replica")
            session.execute("TRUNCATE ledger_usagerecord")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Give the test database the same roles and grants that an installation has."""
    passwords: dict[LimitedRole, str] = dict.fromkeys(LIMITED_ROLES, _ROLE_PASSWORD)
    with django_db_blocker.unblock():
        url = _database_urls()["owner"]
    with psycopg.connect(url) as session:
        ensure_roles(session, passwords)
        apply_grants(session)


@pytest.fixture
def database_urls(transactional_db: None) -> Iterator[dict[DatabaseRole, str]]:
    """Connection URLs of the test database, one per role, for code that uses psycopg by itself.

    What a test commits through them is truncated after it.
    """
    yield _database_urls()


def _database_urls() -> dict[DatabaseRole, str]:
    owner = with_database(os.environ["DATABASE_URL"], str(connection.settings_dict["NAME"]))
    urls: dict[DatabaseRole, str] = {"owner": owner}
    for role in LIMITED_ROLES:
        urls[role] = role_url(owner, role, _ROLE_PASSWORD)
    return urls
