"""What each role may do: one idempotent SQL text, applied after migrations."""

from importlib import resources

import psycopg

_FILE = "grants.sql"


def grants_text() -> str:
    """Return the SQL; `{database}` stands for the database's name in role names."""
    return resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")


def apply_grants(connection: psycopg.Connection) -> None:
    """Revoke everything from the limited roles and grant what they need, in one transaction."""
    with connection.transaction():
        connection.execute(grants_text().encode())
