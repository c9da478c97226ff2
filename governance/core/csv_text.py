"""CSV that people open in spreadsheets: RFC 4180, UTF-8, and no text that a spreadsheet would run as a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

Cell = str | int | Decimal

_RUNS_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return the file. Numbers stay plain digits; text that begins like a formula is preceded by an apostrophe."""
    return b"".join(csv_lines([header, *rows]))


def csv_lines(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Return the same line by line, for a file too large to be held. The first row is the header."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([cell_text(cell) for cell in row])
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()


def text_of_cell(text: str) -> str:
    """Return the text that `cell_text` made this cell of: without the apostrophe that keeps it from being a formula."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_RUNS_AS_FORMULA) else text


def cell_text(cell: Cell) -> str:
    """Return the text of one cell. A float is refused: money and counts are exact."""
    match cell:
        case str():
            return f"'{cell}" if cell.startswith(_RUNS_AS_FORMULA) else cell
        case bool() | float():
            raise TypeError(f"{cell!r} cannot stand in a CSV file: give text, an integer or a Decimal.")
        case Decimal():
            return f"{cell:f}"
        case int():
            return str(cell)
