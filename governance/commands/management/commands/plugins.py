"""`bursar plugins`: what is installed and what it offers."""

from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import plugins
from governance.commands.printing import PrintingCommand


class Command(PrintingCommand):
    """List the plugins."""

    help = (
        "Show the installed plugins and what they offer: providers, price sources, notifiers, routing strategies, "
        "guards. A plugin is a Python distribution with an entry point in the group bursar.plugins; "
        "BURSAR_PLUGINS_ALLOWED and BURSAR_PLUGINS_BLOCKED say which are loaded."
    )
    example = "  bursar plugins\n  bursar plugins --json"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the form."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        """Load and list."""
        loaded = plugins()
        rows = loaded.distributions()
        names = ("name", "distribution", "version")
        offers = {
            "providers": sorted(loaded.providers),
            "price_sources": sorted(loaded.price_sources),
            "notifiers": sorted(loaded.notifiers),
            "routing_strategies": sorted(loaded.routing_strategies),
            "guards": sorted(loaded.guards),
        }
        if options["json"]:
            self.print_json({"plugins": [dict(zip(names, row, strict=True)) for row in rows], **offers})
            return
        self.print_table(tuple(name.upper() for name in names), [*rows])
        for kind, offered in offers.items():
            self.stdout.write(f"{kind.replace('_', ' ')}: {', '.join(offered) or 'none'}")
