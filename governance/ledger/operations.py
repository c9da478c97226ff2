"""Writing to the books beside the request path, which writes through metering's SQL functions."""

from datetime import date

from django.db import DatabaseError, IntegrityError, connection, transaction

from governance.ledger.errors import BooksBusy, DayRefused
from governance.ledger.models import DetachedDay

_SHORT_WAIT = "SET LOCAL lock_timeout = '3s'"
_BUSY = ("55P03", "40P01")
"""A lock that was not to be had in time, and one that each of two waited for."""


def make_partitions(*, days_ahead: int) -> int:
    """Make the daily partitions of usage records from today on; return how many were missing.

    A day without one loses nothing: its records go to the default partition.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_make_partitions(%s)", [days_ahead])
        (made,) = cursor.fetchone()
    return int(made)


def roll_day_sums() -> int:
    """Take one step with the sums by day; return how many were touched. May run at any time, by several at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_roll_day_sums()")
        (touched,) = cursor.fetchone()
    return int(touched)


def mend_day_sums(*, since: date) -> int:
    """Prove the sums from this local day on against the records, mend those that differ, and return how many did."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT ledger_mend_day_sums(%s)", [since])
        (mended,) = cursor.fetchone()
    return int(mended)


def shut_month(*, organisation_id: int, month: date) -> bool:
    """Book nothing in this month any more: later facts go to the next open one. Return whether it was open.

    When this has committed, no transaction is left that may still book in the month. Raises BooksBusy, in which case
    nothing was changed. In a transaction of the caller's, whatever else it locks is locked before.
    """
    return _turn("SELECT ledger_shut_month(%s, %s)", organisation_id, month)


def reopen_month(*, organisation_id: int, month: date) -> bool:
    """Book in this month again. Return whether it was shut. Raises BooksBusy, and DayRefused for detached days."""
    return _turn("SELECT ledger_reopen_month(%s, %s)", organisation_id, month)


def detach_day(*, day: date) -> DetachedDay:
    """Take a day (UTC) of usage records out of the books' table and leave sums in its place.

    Raises DayRefused when a month of its records is open, BooksBusy; then nothing was changed.
    """
    return _exchange("SELECT ledger_detach_day(%s)", day)


def attach_day(*, day: date) -> DetachedDay:
    """Put a detached day back: its records count again, its sums no more.

    Raises DayRefused when it is not detached, or its table is missing or not what it was; BooksBusy.
    """
    return _exchange("SELECT ledger_attach_day(%s)", day)


def _turn(statement: str, organisation_id: int, month: date) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_SHORT_WAIT)
            cursor.execute(statement, [organisation_id, month])
            (is_turned,) = cursor.fetchone()
    except IntegrityError as error:
        raise DayRefused(_sentence(error)) from error
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) in _BUSY:
            raise BooksBusy(
                f"Much is being booked, so {month:%Y-%m} could not be had alone; nothing was changed. Try again."
            ) from error
        raise
    return bool(is_turned)


def _exchange(statement: str, day: date) -> DetachedDay:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [day])
            (detachment_id,) = cursor.fetchone()
    except IntegrityError as error:
        raise DayRefused(_sentence(error)) from error
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) in _BUSY:
            raise BooksBusy(
                f"The usage records are in use, so {day} could not be exchanged; nothing was changed. "
                "Try again when no long report or proof runs."
            ) from error
        raise
    return DetachedDay.objects.get(pk=detachment_id)


def _sentence(error: DatabaseError) -> str:
    diagnosis = getattr(error.__cause__, "diag", None)
    return str(diagnosis.message_primary) if diagnosis is not None else str(error)
