"""Reading budgets and what is left of them. Amounts are nano-USD. Reading never opens an account."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from governance.budgets.errors import BudgetNotFound
from governance.budgets.models import Account, Budget
from governance.budgets.narrowing import tag_text
from governance.core.windows import Period, Window, WindowKind


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A budget in its current period. An account that was never used counts as nothing settled, nothing held."""

    budget: Budget
    period: Period
    limit_nano: int
    settled_nano: int
    held_nano: int

    @property
    def left_nano(self) -> int:
        """What may still be reserved; negative when a fact or a lowered limit went beyond."""
        return self.limit_nano - self.settled_nano - self.held_nano


def budget(*, budget_id: int, is_locked: bool = False) -> Budget:
    """Return one budget. Raises BudgetNotFound."""
    rows = Budget.objects.select_for_update(of=("self",), no_key=True) if is_locked else Budget.objects.all()
    found = rows.filter(id=budget_id).first()
    if found is None:
        raise BudgetNotFound(f"There is no budget with the id {budget_id}: list them with `bursar budgets list`.")
    return found


def live_budgets(*, organisation_id: int) -> QuerySet[Budget]:
    """Return the budgets that still pay, with whose they are."""
    return Budget.objects.filter(organisation_id=organisation_id, retired_at__isnull=True).select_related(
        "organisation", "unit", "team", "key", "user", "model_group"
    )


def window_of(found: Budget) -> Window:
    """Return the budget's window as pure arithmetic."""
    return Window(kind=WindowKind(found.window), zone=found.zone, first_month=found.first_month)


def standings(*, budgets: Iterable[Budget], at: datetime) -> list[Standing]:
    """Return how these budgets stand at an instant, in their order; one query."""
    wanted = list(budgets)
    accounts = {
        account.budget_id: account
        for account in Account.objects.filter(budget__in=wanted, starts_at__lte=at, ends_at__gt=at)
    }
    return [_standing(each, accounts.get(each.pk), at) for each in wanted]


def scope_text(found: Budget) -> str:
    """Say whose budget it is: "team default"."""
    for kind, owner in (("key", found.key), ("person", found.user), ("team", found.team), ("unit", found.unit)):
        if owner is not None:
            return f"{kind} {owner}"
    return f"organisation {found.organisation}"


def narrowed_to(found: Budget) -> list[tuple[str, str]]:
    """Return what calls must have to be paid from it, as kind and name: ("provider", "openai"). Empty: all are paid."""
    named = (
        ("models", found.model_pattern),
        ("model group", found.model_group.name if found.model_group is not None else ""),
        ("provider", found.provider),
        ("tag", tag_text(found.tag_name, found.tag_value) if found.tag_name else ""),
    )
    return [(kind, name) for kind, name in named if name]


def _standing(found: Budget, account: Account | None, at: datetime) -> Standing:
    if account is None:
        return Standing(
            budget=found,
            period=window_of(found).period_at(at),
            limit_nano=found.limit_nano,
            settled_nano=0,
            held_nano=0,
        )
    return Standing(
        budget=found,
        period=Period(account.starts_at, account.ends_at),
        limit_nano=account.limit_nano,
        settled_nano=account.settled_nano,
        held_nano=account.held_nano,
    )
