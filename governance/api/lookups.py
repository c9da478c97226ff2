"""Finding what an address or a body names by its id, among what the caller sees."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from governance.core.errors import Forbidden, NotFound

_M = TypeVar("_M", bound=Model)


def found(rows: QuerySet[_M], pk: object, *, what: str) -> _M:
    """Return the row of this id. Raises NotFound, also for what exists and the caller may not know of."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no {what} {pk}, or none that you may know of.")
    return row


def ensure(is_allowed: bool, sentence: str) -> None:
    """Raise Forbidden with this sentence unless allowed."""
    if not is_allowed:
        raise Forbidden(sentence)
