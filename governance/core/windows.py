"""Periods of a budget: pure calendar arithmetic in an IANA time zone.

Periods are half-open `[starts_at, ends_at)`, aware, in UTC. A boundary is local midnight (or the local hour, minute);
where that local time does not exist the first valid instant after the gap is taken, where it exists twice the first.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)


class WindowKind(StrEnum):
    """How often a budget's period begins anew. `total` never does."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    TOTAL = "total"


class Period(msgspec.Struct, frozen=True, order=True):
    """One period: `[starts_at, ends_at)`."""

    starts_at: datetime
    ends_at: datetime

    def holds(self, at: datetime) -> bool:
        """Return whether the instant lies in this period."""
        return self.starts_at <= at < self.ends_at


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A recurring window. `first_month` is where the fiscal year begins (1 to 12); weeks begin on Monday."""

    kind: WindowKind
    zone: str = "UTC"
    first_month: int = 1

    def period_at(self, at: datetime) -> Period:
        """Return the period that holds this instant."""
        if self.kind is WindowKind.TOTAL:
            return Period(BEGINNING, END)
        if self.kind in _FIXED_SECONDS:
            return _fixed_period(at, _FIXED_SECONDS[self.kind])
        zone = ZoneInfo(self.zone)
        first = self._first_day(at.astimezone(zone).date())
        period = self._days(first, zone)
        if period.holds(at):
            return period
        # A clock that was set back over midnight shows the former date again: the day that had begun goes on.
        return self._days(self._next_day(first), zone)

    def _days(self, first: date, zone: ZoneInfo) -> Period:
        return Period(_midnight(first, zone), _midnight(self._next_day(first), zone))

    def _first_day(self, day: date) -> date:
        if self.kind is WindowKind.DAY:
            return day
        if self.kind is WindowKind.WEEK:
            return day - timedelta(days=day.weekday())
        months = _MONTHS[self.kind]
        since_start = (day.month - self.first_month) % 12 % months
        return _add_months(day, -since_start)

    def _next_day(self, first: date) -> date:
        if self.kind is WindowKind.DAY:
            return first + timedelta(days=1)
        if self.kind is WindowKind.WEEK:
            return first + timedelta(days=7)
        return _add_months(first, _MONTHS[self.kind])


_FIXED_SECONDS = {WindowKind.MINUTE: 60, WindowKind.HOUR: 3600}
_FARTHEST = timedelta(days=2)
"""No local midnight is farther from the same midnight in UTC."""
_HALVINGS = 19
"""Twice _FARTHEST, halved so often, is a second."""
_MONTHS = {WindowKind.MONTH: 1, WindowKind.QUARTER: 3, WindowKind.YEAR: 12}


def _fixed_period(at: datetime, seconds: int) -> Period:
    """Minutes and hours tile UTC, so that a change of the local clock neither repeats nor skips one."""
    since = int((at - BEGINNING) // timedelta(seconds=1))
    start = BEGINNING + timedelta(seconds=since - since % seconds)
    return Period(start, start + timedelta(seconds=seconds))


def _add_months(day: date, months: int) -> date:
    """Return the first day of the month that is so many months after this day's."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of this local day, in UTC."""
    local = datetime.combine(day, time(0), tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _end_of_gap(day, zone)


def _end_of_gap(day: date, zone: ZoneInfo) -> datetime:
    """Midnight does not exist: bisect for the instant at which the local clock jumps over it (whole seconds)."""
    wanted = datetime.combine(day, time(0))
    guess = datetime.combine(day, time(0), tzinfo=UTC)
    before, seconds = guess - _FARTHEST, int(2 * _FARTHEST / timedelta(seconds=1))
    for _ in range(_HALVINGS):
        half = timedelta(seconds=seconds // 2)
        if (before + half).astimezone(zone).replace(tzinfo=None) < wanted:
            before += half
            seconds -= seconds // 2
        else:
            seconds //= 2
    return before + timedelta(seconds=seconds)
