"""The roles of one database, made by its owner.

owner: migrations only. gateway: the hot path. console: pages and commands. worker: background work. A limited role
owns nothing, so it cannot undo a revoke.
"""

import secrets
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from governance.core.database_url import LIMITED_ROLES, LimitedRole, role_name
from governance.core.environment import DATABASE_VARIABLES, Environment


class RolesMissing(Exception):
    """Roles are missing or named otherwise. The message says what to do, with the SQL to run where it helps."""


def prepare_roles(connection: psycopg.Connection, environment: Environment) -> None:
    """Make the limited roles with the names and passwords of their URLs. Raises RolesMissing."""
    passwords: dict[LimitedRole, str] = {}
    for role in LIMITED_ROLES:
        parts = urlsplit(environment.database_url(role))
        expected = role_name(connection.info.dbname, role)
        if unquote(parts.username or "") != expected:
            raise RolesMissing(
                f"{DATABASE_VARIABLES[role]} names the user {parts.username}, and the grants are made for {expected}. "
                "Give it that name."
            )
        passwords[role] = unquote(parts.password or "")
    ensure_roles(connection, passwords, may_change_passwords=environment.is_database_embedded)


def ensure_roles(
    connection: psycopg.Connection, passwords: Mapping[LimitedRole, str], *, may_change_passwords: bool
) -> None:
    """Make the limited roles named in `passwords`; roles that exist get the password where that is allowed.

    Another host may use the roles of a shared server already: there, what exists is left as it is.
    Raises RolesMissing when the connection's user may not make roles.
    """
    database = connection.info.dbname
    existing = _existing_roles(connection, database)
    try:
        with connection.transaction():
            for role, password in passwords.items():
                if role not in existing or may_change_passwords:
                    _give_role(connection, role_name(database, role), password, is_new=role not in existing)
    except psycopg.errors.InsufficientPrivilege as error:
        raise RolesMissing(_sql_to_run(connection)) from error


def _existing_roles(connection: psycopg.Connection, database: str) -> set[LimitedRole]:
    names = {role_name(database, role): role for role in LIMITED_ROLES}
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(names)]).fetchall()
    return {names[row[0]] for row in rows}


def _give_role(connection: psycopg.Connection, name: str, password: str, *, is_new: bool) -> None:
    template = "CREATE ROLE {} LOGIN PASSWORD {}" if is_new else "ALTER ROLE {} LOGIN PASSWORD {}"
    connection.execute(sql.SQL(template).format(sql.Identifier(name), sql.Literal(password)))


def _sql_to_run(connection: psycopg.Connection) -> str:
    database, owner = connection.info.dbname, connection.info.user
    statements = [
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {};")
        .format(sql.Identifier(role_name(database, role)), sql.Literal(secrets.token_urlsafe(24)))
        .as_string(connection)
        for role in LIMITED_ROLES
    ]
    return (
        f"The user {owner} of the database {database} may not make roles. "
        "Run this once as an administrator of the server, with passwords of your own, and set "
        "BURSAR_GATEWAY_DATABASE_URL, BURSAR_CONSOLE_DATABASE_URL and BURSAR_WORKER_DATABASE_URL to them:\n"
        + "\n".join(statements)
    )
