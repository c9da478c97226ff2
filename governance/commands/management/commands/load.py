"""`bursar load`: teams, keys and budgets from CSV files, all of a file or nothing."""

from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, environment
from governance.commands.parsing import file_content
from governance.core.clock import utc_now
from governance.policy.errors import FileRefused
from governance.policy.loading import KINDS, Load, load_csv


class Command(VerbCommand):
    """CSV files."""

    help = "Make teams, keys and budgets from a CSV file, or change many at once. Without --apply it only checks."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare a verb for each kind of file."""
        super().add_arguments(parser)
        for name, kind in KINDS.items():
            columns = f"{', '.join(kind.required)} (and {', '.join(kind.optional)} where wanted)"
            verb = self.add_verb(
                name, _load, words=f"Load {name}. Columns: {columns}.",
                example=f"bursar load {name} {name}.csv\n  bursar load {name} {name}.csv --apply --json",
            )  # fmt: skip
            verb.add_argument("file", help="in UTF-8, with the columns' names in its first line")
            verb.add_argument("--apply", action="store_true", help="make the changes, if every line is right")


def _load(options: dict[str, Any]) -> Answer:
    load = Load(
        organisation=chosen_organisation(options),
        kind=options["verb"],
        content=file_content(options["file"]),
        pepper=environment().key_pepper,
    )
    loaded = load_csv(actor=actor(), at=utc_now(), load=load, is_dry_run=not options["apply"])
    if loaded.errors:
        words = " ".join(f"Line {line.number}, {line.name!r}: {line.error}" for line in loaded.errors[:20])
        raise FileRefused(f"Nothing was changed; {len(loaded.errors)} lines are wrong. {words}")
    has_keys = loaded.is_applied and options["verb"] == "keys"
    return [
        {"line": line.number, "name": line.name, "what": line.what, **({"key": line.secret} if has_keys else {})}
        for line in loaded.lines
    ]
