"""The folder of an installation: one `bursar up` at a time, and what it remembers between starts."""

import fcntl
import os
import secrets
from pathlib import Path

import msgspec

from governance.config.secrets_file import ensure_secrets, make_home, read_secrets, write_private, write_secrets
from governance.config.supervisor.errors import StartRefused
from governance.core.environment import EMBEDDED_DATABASE_URL, ROLE_PASSWORDS, Environment

SUPERUSER_PASSWORD = "POSTGRES_SUPERUSER_PASSWORD"  # noqa: S105 # a name, not a secret
OWNER_PASSWORD = "OWNER_DATABASE_PASSWORD"  # noqa: S105
_LOCK = "up.lock"
_MEMORY = "first-objects.json"
_PASSWORD_BYTES = 24


class FirstObjects(msgspec.Struct, kw_only=True):
    """What the first start made, kept so that later starts can show it."""

    admin_user: str | None = None
    admin_password: str | None = None
    virtual_key: str | None = None
    sandbox_port: int | None = None


def lock_home(home: Path) -> int:
    """Take the home for this process. Returns the lock's descriptor, which lives as long as we do."""
    make_home(home)
    descriptor = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StartRefused(
            f"Bursar already runs from {home} (process {holder}). Stop that one, or set BURSAR_HOME to another folder."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def ensure_all_secrets(environment: Environment) -> dict[str, str]:
    """Make what is missing: signing, pepper, sealing, and the passwords of the database's roles. Return the file."""
    ensure_secrets(environment)
    held = read_secrets(environment.home)
    names = [SUPERUSER_PASSWORD, OWNER_PASSWORD, *ROLE_PASSWORDS.values()]
    missing = {name: secrets.token_urlsafe(_PASSWORD_BYTES) for name in names if name not in held}
    return write_secrets(environment.home, missing) if missing else held


def remember_embedded_url(home: Path, url: str) -> None:
    """Note where the embedded server listens (the folder may have moved since)."""
    if read_secrets(home).get(EMBEDDED_DATABASE_URL) != url:
        write_secrets(home, {EMBEDDED_DATABASE_URL: url})


def read_memory(home: Path) -> FirstObjects:
    """Return what earlier starts made."""
    try:
        return msgspec.json.decode((home / _MEMORY).read_bytes(), type=FirstObjects)
    except FileNotFoundError:
        return FirstObjects()


def write_memory(home: Path, memory: FirstObjects) -> None:
    """Keep it, for the owner's eyes only."""
    write_private(home / _MEMORY, msgspec.json.format(msgspec.json.encode(memory)).decode() + "\n")
