"""Errors of the ledger.

Conflict
└── DayDetached, DayRefused, BooksBusy
"""

from governance.core.errors import Conflict


class DayDetached(Conflict):
    """What was asked needs single records of a day that is detached."""


class DayRefused(Conflict):
    """The day may not be detached, or not be attached, now."""


class BooksBusy(Conflict):
    """What must be had alone for a moment, a table or a month, is in use; nothing was changed."""

    is_retryable = True
