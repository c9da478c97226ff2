"""A statement as a spreadsheet: made from the file that was written once, so that it says nothing else. Pure.

Numbers are numbers, texts are never formulas, the header stays in sight, and the total is a formula whose value was
checked against the statement's own. Excel keeps 15 digits of a number: the CSV has all of them, and the second sheet
has the exact total. The same statement gives the same bytes (with the same release of xlsxwriter).
"""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from governance.chargeback.document import HEADER
from governance.chargeback.errors import StatementUnbalanced
from governance.core.csv_text import text_of_cell
from governance.core.money import exact_sum, usd_decimal, usd_text

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_QUANTITY = HEADER.index("Quantity")
_COST = HEADER.index("Cost (USD)")
_WIDTHS = (10, 14, 22, 12, 18, 22, 14, 14, 26, 34, 16, 11, 20)
_MADE = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""A workbook has a date of its making; that of today would make every file another one."""


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What is put into the workbook: the statement's file, and what the second sheet says of it, line by line."""

    content: bytes
    total_nano: int
    facts: tuple[tuple[str, str], ...]


def make_spreadsheet(sheet: Sheet) -> bytes:
    """Return the workbook. Raises StatementUnbalanced where the lines do not add up to the statement's total."""
    rows = list(csv.reader(io.StringIO(sheet.content.decode(), newline="")))
    if tuple(rows[0]) != HEADER:
        raise StatementUnbalanced("The statement has other columns than this release writes: download it as CSV.")
    lines = rows[1:]
    total = exact_sum(Decimal(line[_COST]) for line in lines)
    if total != usd_decimal(sheet.total_nano):
        raise StatementUnbalanced(
            f"The lines add up to {total:f} USD, and the statement to {usd_text(sheet.total_nano)} USD: the file is "
            "not what was written."
        )
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as workbook:
        workbook.set_properties({"title": "Statement", "author": "Bursar", "created": _MADE})
        bold = workbook.add_format({"bold": True})
        _write_lines(workbook, workbook.add_worksheet("Statement"), lines, total, bold)
        _write_facts(workbook.add_worksheet("About"), sheet, bold)
    return out.getvalue()


def _write_lines(workbook: Workbook, page: Worksheet, lines: list[list[str]], total: Decimal, bold: Format) -> None:
    count = workbook.add_format({"num_format": "#,##0"})
    amount = workbook.add_format({"num_format": "#,##0.00##########"})
    sum_of_all = workbook.add_format({"num_format": "#,##0.00##########", "bold": True, "top": 1})
    page.freeze_panes(1, 0)
    for column, (title, width) in enumerate(zip(HEADER, _WIDTHS, strict=True)):
        page.set_column(column, column, width)
        page.write_string(0, column, title, bold)
    for at, line in enumerate(lines, start=1):
        for column, text in enumerate(line):
            if column == _COST:
                page.write_number(at, column, float(Decimal(text)), amount)
            elif column == _QUANTITY and text:
                page.write_number(at, column, int(text), count)
            else:
                page.write_string(at, column, text_of_cell(text))
    below = len(lines) + 1
    page.write_string(below, 0, "Total", bold)
    first, last = (xlsxwriter.utility.xl_rowcol_to_cell(row, _COST) for row in (1, max(below - 1, 1)))
    page.write_formula(below, _COST, f"=SUM({first}:{last})", sum_of_all, float(total))
    page.autofilter(0, 0, max(below - 1, 1), len(HEADER) - 1)


def _write_facts(page: Worksheet, sheet: Sheet, bold: Format) -> None:
    page.set_column(0, 0, 24)
    page.set_column(1, 1, 80)
    said = (
        *sheet.facts,
        ("Total (USD), exact", usd_text(sheet.total_nano)),
        ("Digits", "Spreadsheets keep 15 digits of a number. The CSV file of the same statement has all of them."),
    )
    for at, (name, text) in enumerate(said):
        page.write_string(at, 0, name, bold)
        page.write_string(at, 1, text)
