"""One real PostgreSQL for the whole test run, and the roles of each test database.

The server is started once, by the process that controls the run; pytest-xdist's workers inherit its address and
pytest-django gives each of them a database of its own.
"""

import base64
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import django
import psycopg
import pytest
from django.apps import apps
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from pytest_django.plugin import DjangoDbBlocker

from governance.config.broker import install_broker
from governance.config.database.grants import apply_grants
from governance.config.database.roles import ensure_roles
from governance.config.postgres import EmbeddedPostgres
from governance.core.database_url import LIMITED_ROLES, DatabaseRole, LimitedRole, role_url, with_database

_FOLDER = pytest.StashKey[Path]()
_SERVER = pytest.StashKey[EmbeddedPostgres]()
_ROLE_PASSWORD = "test-" * 8
_EMPTY = """
DO $$
DECLARE
    v_table text;
    v_has_rows boolean;
BEGIN
    FOREACH v_table IN ARRAY ARRAY[{names}] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', v_table) INTO v_has_rows;
        IF v_has_rows THEN
            EXECUTE format('DELETE FROM %I', v_table);
        END IF;
    END LOOP;
END $$
"""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the server and export the environment before Django reads it."""
    if not hasattr(config, "workerinput"):
        _start_server(config)
    os.environ["DJANGO_SETTINGS_MODULE"] = "governance.config.settings"
    django.setup()
    _let_transactional_tests_clean_up()
    # Each flush would make all of them again, and nothing of ours asks for them: access is in governance/teams.
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")


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
        session.execute("GRANT SET ON PARAMETER session_replication_role TO bursar")
        # What tests delete is not made room of, so that rows that nobody ordered come as they were added.
        session.execute("ALTER SYSTEM SET autovacuum = off")
        session.execute("SELECT pg_reload_conf()")
        session.execute("CREATE DATABASE bursar OWNER bursar")
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


def _let_transactional_tests_clean_up() -> None:
    """Make Django's flush empty the append-only tables and those it does not manage, too.

    Row by row and only where there are rows: TRUNCATE makes new files for each of the tables, partitions and indexes.
    """
    operations = type(connection.ops)

    def sql_flush(self: Any, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
        present = set(connection.introspection.table_names())
        unmanaged = {model._meta.db_table for model in apps.get_models() if not model._meta.managed} & present
        names = ", ".join(f"'{name}'" for name in [*tables, *sorted(unmanaged)])
        return ["SET LOCAL session_replication_role = replica", _EMPTY.format(names=names)]

    operations.sql_flush = sql_flush


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Give the test database the same roles and grants that an installation has."""
    passwords: dict[LimitedRole, str] = dict.fromkeys(LIMITED_ROLES, _ROLE_PASSWORD)
    with django_db_blocker.unblock():
        url = _database_urls()["owner"]
    with psycopg.connect(url) as session:
        ensure_roles(session, passwords, may_change_passwords=True)
        apply_grants(session)
        install_broker(session)


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
