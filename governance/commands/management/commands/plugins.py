"""`bursar plugins`: what is installed and what it offers."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from governance.commands.base import as_text, plugins


class Command(BaseCommand):
    help = "Show the installed plugins and what they offer. Example: bursar plugins --json"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: object, **options: Any) -> None:
        loaded = plugins()
        found: dict[str, list[Any]] = {
            "plugins": [
                {"name": name, "distribution": distribution, "version": version}
                for name, distribution, version in loaded.distributions()
            ],
            "providers": sorted(loaded.providers),
            "price_sources": sorted(loaded.price_sources),
            "notifiers": sorted(loaded.notifiers),
        }
        if options["json"]:
            self.stdout.write(json.dumps(found))
            return
        self.stdout.write(as_text(found["plugins"]))
        for kind in ("providers", "price_sources", "notifiers"):
            self.stdout.write(f"{kind}: {', '.join(found[kind]) or 'none'}")
