"""Finding what an address or a body names by its id, among what the caller sees."""

from datetime import date
from typing import TypeVar

from django.db.models import Model, QuerySet

from governance.core.errors import Forbidden, NotFound
from governance.core.months import MonthInvalid, parse_month

_M = TypeVar("_M", bound=Model)


def found(rows: QuerySet[_M], pk: object, *, what: str) -> _M:
    """Return the row of this id. Raises NotFound, also for what exists and the caller may not know of."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no {what} {pk}, or none that you may know of.")
    return row


def named_month(text: str) -> date:
    """Return the month that an address names, written 2026-11. Raises NotFound."""
    try:
        return parse_month(text)
    except MonthInvalid as error:
        raise NotFound(str(error)) from error


def ensure(is_allowed: bool, sentence: str) -> None:
    """Raise Forbidden with this sentence unless allowed."""
    if not is_allowed:
        raise Forbidden(sentence)
