"""`bursar statements`: write, list and export what cost centres are billed."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from governance.chargeback.models import Statement
from governance.chargeback.operations import write_statements
from governance.chargeback.queries import latest_statement, spreadsheet_of, statements_of
from governance.commands.base import actor
from governance.commands.printing import PrintingCommand
from governance.core.clock import utc_now
from governance.core.money import usd_text
from governance.core.months import parse_month
from governance.teams.models import Organisation
from governance.teams.queries import organisation_named


class Command(PrintingCommand):
    """Statements of a month."""

    help = (
        "Write, list and export statements: per cost centre and month one CSV file whose lines add up to the ledger's "
        "expense to the nano-USD. Writing again makes a new version only when the facts changed."
    )
    example = (
        "  bursar statements write --month 2026-11\n"
        "  bursar statements list --month 2026-11\n"
        "  bursar statements export --month 2026-11 --cost-centre CC-100 --output november.csv\n"
        "  bursar statements export --month 2026-11 --cost-centre CC-100 --spreadsheet --output november.xlsx"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare write, list and export."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        write = actions.add_parser("write", help="write a month's statements")
        listing = actions.add_parser("list", help="list statements, every version")
        export = actions.add_parser("export", help="print the newest version of one statement, or put it into a file")
        for action in (write, listing, export):
            action.add_argument("--month", metavar="YYYY-MM", required=action is not listing)
            action.add_argument("--organisation", metavar="NAME", help="needed where there are several")
        for action in (write, listing):
            action.add_argument("--json", action="store_true", help="print JSON")
        export.add_argument("--cost-centre", metavar="CODE", required=True)
        export.add_argument("--output", metavar="FILE", type=Path, help="where to put it; without it, it is printed")
        export.add_argument("--spreadsheet", action="store_true", help="as XLSX instead of CSV; needs --output")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do what was asked."""
        organisation = organisation_named(name=options["organisation"])
        month = parse_month(options["month"]) if options["month"] else None
        match options["action"]:
            case "export" if month is not None:
                found = latest_statement(organisation=organisation, cost_centre=options["cost_centre"], month=month)
                self._export(found, options["output"], is_spreadsheet=options["spreadsheet"])
            case "write" if month is not None:
                written = write_statements(organisation=organisation, month=month, at=utc_now(), actor=actor())
                self._print(organisation, written, is_json=options["json"])
            case _:
                found_all = list(statements_of(organisation=organisation, month=month))
                self._print(organisation, found_all, is_json=options["json"])

    def _print(self, organisation: Organisation, statements: list[Statement], *, is_json: bool) -> None:
        if is_json:
            self.print_json([_as_dict(statement) for statement in statements])
            return
        if not statements:
            self.stdout.write(f"{organisation} has no statements: `bursar statements write --month …` writes them.")
            return
        self.print_table(
            ("MONTH", "COST CENTRE", "VERSION", "TOTAL USD", "SHA-256"),
            [
                (
                    f"{statement.month:%Y-%m}",
                    statement.cost_centre.code,
                    statement.version,
                    usd_text(statement.total_nano),
                    statement.sha256,
                )
                for statement in statements
            ],
        )

    def _export(self, statement: Statement, output: Path | None, *, is_spreadsheet: bool) -> None:
        if is_spreadsheet and output is None:
            raise CommandError("A spreadsheet is no text: say with --output where to put it.")
        content = spreadsheet_of(statement) if is_spreadsheet else bytes(statement.content)
        if output is None:
            self.stdout.write(content.decode(), ending="")
            return
        output.write_bytes(content)
        sys.stderr.write(f"{output}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}\n")


def _as_dict(statement: Statement) -> dict[str, object]:
    return {
        "id": statement.pk,
        "month": f"{statement.month:%Y-%m}",
        "cost_centre": statement.cost_centre.code,
        "version": statement.version,
        "total_usd": usd_text(statement.total_nano),
        "sha256": statement.sha256,
        "file_name": statement.file_name,
    }
