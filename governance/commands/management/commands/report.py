"""`bursar report`: what a month cost, by team, key and model."""

from typing import Any

from django.core.management.base import CommandParser

from governance.chargeback.queries import monthly_report
from governance.chargeback.report import MonthlyReport, ReportLine
from governance.commands.printing import PrintingCommand
from governance.core.clock import utc_now
from governance.core.csv_text import csv_bytes
from governance.core.money import usd_decimal, usd_text
from governance.core.months import month_at, parse_month
from governance.teams.queries import organisation_named

_COLUMNS = ("requests", "input_tokens", "output_tokens", "cost_usd", "charge_usd")


class Command(PrintingCommand):
    """Print a month's spend."""

    help = (
        "Print a month's spend by team, key and model. COST is what the vendors charge, exactly; CHARGE is what is "
        "booked: each call rounded up to a whole nano-USD. A month is the organisation's own, and counts what was "
        "booked in it."
    )
    example = "  bursar report\n  bursar report --month 2026-11\n  bursar report --month 2026-11 --csv > november.csv"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the month, the organisation and the form."""
        parser.add_argument("--month", metavar="YYYY-MM", help="the month; without it the current one")
        parser.add_argument("--organisation", metavar="NAME", help="needed where there are several")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print one JSON object; amounts are exact strings")
        form.add_argument("--csv", action="store_true", help="print one CSV table for spreadsheets")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read the month and print it."""
        organisation = organisation_named(name=options["organisation"])
        given = options["month"]
        month = parse_month(given) if given else month_at(utc_now(), zone=organisation.zone)
        report = monthly_report(organisation=organisation, month=month)
        if options["json"]:
            self.print_json({"organisation": organisation.name, **_as_dict(report)})
        elif options["csv"]:
            self.stdout.write(_as_csv(report), ending="")
        else:
            self._print(organisation.name, report)

    def _print(self, organisation: str, report: MonthlyReport) -> None:
        self.stdout.write(f"{organisation}, {report.month:%Y-%m}, in USD")
        self.stdout.write("")
        if not report.teams:
            self.stdout.write("Nothing was used in this month.")
            return
        groups = {"TEAM": report.teams, "KEY": report.keys, "MODEL": report.models}
        rows: list[tuple[str | int, ...]] = []
        for kind, lines in groups.items():
            rows += [(kind if line is lines[0] else "", _label(kind, line), *_cells(line)) for line in lines]
        rows.append(("TOTAL", "", *_cells(report.total)))
        self.print_table(("", "", "REQUESTS", "INPUT TOKENS", "OUTPUT TOKENS", "COST", "CHARGE"), rows)


def _label(kind: str, line: ReportLine) -> str:
    return f"{line.name} ({line.id})" if kind == "KEY" else line.name


def _cells(line: ReportLine) -> tuple[str | int, ...]:
    return (line.requests, line.input_tokens, line.output_tokens, usd_text(line.cost_nano), usd_text(line.charge_nano))


def _as_dict(report: MonthlyReport) -> dict[str, object]:
    return {
        "month": f"{report.month:%Y-%m}",
        "currency": "USD",
        "teams": [_line_dict(line) for line in report.teams],
        "keys": [_line_dict(line) for line in report.keys],
        "models": [_line_dict(line) for line in report.models],
        "total": dict(zip(_COLUMNS, _cells(report.total), strict=True)),
    }


def _line_dict(line: ReportLine) -> dict[str, object]:
    return {"id": line.id, "name": line.name, **dict(zip(_COLUMNS, _cells(line), strict=True))}


def _as_csv(report: MonthlyReport) -> str:
    groups = {"team": report.teams, "key": report.keys, "model": report.models, "total": (report.total,)}
    rows = [
        (
            f"{report.month:%Y-%m}",
            kind,
            line.id or "",
            line.name,
            line.requests,
            line.input_tokens,
            line.output_tokens,
            usd_decimal(line.cost_nano),
            usd_decimal(line.charge_nano),
        )
        for kind, lines in groups.items()
        for line in lines
    ]
    return csv_bytes(("month", "by", "id", "name", *_COLUMNS), rows).decode()
