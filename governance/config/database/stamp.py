"""A mark in the database that says which code prepared it, so that the next start need not look again."""

import hashlib
import importlib.metadata
from pathlib import Path

import psycopg

import governance

UNDER_WAY = "under way"
_DISTRIBUTIONS = ("Django", "django-allauth", "django-pgtrigger", "pgmq")
_PLUGIN_GROUP = "bursar.plugins"
_TABLE = "bursar_preparation"


def code_stamp(*extra: str) -> str:
    """Return a digest of what preparing a database depends on (migrations, SQL, versions, plugins), then `extra`."""
    digest = hashlib.sha256()
    root = Path(governance.__file__).parent
    for path in sorted((*root.glob("*/migrations/*.py"), *root.rglob("*.sql"), *root.glob("config/*.py"))):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    for name in _DISTRIBUTIONS:
        digest.update(f"{name} {importlib.metadata.version(name)}\0".encode())
    for entry in sorted(importlib.metadata.entry_points(group=_PLUGIN_GROUP), key=lambda entry: entry.name):
        digest.update(f"{entry.name} {entry.dist.version if entry.dist else ''}\0".encode())
    return " ".join([digest.hexdigest(), *extra])


def read_stamp(connection: psycopg.Connection) -> str | None:
    """Return the mark, or None in a database that was never prepared."""
    found = connection.execute("SELECT to_regclass(%s)", [_TABLE]).fetchone()
    if found is None or found[0] is None:
        return None
    row = connection.execute(f"SELECT stamp FROM {_TABLE}").fetchone()  # noqa: S608 # a constant
    return str(row[0]) if row is not None else None


def write_stamp(connection: psycopg.Connection, stamp: str) -> None:
    """Leave the mark. Needs the owner."""
    with connection.transaction():
        connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (one boolean PRIMARY KEY CHECK (one), stamp text)")
        connection.execute(
            f"INSERT INTO {_TABLE} VALUES (true, %s) ON CONFLICT (one) DO UPDATE SET stamp = excluded.stamp",  # noqa: S608
            [stamp],
        )
