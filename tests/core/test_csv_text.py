"""CSV that is safe to open in a spreadsheet."""

import csv
import io
from decimal import Decimal

import pytest

from governance.core.csv_text import csv_bytes


def _read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")', "\uff1d1+1"],
)
def test_text_that_a_spreadsheet_would_run_is_preceded_by_an_apostrophe(text: str) -> None:
    assert _read(csv_bytes(["Name"], [[text]]))[1] == [f"'{text}"]


def test_numbers_stay_numbers_with_all_their_digits() -> None:
    row = [-5, Decimal("-0.000000001"), Decimal("1E-27"), Decimal(2**63) + Decimal("0.5"), 2**64]
    assert _read(csv_bytes(["a", "b", "c", "d", "e"], [row]))[1] == [
        "-5",
        "-0.000000001",
        "0.000000000000000000000000001",
        "9223372036854775808.5",
        "18446744073709551616",
    ]


def test_lines_end_and_cells_are_quoted_as_rfc_4180_says() -> None:
    assert csv_bytes(["a", "b"], [['say "hi"', "x,y"], ["Zürich", 1]]) == (
        'a,b\r\n"say ""hi""","x,y"\r\nZürich,1\r\n'.encode()
    )


@pytest.mark.parametrize("number", [0.1, True])
def test_a_float_or_a_boolean_is_refused(number: float) -> None:
    with pytest.raises(TypeError, match="integer or a Decimal"):
        csv_bytes(["Cost"], [[number]])
