"""Statements as spreadsheets, read back by another library."""

import io
import zipfile
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from governance.chargeback.document import HEADER
from governance.chargeback.errors import StatementUnbalanced
from governance.chargeback.spreadsheet import Sheet, make_spreadsheet
from governance.core.csv_text import Cell, csv_bytes

WHOSE = ("2026-11", "CC-1", "Search")
NAMES = ("=cmd|' /C calc'!A0", "@SUM(1)", "+1", "'tis", "https://acme.example", "007")


def line(name: str, quantity: int, cost: str) -> tuple[Cell, ...]:
    """A line of a statement; the team is called so."""
    return (*WHOSE, "Usage", name, "robot", 7, "openai", "gpt-5", "Input tokens", quantity, "token", Decimal(cost))


ROUNDING = (
    *WHOSE,
    "Rounding",
    "",
    "",
    "",
    "",
    "",
    "Rounding: each call goes up",
    "",
    "",
    Decimal("0.0000000015"),
)


def sheet(*rows: tuple[Cell, ...], total_nano: int) -> Sheet:
    """What is put into the workbook."""
    return Sheet(content=csv_bytes(HEADER, rows), total_nano=total_nano, facts=(("Month", "2026-11"),))


def read(content: bytes, *, values: bool) -> Any:
    """Open the workbook: its values as the last program that wrote it computed them, or its formulas."""
    return openpyxl.load_workbook(io.BytesIO(content), data_only=values)


def test_numbers_are_numbers_texts_are_texts_and_the_total_is_a_formula() -> None:
    rows = [line(name, 1000 + at, "0.00000000125") for at, name in enumerate(NAMES)]
    content = make_spreadsheet(_balanced(rows))
    formulas, values = read(content, values=False)["Statement"], read(content, values=True)["Statement"]
    assert [cell.value for cell in formulas[1]] == list(HEADER)
    assert [formulas.cell(at, 5).value for at in range(2, 8)] == list(NAMES)
    assert {formulas.cell(at, 5).data_type for at in range(2, 8)} == {"s"}
    assert [formulas.cell(at, 11).value for at in range(2, 8)] == [1000, 1001, 1002, 1003, 1004, 1005]
    assert formulas.cell(2, 13).value == 0.00000000125
    assert formulas.cell(9, 13).value == "=SUM(M2:M8)"
    assert values.cell(9, 13).value == pytest.approx(sum(values.cell(at, 13).value for at in range(2, 9)), abs=1e-18)
    assert formulas.freeze_panes == "A2"
    about = {row[0].value: row[1].value for row in read(content, values=True)["About"].iter_rows()}
    assert (about["Month"], about["Total (USD), exact"]) == ("2026-11", "0.000000009")


def _balanced(rows: list[tuple[Cell, ...]]) -> Sheet:
    return sheet(*rows, ROUNDING, total_nano=9)


def test_the_same_statement_gives_the_same_bytes() -> None:
    rows = [line("Search", 10, "0.0000000075")]
    first, second = (make_spreadsheet(_balanced(rows)) for _ in range(2))
    assert first == second
    assert {entry.date_time for entry in zipfile.ZipFile(io.BytesIO(first)).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_statement_without_usage_is_a_spreadsheet_too() -> None:
    empty = (*WHOSE, "No usage", "", "", "", "", "", "Nothing was used in this month", 0, "", Decimal("0.00"))
    page = read(make_spreadsheet(sheet(empty, total_nano=0)), values=True)["Statement"]
    assert (page.cell(2, 10).value, page.cell(3, 13).value) == ("Nothing was used in this month", 0)


def test_lines_that_do_not_add_up_make_no_spreadsheet() -> None:
    with pytest.raises(StatementUnbalanced, match="not what was written"):
        make_spreadsheet(sheet(line("Search", 10, "0.000000001"), total_nano=2))
    with pytest.raises(StatementUnbalanced, match="other columns"):
        make_spreadsheet(Sheet(content=b"a,b\r\n1,2\r\n", total_nano=0, facts=()))
