"""What the overview shows: this month's spend, who and what it went to, and which budgets are near their limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from governance.catalog.models import LanguageModel
from governance.console import amounts, charts
from governance.console.pages.budgets import BudgetLine, budget_lines
from governance.console.viewer import Viewer
from governance.core.windows import Period, Window, WindowKind
from governance.keys.models import VirtualKey
from governance.ledger.spending import Spending, Sum, spending
from governance.metering.queries import Suspense, suspense_total
from governance.teams.models import Team

_TOP = 6
_NEAREST = 5
_SMALLEST_SCALE_NANO = 10**6


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


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The whole page."""

    month: str
    zone: str
    total: Sum
    suspense: Suspense
    budget: BudgetLine | None
    nearest: list[BudgetLine]
    chart: SafeString
    days: list[Day]
    teams: list[Row]
    models: list[Row]
    keys: list[Row]

    @property
    def total_tokens(self) -> str:
        """Input and output together, short: "1.2 M"."""
        return amounts.short_count(self.total.input_tokens + self.total.output_tokens)


def overview(*, viewer: Viewer, now: datetime) -> Overview:
    """Return this month so far, in the organisation's zone, as far as the viewer may see it."""
    zone = viewer.organisation.zone
    month = Window(kind=WindowKind.MONTH, zone=zone).period_at(now)
    spent = spending(reach=viewer.reach, since=month.starts_at, until=month.ends_at, zone=zone)
    budgets = budget_lines(viewer=viewer, now=now)
    days = _days(month, zone, spent)
    today = now.astimezone(ZoneInfo(zone)).date()
    return Overview(
        month=f"{today:%B %Y}",
        zone=zone,
        total=spent.total,
        suspense=suspense_total(reach=viewer.reach),
        budget=next((line for line in budgets if line.is_whole_month), None),
        nearest=sorted(budgets, key=lambda line: -line.used_permille)[:_NEAREST],
        chart=_chart(days, today),
        days=[day for day in days if day.day <= today],
        teams=_ranking(spent.by_team, _team_names(spent.by_team)),
        models=_ranking(spent.by_model, _model_names(spent.by_model)),
        keys=_ranking(spent.by_key, _key_names(spent.by_key)),
    )


def _days(month: Period, zone: str, spent: Spending) -> list[Day]:
    first = month.starts_at.astimezone(ZoneInfo(zone)).date()
    after = month.ends_at.astimezone(ZoneInfo(zone)).date()
    listed = [first + timedelta(days=number) for number in range((after - first).days)]
    return [Day(day=day, total=spent.by_day.get(day, Sum())) for day in listed]


def _chart(days: list[Day], today: date) -> SafeString:
    largest = max(days, key=lambda day: day.total.charge_nano)
    ticks = [
        (amount, amounts.usd_short(amount))
        for amount in charts.scale(max(largest.total.charge_nano, _SMALLEST_SCALE_NANO))
    ]
    summary = f"Spend per day in {today:%B %Y}; the table below has the same figures."
    if largest.total.charge_nano:
        summary += f" Most on {largest.day.day} {largest.day:%B}: {amounts.usd(largest.total.charge_nano)}."
    columns = [
        charts.Column(
            day=day.day.day,
            amount=day.total.charge_nano,
            label=f"{day.day.day} {day.day:%B}: {amounts.usd(day.total.charge_nano)}, "
            f"{amounts.count(day.total.requests)} requests",
            is_today=day.day == today,
        )
        for day in days
    ]
    return charts.columns(days=columns, ticks=ticks, summary=summary)


def _ranking(sums: Mapping[int, Sum], names: Mapping[int, tuple[str, str]]) -> list[Row]:
    """Return the dearest members, and one line for all others together."""
    ordered = sorted(sums.items(), key=lambda item: (-item[1].charge_nano, -item[1].requests, item[0]))
    rows = [
        Row(
            id=member, name=names.get(member, (f"#{member}", ""))[0], detail=names.get(member, ("", ""))[1], total=total
        )
        for member, total in ordered[:_TOP]
    ]
    if rest := [total for _, total in ordered[_TOP:]]:
        rows.append(Row(id=None, name=f"{len(rest)} more", detail="", total=_together(rest)))
    return rows


def _together(sums: list[Sum]) -> Sum:
    return Sum(
        charge_nano=sum(each.charge_nano for each in sums),
        requests=sum(each.requests for each in sums),
        failed=sum(each.failed for each in sums),
        input_tokens=sum(each.input_tokens for each in sums),
        output_tokens=sum(each.output_tokens for each in sums),
    )


def _team_names(sums: Mapping[int, Sum]) -> dict[int, tuple[str, str]]:
    return {team.pk: (team.name, "") for team in Team.objects.filter(id__in=sums)}


def _model_names(sums: Mapping[int, Sum]) -> dict[int, tuple[str, str]]:
    return {model.pk: (model.name, model.provider) for model in LanguageModel.objects.filter(id__in=sums)}


def _key_names(sums: Mapping[int, Sum]) -> dict[int, tuple[str, str]]:
    keys = VirtualKey.objects.filter(id__in=sums).select_related("team")
    return {key.pk: (key.name, key.team.name) for key in keys}
