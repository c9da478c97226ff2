"""Days of usage records that are detached: which they are, and what cannot be answered without their records."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from governance.ledger.errors import DayDetached
from governance.ledger.models import DetachedDay

Day = DetachedDay
"""For rooms above, which name the type but touch no model of this room."""

_DAY = timedelta(days=1)


def detached_days() -> QuerySet[DetachedDay]:
    """Return the days whose records are away now, oldest first."""
    return DetachedDay.objects.filter(end__isnull=True).order_by("day")


def table_of(day: date) -> str:
    """Return the name of the table that holds a detached day's records, until somebody drops it."""
    return f"ledger_detached_{day:%Y%m%d}"


def refuse_detached(*, since: datetime | None, until: datetime | None, what: str) -> None:
    """Raise DayDetached when a detached day has a part in `[since, until)`; `what` begins its sentence."""
    _refuse(_touched(since, until), what=what)


def whole_detached_days(*, since: datetime | None, until: datetime | None, what: str) -> list[DetachedDay]:
    """Return the detached days within `[since, until)`. Raises DayDetached when one of its ends cuts such a day."""
    touched = _touched(since, until)
    cut = [
        each
        for each in touched
        if (since is not None and since > _start(each.day)) or (until is not None and until < _start(each.day) + _DAY)
    ]
    _refuse(cut, what=what)
    return touched


def open_months_of(*, day: date) -> list[str]:
    """Return the months that are open and hold records of the day, such as "2026-11", for dry runs."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT to_char(e.month, 'YYYY-MM')
              FROM (SELECT DISTINCT entry_id FROM ledger_usagerecord
                     WHERE admitted_at >= %(since)s AND admitted_at < %(until)s) r
              JOIN ledger_entry e ON e.id = r.entry_id
             WHERE NOT EXISTS (SELECT FROM ledger_accountingperiod a
                                WHERE a.organisation_id = e.organisation_id AND a.month = e.month)
             ORDER BY 1
            """,
            {"since": _start(day), "until": _start(day) + _DAY},
        )
        return [month for (month,) in cursor.fetchall()]


def last_close() -> datetime | None:
    """Return when a month was closed last, whosever; None before the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(closed_at) FROM ledger_accountingperiod")
        (at,) = cursor.fetchone()
    return at  # type: ignore[no-any-return]  # psycopg returns timestamptz as datetime


def _touched(since: datetime | None, until: datetime | None) -> list[DetachedDay]:
    return [
        each
        for each in detached_days()
        if (until is None or _start(each.day) < until) and (since is None or _start(each.day) + _DAY > since)
    ]


def _refuse(days: Sequence[DetachedDay], *, what: str) -> None:
    if not days:
        return
    more = f" and of {len(days) - 1} more days" if len(days) > 1 else ""
    raise DayDetached(
        f"{what} needs the usage records of {days[0].day}{more}, which are detached: attach them with "
        f"`bursar ledger attach {days[0].day}`, or leave them out."
    )


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
