"""Parts of pages about spend: days with their chart, and rankings of teams, models and keys."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from governance.catalog.models import LanguageModel
from governance.console import amounts, charts
from governance.core.windows import Period
from governance.keys.models import VirtualKey
from governance.ledger.spending import Spending, Sum
from governance.teams.models import Team

Names = Mapping[int, tuple[str, str]]
"""A name and what is said beside it, by id."""

_SMALLEST_SCALE_NANO = 10**6
_ALL_MARKED = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a ranking. `id` is None for the line that gathers the rest."""

    id: int | None
    name: str
    detail: str
    total: Sum


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of the table beside the chart."""

    day: date
    total: Sum


def days_of(period: Period, zone: str, spent: Spending) -> list[Day]:
    """Return the local days of a period of whole days, those without spend too."""
    first = period.starts_at.astimezone(ZoneInfo(zone)).date()
    after = period.ends_at.astimezone(ZoneInfo(zone)).date()
    listed = [first + timedelta(days=number) for number in range((after - first).days)]
    return [Day(day=day, total=spent.by_day.get(day, Sum())) for day in listed]


def chart_of_days(days: Sequence[Day], *, today: date, when: str) -> SafeString:
    """Draw spend per day; `when` says of which days in words, such as "in November 2026"."""
    largest = max(days, key=lambda day: day.total.charge_nano)
    summary = f"Spend per day {when}; the table below has the same figures."
    if largest.total.charge_nano:
        summary += f" Most on {largest.day.day} {largest.day:%B}: {amounts.usd(largest.total.charge_nano)}."
    drawn = [
        charts.Column(
            amount=day.total.charge_nano,
            label=f"{day.day.day} {day.day:%B}: {_words(day.total)}",
            mark=charts.day_mark(day.day, today=today),
            is_today=day.day == today,
        )
        for day in days
    ]
    return charts.columns(drawn=drawn, ticks=_ticks(largest.total.charge_nano), summary=summary)


def chart_of_months(months: Sequence[Day], *, when: str) -> SafeString:
    """Draw spend per month, each named by its first day."""
    summary = f"Spend per month {when}; the table below has the same figures."
    drawn = [
        charts.Column(
            amount=month.total.charge_nano,
            label=f"{month.day:%B %Y}: {_words(month.total)}",
            # On a telephone there is no room for the names of all.
            mark=f"{month.day:%b}" if len(months) <= _ALL_MARKED or at % 2 == 0 else "",
        )
        for at, month in enumerate(months)
    ]
    return charts.columns(drawn=drawn, ticks=_ticks(max(each.amount for each in drawn)), summary=summary)


def ranking(sums: Mapping[int, Sum], names: Names, *, most: int) -> list[Row]:
    """Return the dearest members, at most so many, and one line for all others together."""
    ordered = sorted(sums.items(), key=lambda item: (-item[1].charge_nano, -item[1].requests, item[0]))
    rows = [
        Row(
            id=member, name=names.get(member, (f"#{member}", ""))[0], detail=names.get(member, ("", ""))[1], total=total
        )
        for member, total in ordered[:most]
    ]
    if rest := [total for _, total in ordered[most:]]:
        rows.append(Row(id=None, name=f"{len(rest)} more", detail="", total=together(rest)))
    return rows


def together(sums: Collection[Sum]) -> Sum:
    """Return what these add up to."""
    return Sum(
        charge_nano=sum(each.charge_nano for each in sums),
        requests=sum(each.requests for each in sums),
        failed=sum(each.failed for each in sums),
        input_tokens=sum(each.input_tokens for each in sums),
        output_tokens=sum(each.output_tokens for each in sums),
    )


def team_names(ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return the names of these teams."""
    return {team.pk: (team.name, "") for team in Team.objects.filter(id__in=ids)}


def model_names(ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return the names of these models, each with its vendor."""
    return {model.pk: (model.name, model.provider) for model in LanguageModel.objects.filter(id__in=ids)}


def key_names(ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return the names of these keys, each with its team."""
    keys = VirtualKey.objects.filter(id__in=ids).select_related("team")
    return {key.pk: (key.name, key.team.name) for key in keys}


def _words(total: Sum) -> str:
    return f"{amounts.usd(total.charge_nano)}, {amounts.count(total.requests)} requests"


def _ticks(largest_nano: int) -> list[tuple[int, str]]:
    return [(amount, amounts.usd_short(amount)) for amount in charts.scale(max(largest_nano, _SMALLEST_SCALE_NANO))]
