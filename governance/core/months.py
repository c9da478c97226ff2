"""Accounting months: a month is named by its first day, and begins at midnight in the organisation's time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from governance.core.windows import Period, Window, WindowKind


class MonthInvalid(ValueError):
    """The text is not a month."""


def parse_month(text: str) -> date:
    """Return the first day of a month written as 2026-11. Raises MonthInvalid."""
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise MonthInvalid(f"{text!r} is not a month: write it as 2026-11.") from error
    if f"{month:%Y-%m}" != text:
        raise MonthInvalid(f"{text!r} is not a month: write it as 2026-11.")
    return month


def month_at(at: datetime, *, zone: str) -> date:
    """Return the first day of the month that holds this instant."""
    return at.astimezone(ZoneInfo(zone)).date().replace(day=1)


def month_before(month: date) -> date:
    """Return the first day of the month before."""
    return (month - timedelta(days=1)).replace(day=1)


def month_after(month: date) -> date:
    """Return the first day of the month after."""
    return (month + timedelta(days=31)).replace(day=1)


def month_period(month: date, *, zone: str) -> Period:
    """Return when the month begins and ends, in UTC."""
    middle = datetime.combine(month, time(12), tzinfo=UTC) + timedelta(days=14)
    return Window(kind=WindowKind.MONTH, zone=zone).period_at(middle)
