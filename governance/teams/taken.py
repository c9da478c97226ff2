"""Names that are taken: one sentence for whoever comes second, also when it is only by a moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from governance.core.errors import Conflict

_UNIQUE_VIOLATION = "23505"


@contextmanager
def refusing_taken(refusal: Conflict) -> Iterator[None]:
    """Raise the refusal when what the block inserts is there already. The database decides, so there is no race."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if getattr(error.__cause__, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        raise refusal from error
