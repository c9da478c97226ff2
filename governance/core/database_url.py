"""Connection URLs of PostgreSQL, and the roles of one database.

The roles are named after the database, so that several installations and test databases share one server.
"""

from typing import Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

DatabaseRole = Literal["owner", "gateway", "console", "worker"]
LimitedRole = Literal["gateway", "console", "worker"]

LIMITED_ROLES: tuple[LimitedRole, ...] = ("gateway", "console", "worker")
_SCHEMES = ("postgresql", "postgres")


class DatabaseUrlInvalid(Exception):
    """The text is no connection URL. The message never holds the text: it may carry a password."""


def database_name(url: str) -> str:
    """Return the database a URL names. Raises DatabaseUrlInvalid."""
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in _SCHEMES or not name or "/" in name:
        raise DatabaseUrlInvalid(
            "A database URL must read `postgresql://user:password@host:5432/database`; this one does not."
        )
    return name


def role_name(database: str, role: LimitedRole) -> str:
    """Return the name of a limited role of this database."""
    return f"{database}_{role}"


def role_url(owner_url: str, role: LimitedRole, password: str) -> str:
    """Return the owner's URL with the limited role's name and password in place of the owner's."""
    parts = urlsplit(owner_url)
    user = quote(role_name(database_name(owner_url), role), safe="")
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{address}"))


def with_database(url: str, database: str) -> str:
    """Return the URL with another database name."""
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(database, safe="")))
