"""What the budget pages show."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from governance.alerts.models import Crossing
from governance.alerts.queries import crossings_of_budget, forecast
from governance.budgets.models import Account, Budget, Increase, IncreaseRequest
from governance.budgets.queries import Standing, member_standings, narrowed_to, standings, with_limits
from governance.budgets.requests import may_ask
from governance.console import amounts
from governance.core.windows import END, WindowKind
from governance.viewing.viewer import Viewer

_NEAR_PERMILLE = 800
_PERIODS = 24
_CROSSINGS = 24
_REQUESTS = 20
_FORESEEABLE = timedelta(days=366)
WINDOW_WORDS = {
    WindowKind.MINUTE: "per minute",
    WindowKind.HOUR: "per hour",
    WindowKind.DAY: "per day",
    WindowKind.WEEK: "per week",
    WindowKind.MONTH: "per month",
    WindowKind.QUARTER: "per quarter",
    WindowKind.YEAR: "per year",
    WindowKind.TOTAL: "in total",
}


@dataclass(frozen=True, kw_only=True)
class BudgetLine:
    """One budget and its current period. Amounts in nano-USD; `resets_at` is None where it never does.

    `runs_out_at` is when the limit is reached at the pace of the period so far; None when it lasts.
    """

    budget: Budget
    scope_kind: str
    scope_name: str
    narrowed_to: list[tuple[str, str]]
    member: str
    carried_nano: int
    window: str
    limit_nano: int
    settled_nano: int
    held_nano: int
    left_nano: int
    resets_at: datetime | None
    runs_out_at: datetime | None

    @property
    def runs_out_later(self) -> bool:
        """Whether it will run out in this period, and has not yet."""
        return self.runs_out_at is not None and self.settled_nano < self.limit_nano

    @property
    def is_monthly(self) -> bool:
        """Whether it is all of a month's calls that it pays."""
        return self.budget.window == "month" and not self.narrowed_to and not self.is_per_member

    @property
    def is_per_member(self) -> bool:
        """Whether the figures are those of one member; `member` is empty until one has spent."""
        return self.budget.sharing == Budget.Sharing.PER_MEMBER

    @property
    def increased_nano(self) -> int:
        """What increases add to the limit just now."""
        return self.limit_nano - self.carried_nano - self.budget.limit_nano

    @property
    def used_permille(self) -> int:
        """How much is settled or held, in thousandths of the limit."""
        return amounts.permille(self.settled_nano + self.held_nano, self.limit_nano)

    @property
    def used(self) -> str:
        """The share that is settled or held, in words."""
        return amounts.percent(self.settled_nano + self.held_nano, self.limit_nano)

    @property
    def state(self) -> str:
        """One of good, near (four fifths used) and over (nothing left)."""
        if self.left_nano <= 0:
            return "over"
        return "near" if self.used_permille >= _NEAR_PERMILLE else "good"

    @property
    def state_words(self) -> str:
        """The state in words, honest about what a soft budget does."""
        if self.state == "over":
            return "Used up: calls are refused" if self.budget.enforcement == "hard" else "Used up: calls go on"
        return "Nearly used up" if self.state == "near" else "Enough left"

    @property
    def is_whole_month(self) -> bool:
        """Whether this is the whole organisation's monthly budget, for all calls."""
        return self.scope_kind == "Organisation" and self.budget.window == "month" and not self.narrowed_to


@dataclass(frozen=True, kw_only=True)
class CrossingLine:
    """A threshold that was passed, and how many were told. `last_error` is for those who can mend it."""

    crossing: Crossing
    told: int
    recipients: int
    last_error: str


@dataclass(frozen=True, kw_only=True)
class BudgetPage:
    """One budget in detail, with its periods and what was passed in them so far, the newest first."""

    line: BudgetLine
    members: list[BudgetLine]
    increases: list[Increase]
    requests: list[IncreaseRequest]
    periods: list[Account]
    crossings: list[CrossingLine]
    may_ask: bool


