"""Where a call stands in the statements: the lines of the file that its usage is a part of."""

import csv
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

import msgspec

from governance.chargeback.document import HEADER
from governance.chargeback.models import Statement

_KEY_ID = HEADER.index("Virtual key ID")
_VENDOR = HEADER.index("Vendor")
_MODEL = HEADER.index("Model")


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a file, about one key and one model: `kind` is Usage or Correction, `cost_usd` exact."""

    kind: str
    words: str
    quantity: int
    unit: str
    cost_usd: Decimal


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The newest statement of a month, and its lines of a key and a model; None where none is written yet.

    `is_before`: it was written before the last of what is asked about was booked.
    """

    month: date
    statement: Statement | None
    is_before: bool
    lines: tuple[StatementLine, ...]


def places_in_statements(
    *, cost_centre_id: int, booked: Mapping[date, datetime], key_id: int, provider: str, model: str
) -> list[Place]:
    """Return where calls of this key to this model stand in the cost centre's statements of the months in which they
    were booked; `booked` says when the last of them was.
    """
    places = []
    for month, booked_at in sorted(booked.items()):
        found = Statement.objects.filter(cost_centre_id=cost_centre_id, month=month).order_by("-version")
        statement = found.select_related("cost_centre").first()
        lines = _lines(bytes(statement.content), str(key_id), provider, model) if statement is not None else ()
        is_before = statement is not None and statement.created_at < booked_at
        places.append(Place(month=month, statement=statement, is_before=is_before, lines=tuple(lines)))
    return places


def _lines(content: bytes, key_id: str, provider: str, model: str) -> Iterator[StatementLine]:
    """Read the lines that name the key: a file may be long, and a page waits for it."""
    wanted = (line for line in content.decode().splitlines() if key_id in line)
    for cells in csv.reader(wanted):
        if len(cells) == len(HEADER) and (cells[_KEY_ID], cells[_VENDOR], cells[_MODEL]) == (key_id, provider, model):
            row = dict(zip(HEADER, cells, strict=True))
            yield StatementLine(
                kind=row["Line"],
                words=row["What was used"],
                quantity=int(row["Quantity"]),
                unit=row["Unit"],
                cost_usd=Decimal(row["Cost (USD)"]),
            )
