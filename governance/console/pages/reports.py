"""What the page of reports shows: spend of any days by day or month, team, model and key; and the same as a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from governance.console.pages.spend import (
    Day,
    Row,
    chart_of_days,
    chart_of_months,
    days_of,
    key_names,
    model_names,
    ranking,
    team_names,
    together,
)
from governance.core.csv_text import Cell, csv_bytes
from governance.core.money import usd_decimal
from governance.core.windows import Period
from governance.ledger.spending import Sum, spending
from governance.viewing.viewer import Viewer

MOST_DAYS = 400
MOST_KEYS_IN_FILE = 1_000_000
_MOST_ROWS = 200
_MOST_COLUMNS = 62
_DAY = timedelta(days=1)
_HEADER = (
    "Group",
    "Id",
    "Name",
    "Of",
    "Requests",
    "Failed",
    "Input tokens",
    "Output tokens",
    "Spend (USD)",
)


@dataclass(frozen=True, kw_only=True)
class Days:
    """Days in the organisation's zone, both included."""

    first: date
    last: date


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole page. `steps` are days, or months where there are too many days to be drawn."""

    days: Days
    zone: str
    total: Sum
    chart: SafeString
    steps: list[Day]
    is_by_month: bool
    teams: list[Row]
    models: list[Row]
    keys: list[Row]


def report(*, viewer: Viewer, days: Days, now: datetime, most: int = _MOST_ROWS) -> Report:
    """Return what was spent on these days, as far as the viewer may see it. Raises DayDetached."""
    zone = viewer.organisation.zone
    period = Period(starts_at=_midnight(days.first, zone), ends_at=_midnight(days.last + _DAY, zone))
    spent = spending(reach=viewer.reach, since=period.starts_at, until=period.ends_at)
    listed = days_of(period, zone, spent)
    is_by_month = len(listed) > _MOST_COLUMNS
    when = f"from {days.first:%d %B %Y} to {days.last:%d %B %Y}"
    today = now.astimezone(ZoneInfo(zone)).date()
    steps = _months(listed) if is_by_month else listed
    return Report(
        days=days,
        zone=zone,
        total=spent.total,
        chart=chart_of_months(steps, when=when) if is_by_month else chart_of_days(steps, today=today, when=when),
        steps=steps,
        is_by_month=is_by_month,
        teams=ranking(spent.by_team, team_names(spent.by_team), most=most),
        models=ranking(spent.by_model, model_names(spent.by_model), most=most),
        keys=ranking(spent.by_key, key_names(spent.by_key), most=most),
    )


def report_csv(found: Report) -> bytes:
    """Return a report as one table; each group adds up to the total, which is no line of it."""
    return csv_bytes(_HEADER, _lines(found))


def _lines(found: Report) -> Iterator[tuple[Cell, ...]]:
    for step in found.steps:
        name = f"{step.day:%Y-%m}" if found.is_by_month else f"{step.day:%Y-%m-%d}"
        yield ("Month" if found.is_by_month else "Day", "", name, "", *_cells(step.total))
    for group, rows in (("Team", found.teams), ("Model", found.models), ("Key", found.keys)):
        for row in rows:
            yield (group, row.id or "", row.name, row.detail, *_cells(row.total))


def _cells(total: Sum) -> tuple[Cell, ...]:
    spend = usd_decimal(total.charge_nano)
    return (total.requests, total.failed, total.input_tokens, total.output_tokens, spend)


def _months(days: list[Day]) -> list[Day]:
    months: dict[date, list[Sum]] = {}
    for each in days:
        months.setdefault(each.day.replace(day=1), []).append(each.total)
    return [Day(day=month, total=together(sums)) for month, sums in months.items()]


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
