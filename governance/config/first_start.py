"""The objects that a first start makes, so that a first call works without any set-up. Safe to repeat.

What exists only in the moment of its making (the administrator's password, the text of the first key) is kept in the
home, for its owner's eyes only, so that later starts can show it.
"""

import argparse
import io
import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.config.settings")

import django
import msgspec
from django.core.management import call_command
from django.db import transaction

from governance.config.supervisor.home import read_memory, write_memory
from governance.core.environment import read_environment


class _Made(msgspec.Struct, frozen=True):
    """What the command `first_objects` says it made; null where it was there already."""

    admin_user: str | None
    admin_password: str | None
    virtual_key: str | None


def main() -> int:
    """Make what is missing and return the exit code."""
    parser = argparse.ArgumentParser(description="Make the first objects of an installation.")
    parser.add_argument("--sandbox-url", default="", help="where the sandbox vendor listens; empty: no sandbox")
    arguments = parser.parse_args()
    home = read_environment(os.environ).home
    django.setup()
    # All or nothing: a password or key that was made and could not be kept would be lost for ever.
    with transaction.atomic():
        answer = io.StringIO()
        call_command("first_objects", sandbox_url=arguments.sandbox_url, json=True, stdout=answer)
        _remember(home, msgspec.json.decode(answer.getvalue().encode(), type=_Made))
    return 0


def _remember(home: Path, made: _Made) -> None:
    memory = read_memory(home)
    memory.admin_user = made.admin_user or memory.admin_user
    memory.admin_password = made.admin_password or memory.admin_password
    memory.virtual_key = made.virtual_key or memory.virtual_key
    write_memory(home, memory)


if __name__ == "__main__":
    sys.exit(main())
