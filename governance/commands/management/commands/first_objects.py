"""`bursar first_objects`: used by `bursar up`."""

from typing import Any

import msgspec
from django.core.management.base import CommandParser

from governance.commands.base import environment, plugins
from governance.commands.first_objects import make_first_objects
from governance.commands.printing import PrintingCommand
from governance.core.clock import utc_now


class Command(PrintingCommand):
    """Make what is missing."""

    help = (
        "Make what an empty installation needs for a first call: an organisation with a team, an administrator, the "
        "catalogue, the sandbox, budgets and a key. `bursar up` runs it at each start; repeating it changes nothing. "
        "The password and the key are printed when they are made, and never again."
    )
    example = "  bursar first_objects --sandbox-url http://127.0.0.1:9000"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare where the sandbox is."""
        parser.add_argument(
            "--sandbox-url", default="", metavar="URL", help="where the sandbox listens; none: no sandbox"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object; null: was there already")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make and print."""
        made = make_first_objects(
            environment=environment(), plugins=plugins(), sandbox_url=options["sandbox_url"], at=utc_now()
        )
        facts = msgspec.to_builtins(made)
        if options["json"]:
            self.print_json(facts)
            return
        for name, value in facts.items():
            self.stdout.write(f"{name}: {value if value is not None else 'was there already'}")
