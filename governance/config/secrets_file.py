"""The secrets of an installation on one machine: made once, kept in BURSAR_HOME/secrets.json for its owner only."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from governance.core.environment import SEALING_KEY_BYTES, SECRETS_FILE, Environment, EnvironmentInvalid

_TOKEN_BYTES = 48


def ensure_secrets(environment: Environment) -> None:
    """Make the secrets that neither a variable nor the file gives. Raises EnvironmentInvalid if the folder refuses."""
    missing = {name: value for name, value in _fresh_secrets().items() if name not in environment.secrets}
    if missing:
        write_secrets(environment.home, missing)


def read_secrets(home: Path) -> dict[str, str]:
    """Return what the file holds; nothing when there is none."""
    try:
        return msgspec.json.decode((home / SECRETS_FILE).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}


def write_secrets(home: Path, additions: Mapping[str, str]) -> dict[str, str]:
    """Add these to the file (0600, replaced atomically) and return all of it."""
    make_home(home)
    merged = read_secrets(home) | dict(additions)
    write_private(home / SECRETS_FILE, json.dumps(merged, indent=1, sort_keys=True) + "\n")
    return merged


def make_home(home: Path) -> None:
    """Make the folder, unless it is there already. Raises EnvironmentInvalid when that is not possible."""
    try:
        # As root, PostgreSQL runs below it as another user, who must be able to pass through (not to look).
        home.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)
        writable = os.access(home, os.W_OK | os.X_OK)
    except OSError as error:
        raise EnvironmentInvalid(_unwritable(home, str(error))) from error
    if not writable:
        raise EnvironmentInvalid(_unwritable(home, "permission denied"))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, so that a reader sees the old or the new one, never a half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _unwritable(home: Path, reason: str) -> str:
    return f"The folder {home} cannot be written ({reason}). Make it writable or set BURSAR_HOME to one that is."


def _fresh_secrets() -> dict[str, str]:
    sealing_key = base64.b64encode(secrets.token_bytes(SEALING_KEY_BYTES)).decode()
    return {
        "BURSAR_SECRET_KEY": secrets.token_urlsafe(_TOKEN_BYTES),
        "BURSAR_KEY_PEPPER": secrets.token_urlsafe(_TOKEN_BYTES),
        "BURSAR_SEALING_KEYS": f"{secrets.token_hex(4)}:{sealing_key}",
    }
