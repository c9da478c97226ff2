"""What the budget pages show."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from governance.budgets.models import Account, Budget
from governance.console import amounts
from governance.console.viewer import Viewer
from governance.core.windows import END, Window, WindowKind

_NEAR_PERMILLE = 800
_PERIODS = 24
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
    """One budget and its current period. Amounts in nano-USD; `resets_at` is None where it never does."""

    budget: Budget
    scope_kind: str
    scope_name: str
    window: str
    limit_nano: int
    settled_nano: int
    held_nano: int
    resets_at: datetime | None

    @property
    def left_nano(self) -> int:
        """What may still be spent; negative when a limit was lowered or a fact came late."""
        return self.limit_nano - self.settled_nano - self.held_nano

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
        """Whether this is the whole organisation's monthly budget, for all models."""
        return self.scope_kind == "Organisation" and self.budget.window == "month" and not self.budget.model_pattern


@dataclass(frozen=True, kw_only=True)
class BudgetPage:
    """One budget in detail, with its periods so far, the newest first."""

    line: BudgetLine
    periods: list[Account]


def budget_lines(*, viewer: Viewer, now: datetime) -> list[BudgetLine]:
    """Return the live budgets that the viewer sees, by scope from the organisation down to keys."""
    budgets = list(_related(viewer).filter(retired_at=None))
    accounts = _current_accounts(budgets, now)
    lines = [_line(budget, accounts.get(budget.pk), now) for budget in budgets]
    order = {kind: rank for rank, kind in enumerate(("Organisation", "Unit", "Team", "Person", "Key"))}
    return sorted(lines, key=lambda line: (order[line.scope_kind], line.scope_name, line.budget.name))


def budget_page(*, viewer: Viewer, budget_id: int, now: datetime) -> BudgetPage | None:
    """Return one budget that the viewer sees, or None."""
    budget = _related(viewer).filter(id=budget_id).first()
    if budget is None:
        return None
    periods = list(budget.accounts.order_by("-starts_at")[:_PERIODS])
    return BudgetPage(
        line=_line(budget, _current_accounts([budget], now).get(budget.pk), now),
        periods=periods,
    )


def _related(viewer: Viewer) -> QuerySet[Budget]:
    return (
        viewer.visible_budgets()
        .select_related("unit", "team", "key", "key__team", "user")
        .prefetch_related("thresholds")
    )


def _current_accounts(budgets: list[Budget], now: datetime) -> dict[int, Account]:
    current = Account.objects.filter(budget__in=budgets, starts_at__lte=now, ends_at__gt=now)
    return {account.budget_id: account for account in current}


def _line(budget: Budget, account: Account | None, now: datetime) -> BudgetLine:
    kind, name = _scope(budget)
    window = Window(kind=WindowKind(budget.window), zone=budget.zone, first_month=budget.first_month)
    ends_at = window.period_at(now).ends_at
    return BudgetLine(
        budget=budget,
        scope_kind=kind,
        scope_name=name,
        window=WINDOW_WORDS[window.kind],
        limit_nano=budget.limit_nano,
        settled_nano=account.settled_nano if account is not None else 0,
        held_nano=account.held_nano if account is not None else 0,
        resets_at=None if ends_at >= END else ends_at,
    )


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
