"""Django's connection in the name of one of the limited database roles."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from psycopg.conninfo import conninfo_to_dict


@contextmanager
def connected_as(url: str) -> Iterator[None]:
    """Run Django's queries with the rights of the role of this URL."""
    owner = connections["default"]
    limited = connections.create_connection("default")
    parts = conninfo_to_dict(url)
    limited.settings_dict = {
        **owner.settings_dict,
        "USER": str(parts["user"]),
        "PASSWORD": str(parts["password"]),
        "NAME": str(parts["dbname"]),
    }
    connections["default"] = limited
    try:
        yield
    finally:
        limited.close()
        connections["default"] = owner
