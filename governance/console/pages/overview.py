"""What the overview shows: this month's spend, who and what it went to, and which budgets are near their limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from governance.console import amounts
from governance.console.pages.budgets import BudgetLine, budget_lines
from governance.console.pages.spend import (
    Day,
    Names,
    Row,
    chart_of_days,
    days_of,
    key_names,
    model_names,
    ranking,
    team_names,
)
from governance.core.windows import Period, Window, WindowKind
from governance.ledger.errors import DayDetached
from governance.ledger.spending import Spending, Sum, spending
from governance.metering.queries import Suspense, suspense_total
from governance.metering.refused import Refused, refused
from governance.viewing.viewer import Viewer

_TOP = 6
_NEAREST = 5
_REASONS = {
    "budget_exceeded": "Budget spent",
    "budget_held": "Budget held by calls in flight",
    "rate_limited": "Rate limit reached",
    "model_not_allowed": "Model not on the allow-list",
    "model_unknown": "No such model",
    "guard_refused": "Stopped by a guard",
    "region_not_allowed": "Not served in the allowed regions",
    "request_unpriced": "Nothing bounds its cost",
    "bad_request": "Request not understood",
    "tags_missing": "Required tags missing",
    "governance_unavailable": "Budgets could not be asked",
}
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Mover:
    """A team or model whose spend changed: this month so far, and in the same days of the month before."""

    kind: str
    name: str
    now_nano: int
    before_nano: int

    @property
    def change_nano(self) -> int:
        """More, or less if negative."""
        return self.now_nano - self.before_nano


@dataclass(frozen=True, kw_only=True)
class VendorLine:
    """How calls through one connection went today."""

    name: str
    provider: str
    total: Sum

    @property
    def state(self) -> str:
        """One of good, near (one call in a hundred failed) and over (one in ten)."""
        if self.total.failed * 10 >= self.total.requests:
            return "over"
        return "near" if self.total.failed * 100 >= self.total.requests else "good"

    @property
    def failed_share(self) -> str:
        """The share of failed calls in words."""
        return amounts.percent(self.total.failed, self.total.requests) if self.total.failed else "none"


@dataclass(frozen=True, kw_only=True)
class RefusalLine:
    """Why requests were refused this month, in words, and who met it most often."""

    reason: str
    refused: Refused

    @property
    def most(self) -> str:
        """All of them, or how many, were of the key that is named."""
        alone = self.refused.key_requests == self.refused.requests
        return "all of them" if alone else amounts.percent(self.refused.key_requests, self.refused.requests)


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
    forecast_nano: int | None
    movers: list[Mover]
    vendors: list[VendorLine]
    refused: list[RefusalLine]

    @property
    def total_tokens(self) -> str:
        """Input and output together, short: "1.2 M"."""
        return amounts.short_count(self.total.input_tokens + self.total.output_tokens)


def overview(*, viewer: Viewer, now: datetime) -> Overview:
    """Return this month so far, in the organisation's zone, as far as the viewer may see it."""
    zone = viewer.organisation.zone
    month = Window(kind=WindowKind.MONTH, zone=zone).period_at(now)
    spent = spending(reach=viewer.reach, since=month.starts_at, until=month.ends_at)
    former = _former(viewer, month, now)
    known = former or Spending()
    teams = team_names({*spent.by_team, *known.by_team})
    models = model_names({*spent.by_model, *known.by_model})
    budgets = budget_lines(viewer=viewer, now=now)
    days = days_of(month, zone, spent)
    today = now.astimezone(ZoneInfo(zone)).date()
    return Overview(
        month=f"{today:%B %Y}",
        zone=zone,
        total=spent.total,
        suspense=suspense_total(reach=viewer.reach),
        budget=next((line for line in budgets if line.is_whole_month), None),
        nearest=sorted(budgets, key=lambda line: -line.used_permille)[:_NEAREST],
        chart=chart_of_days(days, today=today, when=f"in {today:%B %Y}"),
        days=[day for day in days if day.day <= today],
        teams=ranking(spent.by_team, teams, most=_TOP),
        models=ranking(spent.by_model, models, most=_TOP),
        keys=ranking(spent.by_key, key_names(spent.by_key), most=_TOP),
        forecast_nano=_forecast(month, spent.total.charge_nano, now),
        movers=_movers(spent, former, teams, models),
        vendors=_vendors(viewer, now),
        refused=_refused(viewer, month),
    )


def _forecast(month: Period, spent_nano: int, now: datetime) -> int | None:
    """Return what the whole month comes to at the pace so far; None on its first day, which says too little."""
    elapsed, whole = (now - month.starts_at) // _TICK, (month.ends_at - month.starts_at) // _TICK
    return spent_nano * whole // elapsed if now - month.starts_at >= timedelta(days=1) else None


def _former(viewer: Viewer, month: Period, now: datetime) -> Spending | None:
    """Return the same days of the month before, as many as have begun; None where some of them are detached."""
    zone = ZoneInfo(viewer.organisation.zone)
    before = Window(kind=WindowKind.MONTH, zone=viewer.organisation.zone).period_at(month.starts_at - timedelta(days=1))
    days = now.astimezone(zone).day
    first = before.starts_at.astimezone(zone).date()
    until = min(datetime.combine(first + timedelta(days=days), time(0), tzinfo=zone), before.ends_at)
    try:
        return spending(reach=viewer.reach, since=before.starts_at, until=until)
    except DayDetached:
        return None


def _movers(
    spent: Spending,
    former: Spending | None,
    teams: Names,
    models: Names,
) -> list[Mover]:
    """Return whose spend changed most against the month before; today counts as far as it went."""
    if former is None:
        return []
    found = [
        *_changes("Team", spent.by_team, former.by_team, teams),
        *_changes("Model", spent.by_model, former.by_model, models),
    ]
    return sorted(found, key=lambda mover: -abs(mover.change_nano))[:_TOP]


def _changes(kind: str, now: Mapping[int, Sum], before: Mapping[int, Sum], names: Names) -> list[Mover]:
    changed = {
        member: (now.get(member, Sum()).charge_nano, before.get(member, Sum()).charge_nano)
        for member in {*now, *before}
    }
    return [
        Mover(kind=kind, name=names.get(member, (f"#{member}", ""))[0], now_nano=sums[0], before_nano=sums[1])
        for member, sums in changed.items()
        if sums[0] != sums[1]
    ]


def _vendors(viewer: Viewer, now: datetime) -> list[VendorLine]:
    today = Window(kind=WindowKind.DAY, zone=viewer.organisation.zone).period_at(now)
    sums = spending(reach=viewer.reach, since=today.starts_at, until=today.ends_at).by_connection
    names = {row.pk: row for row in viewer.organisation.connections.all()}
    return sorted(
        (
            VendorLine(name=names[pk].name, provider=names[pk].provider, total=total)
            for pk, total in sums.items()
            if pk in names and total.requests
        ),
        key=lambda line: (-line.total.failed, -line.total.requests, line.name),
    )


def _refused(viewer: Viewer, month: Period) -> list[RefusalLine]:
    lines = refused(reach=viewer.reach, since=month.starts_at, until=month.ends_at)
    return [RefusalLine(reason=_REASONS.get(line.code, line.code), refused=line) for line in lines[:_TOP]]
