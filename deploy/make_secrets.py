"""Make the secret files that compose.yaml reads: `python3 deploy/make_secrets.py [FOLDER]`. Files that exist are kept.

Needs nothing but Python. The folder is closed to everybody else on this host; the files inside are open, because each
container runs as a user of its own and is given no more than its own files.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

ROLES = ("owner", "gateway", "console", "worker")
_NAMES = {"owner": "bursar", **{role: f"bursar_{role}" for role in ROLES[1:]}}


def make_secrets(folder: Path) -> list[str]:
    """Write what is missing and return the names of the files made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []

    def ensure(name: str, value: str) -> str:
        path = folder / name
        if path.exists():
            return path.read_text(encoding="utf-8").strip()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value + "\n")
        made.append(name)
        return value

    ensure("postgres_password", secrets.token_urlsafe(32))
    for role in ROLES:
        password = ensure(f"{role}_password", secrets.token_urlsafe(32))
        ensure(f"{role}_database_url", f"postgresql://{_NAMES[role]}:{password}@postgres:5432/bursar")
    password = ensure("redis_password", secrets.token_urlsafe(32))
    ensure("celery_broker_url", f"redis://:{password}@redis:6379/0")
    ensure("secret_key", secrets.token_urlsafe(48))
    ensure("key_pepper", secrets.token_urlsafe(48))
    sealing_key = base64.b64encode(secrets.token_bytes(32)).decode()
    ensure("sealing_keys", f"{secrets.token_hex(4)}:{sealing_key}")
    return made


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "secrets"
    names = make_secrets(target)
    print(f"{target}: made {', '.join(names)}." if names else f"{target}: everything is there already.")  # noqa: T201
