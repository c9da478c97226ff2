"""The command `bursar`: Django's commands, those of the rooms, and the ones that run before Django can."""

import os
import sys
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from governance.config.secrets_file import ensure_secrets
from governance.core.environment import EnvironmentInvalid, read_environment

EXIT_MISUSE = 2
# Commands that change the schema work as the owner of the database; all others as the console does.
_OWNER_COMMANDS = frozenset({"migrate", "makemigrations", "sqlmigrate", "flush", "dbshell", "showmigrations"})
# These look at the code only, so they work in a checkout that was never started.
_COMMANDS_WITHOUT_DATABASE = frozenset({"help", "version", "--version", "--help", "check", "makemigrations"})
_NO_DATABASE = "postgresql://nobody@/bursar?host=/nonexistent"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv if arguments is None else ["bursar", *arguments])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.config.settings")
    command = words[1] if len(words) > 1 else "help"
    if command == "up":
        os.execv(sys.executable, [sys.executable, "-m", "governance.config.supervisor", *words[2:]])  # noqa: S606
    if command in _OWNER_COMMANDS:
        os.environ.setdefault("BURSAR_DATABASE_ROLE", "owner")
    try:
        environment = read_environment(os.environ)
        if command in _COMMANDS_WITHOUT_DATABASE and "DATABASE_URL" not in environment.secrets:
            os.environ["DATABASE_URL"] = os.environ["BURSAR_CONSOLE_DATABASE_URL"] = _NO_DATABASE
        ensure_secrets(environment)
        execute_from_command_line(words)
    except (EnvironmentInvalid, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_MISUSE
    return 0
