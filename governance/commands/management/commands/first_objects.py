"""`bursar first_objects`: used by `bursar up`."""

import json
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance.commands.base import environment, plugins
from governance.commands.first_objects import make_first_objects
from governance.core.clock import utc_now
from governance.core.errors import BursarError


class Command(BaseCommand):
    help = "Make what an empty installation needs for a first call (run by `bursar up`; safe to repeat)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sandbox-url", default="", help="where the sandbox vendor listens")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: object, **options: Any) -> None:
        try:
            made = make_first_objects(
                environment=environment(), plugins=plugins(), sandbox_url=options["sandbox_url"], at=utc_now()
            )
        except BursarError as error:
            raise CommandError(str(error)) from error
        facts = msgspec.to_builtins(made)
        if options["json"]:
            self.stdout.write(json.dumps(facts))
            return
        for name, value in facts.items():
            self.stdout.write(f"{name}: {value if value is not None else 'was there already'}")
