"""The file that tells scripts that everything answers, and how to reach it."""

import os
from pathlib import Path

import msgspec

from governance.config.secrets_file import write_private
from governance.config.supervisor.errors import StartRefused


class ReadyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the ready file. Values this machine does not know (another one made them) are null."""

    gateway_url: str
    console_url: str
    admin_user: str | None
    admin_password: str | None
    virtual_key: str | None
    gateway_pids: list[int]


def refuse_unwritable(path: Path | None) -> None:
    """Raise StartRefused when the file cannot be written later; remove one that an earlier start left."""
    if path is None:
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StartRefused(f"The ready file {path} cannot be replaced ({error.strerror}): name another one.") from error
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise StartRefused(f"The ready file {path} cannot be written: its folder is missing or not writable.")


def write_ready_file(path: Path, facts: ReadyFacts) -> None:
    """Write it so that a reader sees all of it or nothing."""
    write_private(path, msgspec.json.format(msgspec.json.encode(facts)).decode() + "\n")
