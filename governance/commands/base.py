"""What every command shares: verbs as subcommands, JSON or text, and errors as one sentence."""

import getpass
import json
import os
import socket
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from governance.audit.operations import Actor
from governance.core.environment import Environment, read_environment
from governance.core.errors import BursarError
from governance.core.money import MoneyInvalid
from governance.core.months import MonthInvalid
from governance.core.plugins import PluginConflict, Plugins, load_plugins
from governance.teams.models import Organisation
from governance.teams.queries import organisation_named

Answer = dict[str, Any] | list[dict[str, Any]]
Verb = Callable[[dict[str, Any]], Answer]

_LONGEST_LIST = 5
"""More of anything in one cell of a table is counted instead of shown."""


class SentenceCommand(BaseCommand):
    """A command whose failures are one sentence on standard error and exit code 1 (2 for wrong usage)."""

    requires_system_checks = ()

    def execute(self, *arguments: Any, **options: Any) -> str | None:
        """Run the command; for a caller in Python a failure is a CommandError."""
        try:
            return super().execute(*arguments, **options)
        except (BursarError, MoneyInvalid, MonthInvalid, PluginConflict) as error:
            failure = CommandError(str(error))
            failure.__cause__ = error
        except OperationalError as error:
            failure = CommandError(
                f"The database cannot be asked ({error}). Is `bursar up` running?".replace("\n", " ")
            )
            failure.__cause__ = error
        except CommandError as error:
            failure = error
        if not getattr(self, "_called_from_command_line", False) or options.get("traceback"):
            raise failure
        self.stderr.write(str(failure))
        sys.exit(failure.returncode)


class VerbCommand(SentenceCommand):
    """A command with verbs. A subclass adds them with `add_verb` in `add_arguments`; each answers with plain data."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the line breaks of the examples."""
        return super().create_parser("bursar", subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Make room for verbs."""
        self._verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add_verb(self, name: str, run: Verb, *, words: str, example: str) -> ArgumentParser:
        """Add one verb and return its parser."""
        verb: ArgumentParser = self._verbs.add_parser(
            name,
            help=words,
            description=words,
            epilog=f"example:\n  {example}",
            formatter_class=RawDescriptionHelpFormatter,
        )
        verb.add_argument("--organisation", metavar="NAME", help="whose, where there are several")
        verb.add_argument("--json", action="store_true", help="print JSON")
        verb.set_defaults(run=run)
        return verb

    def handle(self, *_: object, **options: Any) -> None:
        """Run the verb and print its answer."""
        answer = options["run"](options)
        self.stdout.write(json.dumps(answer) if options["json"] else as_text(answer))


def as_text(answer: Answer) -> str:
    """Return a table for a list, and one fact a line for an object."""
    if isinstance(answer, dict):
        width = max((len(name) for name in answer), default=0)
        return "\n".join(f"{name:<{width}}  {_cell(value)}" for name, value in answer.items())
    if not answer:
        return "Nothing yet."
    names = list(answer[0])
    rows = [names, *([_cell(row[name]) for name in names] for row in answer)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def chosen_organisation(options: dict[str, Any]) -> Organisation:
    """Return the organisation of `--organisation`, or the only one there is. Raises OrganisationNotFound."""
    return organisation_named(name=options["organisation"])


def actor() -> Actor:
    """Return who runs this command: the name of the user on this machine."""
    return Actor(name=f"command line: {getpass.getuser()}", origin=socket.gethostname())


def environment() -> Environment:
    """Return the installation's environment."""
    return read_environment(os.environ)


def plugins() -> Plugins:
    """Load what the environment allows."""
    read = environment()
    return load_plugins(blocked=read.plugins_blocked, allowed=read.plugins_allowed, settings=read.plugin_settings)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        if len(value) > _LONGEST_LIST:
            return f"{len(value)} (--json shows them)"
        return ", ".join(map(str, value)) or "-"
    return str(value)