def budget_lines(*, viewer: Viewer, now: datetime, among: Q | None = None) -> list[BudgetLine]:
    """Return the live budgets that the viewer sees, by scope from the organisation down to keys; perhaps only `among`
    those.
    """
    budgets = _related(viewer).filter(among if among is not None else Q(), retired_at=None)
    found = standings(budgets=budgets, at=now, accounts=viewer.visible_accounts())
    lines = [_line(standing, now) for standing in found]
    order = {kind: rank for rank, kind in enumerate(("Organisation", "Unit", "Team", "Person", "Key"))}
    return sorted(lines, key=lambda line: (order[line.scope_kind], line.scope_name, line.budget.name))


def budget_page(*, viewer: Viewer, budget_id: int, now: datetime) -> BudgetPage | None:
    """Return one budget that the viewer sees, or None."""
    budget = _related(viewer).filter(id=budget_id).first()
    if budget is None:
        return None
    accounts = viewer.visible_accounts()
    [standing] = standings(budgets=[budget], at=now, accounts=accounts)
    is_per_member = budget.sharing == Budget.Sharing.PER_MEMBER
    members = member_standings(budget=budget, at=now, accounts=accounts) if is_per_member else []
    periods = with_limits(accounts=accounts.filter(budget=budget), at=now).order_by("-starts_at", "id")
    return BudgetPage(
        line=_line(standing, now),
        members=[_line(member, now) for member in members],
        increases=list(viewer.visible_increases(budget, at=now)),
        requests=list(viewer.visible_requests().filter(budget=budget)[:_REQUESTS]),
        periods=list(periods[:_PERIODS]),
        crossings=[crossing_line(crossing) for crossing in crossings_of_budget(budget=budget)[:_CROSSINGS]],
        may_ask=budget.retired_at is None and may_ask(user=viewer.user, budget=budget),
    )


def crossing_line(crossing: Crossing) -> CrossingLine:
    """Return a crossing that was read with its deliveries."""
    deliveries = list(crossing.deliveries.all())
    return CrossingLine(
        crossing=crossing,
        told=sum(delivery.delivered_at is not None for delivery in deliveries),
        recipients=len(deliveries),
        last_error=next((delivery.last_error for delivery in deliveries if delivery.last_error), ""),
    )


def open_requests(*, viewer: Viewer) -> list[IncreaseRequest]:
    """Return the undecided requests for more money that the viewer sees, the newest first."""
    return list(viewer.visible_requests().filter(state=IncreaseRequest.State.OPEN))


def _related(viewer: Viewer) -> QuerySet[Budget]:
    budgets = viewer.visible_budgets().select_related("unit", "team", "key", "key__team", "user", "model_group")
    return budgets.prefetch_related("thresholds")


def _line(standing: Standing, now: datetime) -> BudgetLine:
    kind, name = _scope(standing.budget)
    return BudgetLine(
        budget=standing.budget,
        scope_kind=kind,
        scope_name=name,
        narrowed_to=narrowed_to(standing.budget),
        member=standing.member,
        carried_nano=standing.carried_nano,
        window=WINDOW_WORDS[WindowKind(standing.budget.window)],
        limit_nano=standing.limit_nano,
        settled_nano=standing.settled_nano,
        held_nano=standing.held_nano,
        left_nano=standing.left_nano,
        resets_at=None if standing.period.ends_at >= END else standing.period.ends_at,
        runs_out_at=_soon(forecast(standing=standing, at=now), now),
    )


def _soon(runs_out_at: datetime | None, now: datetime) -> datetime | None:
    """A pace of some days says nothing of what is years away, where a budget never resets."""
    return runs_out_at if runs_out_at is not None and runs_out_at - now < _FORESEEABLE else None


def _scope(budget: Budget) -> tuple[str, str]:
    """Return the narrowest scope that the budget names; a person in a team reads "ada@… in search"."""
    if budget.key is not None:
        return "Key", f"{budget.key.name} ({budget.key.team.name})"
    if budget.user is not None:
        return "Person", f"{budget.user.email} in {budget.team.name}" if budget.team else budget.user.email
    if budget.team is not None:
        return "Team", budget.team.name
    if budget.unit is not None:
        return "Unit", budget.unit.name
    return "Organisation", ""
