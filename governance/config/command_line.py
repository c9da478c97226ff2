"""The command `bursar`: `up`, `gateway`, `doctor` and `prepare`, which run before Django can, and Django's commands.

The first four replace this process, so that signals reach them directly.
"""

import os
import sys
from collections.abc import Sequence

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line, get_commands, load_command_class

from governance.config.secrets_file import ensure_secrets
from governance.core.environment import EnvironmentInvalid, read_environment

EXIT_MISUSE = 2
_PROGRAMS = {
    "up": ("governance.config.supervisor", "Start everything on this machine."),
    "gateway": ("governance.config.supervisor.gateways", "Run this host's gateway processes only."),
    "doctor": ("governance.config.doctor", "Say what is wrong with this installation and how to mend it."),
    "prepare": ("governance.config.preparation", "Bring the database to this release: migrations, queue, grants."),
}
_HELP_WORDS = ("help", "--help", "-h")
# Commands that change the schema work as the owner of the database; all others as the console does.
_OWNER_COMMANDS = frozenset({"migrate", "makemigrations", "sqlmigrate", "flush", "dbshell", "showmigrations"})
# These look at the code only, so they work in a checkout that was never started.
_COMMANDS_WITHOUT_DATABASE = frozenset({*_HELP_WORDS, "version", "--version", "check", "makemigrations"})
_NO_DATABASE = "postgresql://nobody@/bursar?host=/nonexistent"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = ["bursar", *(sys.argv[1:] if arguments is None else arguments)]
    command = words[1] if len(words) > 1 else "help"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.config.settings")
    if command in _PROGRAMS:
        os.execv(sys.executable, [sys.executable, "-m", _PROGRAMS[command][0], *words[2:]])  # noqa: S606
    if command in _OWNER_COMMANDS:
        os.environ.setdefault("BURSAR_DATABASE_ROLE", "owner")
    try:
        is_only_read = command in _COMMANDS_WITHOUT_DATABASE or not {"--help", "-h"}.isdisjoint(words)
        _provide_what_is_missing(needs_database=not is_only_read)
        if command in _HELP_WORDS and len(words) <= 2:  # the word and nothing behind it
            print(_overview())  # noqa: T201
        else:
            execute_from_command_line(words)
    except (EnvironmentInvalid, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_MISUSE
    return 0


def _provide_what_is_missing(*, needs_database: bool) -> None:
    environment = read_environment(os.environ)
    if not needs_database and "DATABASE_URL" not in environment.secrets:
        os.environ["DATABASE_URL"] = os.environ["BURSAR_CONSOLE_DATABASE_URL"] = _NO_DATABASE
    ensure_secrets(environment)


def _overview() -> str:
    django.setup()  # without settings Django finds none of our commands
    ours = {name: words for name, (_, words) in _PROGRAMS.items()}
    for name, app in get_commands().items():
        if isinstance(app, str) and app.startswith("governance."):
            ours[name] = _first_sentence(load_command_class(app, name).help)
    lines = [f"  {name:<14} {words}" for name, words in sorted(ours.items())]
    return "\n".join(
        [
            "usage: bursar COMMAND ...    (bursar COMMAND --help teaches each with an example)",
            "",
            *lines,
            "",
            "Django's own commands work too: migrate, shell, createsuperuser and others.",
        ]
    )


def _first_sentence(text: str) -> str:
    return text.strip().partition(". ")[0].partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
