"""Bringing the database up: the server, its owner, the limited roles, and what a release changes in it."""

from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from governance.config.database.stamp import code_stamp, read_stamp, write_stamp
from governance.config.postgres import EmbeddedPostgres
from governance.config.supervisor.errors import StartRefused
from governance.core.database_url import DatabaseRole
from governance.core.environment import Environment

EMBEDDED_DATABASE = "bursar"
_CONNECT_SECONDS = 10
_OLDEST_VERSION = 150000


def make_owner(server: EmbeddedPostgres, password: str) -> str:
    """Make the owner and the database of the embedded server if they are missing. Return the owner's URL."""
    name = sql.Identifier(EMBEDDED_DATABASE)
    with psycopg.connect(server.url(), autocommit=True) as session:
        if not session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [EMBEDDED_DATABASE]).fetchone():
            session.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(name))
        if not session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [EMBEDDED_DATABASE]).fetchone():
            session.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(password)))
            session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    return server.url(user=EMBEDDED_DATABASE, password=password, database=EMBEDDED_DATABASE)


def connect(environment: Environment, role: DatabaseRole) -> psycopg.Connection:
    """Connect as this role. Raises StartRefused with what to mend."""
    url = environment.database_url(role)
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        parts = urlsplit(url)
        raise StartRefused(
            f"The database {parts.path.lstrip('/')} cannot be reached as {parts.username}: {_first_line(error)}. "
            "Start the server or correct the URL."
        ) from error


def is_prepared(session: psycopg.Connection, *extra: str) -> bool:
    """Say whether this code has prepared the database already."""
    if session.info.server_version < _OLDEST_VERSION:
        raise StartRefused(
            f"The database server is PostgreSQL {session.info.server_version // 10000}; Bursar needs 15 or later."
        )
    return read_stamp(session) == code_stamp(*extra)


def mark_prepared(session: psycopg.Connection, *extra: str) -> None:
    """Remember that this code has prepared the database."""
    write_stamp(session, code_stamp(*extra))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
