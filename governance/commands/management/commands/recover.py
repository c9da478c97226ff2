"""`bursar recover`: what gateway processes left on a volume whose machine is gone."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import actor
from governance.commands.printing import PrintingCommand
from governance.core.errors import BadRequest
from governance.metering.operations import recover_folder


class Command(PrintingCommand):
    """Book what the journals in a folder say, and end their processes' epochs."""

    help = (
        "Recover what gateway processes left on a volume whose machine is gone: what their journals say is booked, "
        "calls without a result go to suspense, and the rest of their leases goes back to its budgets."
    )
    example = "  bursar recover /mnt/old-host/bursar/gateway --unmounted-cleanly"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the form."""
        parser.add_argument("folder", type=Path, help="the folder with their .lock and .journal files")
        parser.add_argument(
            "--unmounted-cleanly",
            action="store_true",
            help="the volume was unmounted cleanly, so no end of a journal is missing; without this a journal that "
            "another boot of a machine wrote proves nothing and is passed over",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        """Recover and say what was done."""
        folder = options["folder"]
        if not folder.is_dir():
            raise BadRequest(f"{folder} is no folder: give the one in which the .lock and .journal files lie.")
        recovered = recover_folder(folder=folder, is_whole=options["unmounted_cleanly"], actor=actor())
        if options["json"]:
            self.print_json({"recovered": [{"epoch": each, "suspended": count} for each, count in recovered.items()]})
        elif recovered:
            self.print_table(("EPOCH", "CALLS IN SUSPENSE"), [(str(each), str(n)) for each, n in recovered.items()])
        else:
            self.stdout.write("Nothing here could be recovered: no dead process of these books left a whole journal.")
