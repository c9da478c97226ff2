"""Writing budgets. A changed limit reaches the current period's account in the same transaction."""

from collections.abc import Sequence

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.budgets import queries
from governance.budgets.errors import BudgetNameTaken, BudgetRefused, BudgetRetired
from governance.budgets.models import Account, Budget, Threshold
from governance.core.clock import utc_now
from governance.core.money import MAX_NANO, usd_text
from governance.core.windows import WindowKind
from governance.teams import queries as teams
from governance.teams.names import clean_name, clean_zone

DEFAULT_THRESHOLDS = (50, 80, 100)


class NewBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget to be made. The scope is the organisation, narrowed to whatever of unit, team, key, person is given."""

    organisation_id: int
    name: str
    limit_nano: int
    window: WindowKind
    unit_id: int | None = None
    team_id: int | None = None
    key_id: int | None = None
    user_id: int | None = None
    zone: str = "UTC"
    first_month: int = 1
    is_hard: bool = True
    model_pattern: str = ""
    thresholds: Sequence[int] = DEFAULT_THRESHOLDS


@transaction.atomic
def create(*, actor: Actor, new: NewBudget) -> Budget:
    """Make a budget. Raises BudgetNameTaken, BudgetRefused, NameRefused, ZoneUnknown, OrganisationNotFound."""
    organisation = teams.organisation(organisation_id=new.organisation_id)
    name = clean_name(new.name, what="budget's name")
    _refuse_limit(new.limit_nano)
    if not 1 <= new.first_month <= 12:
        raise BudgetRefused("The first month of a fiscal year is a number from 1 to 12.")
    if any(not 1 <= percent <= 1000 for percent in new.thresholds):
        raise BudgetRefused("A threshold is a percentage from 1 to 1000.")
    if organisation.budgets.filter(name=name, retired_at__isnull=True).exists():
        raise BudgetNameTaken(
            f"{organisation} has a budget {name!r} already: choose another name, or change its limit."
        )
    budget = Budget.objects.create(
        organisation=organisation,
        unit_id=new.unit_id,
        team_id=new.team_id,
        key_id=new.key_id,
        user_id=new.user_id,
        name=name,
        model_pattern=new.model_pattern,
        limit_nano=new.limit_nano,
        window=new.window.value,
        zone=clean_zone(new.zone),
        first_month=new.first_month,
        enforcement=Budget.Enforcement.HARD if new.is_hard else Budget.Enforcement.SOFT,
    )
    Threshold.objects.bulk_create(Threshold(budget=budget, percent=percent) for percent in sorted(set(new.thresholds)))
    audit.record(actor=actor, action="budget.created", subject=f"budget:{budget.id}", after=_facts(budget))
    return budget


@transaction.atomic
def change_limit(*, actor: Actor, budget_id: int, limit_nano: int, reason: str = "") -> Budget:
    """Change the limit, for the current period too. Money that is spent or held stays counted.

    Raises BudgetNotFound, BudgetRetired, BudgetRefused.
    """
    _refuse_limit(limit_nano)
    budget = queries.budget(budget_id=budget_id, is_locked=True)
    _refuse_retired(budget)
    if budget.limit_nano == limit_nano:
        return budget
    before = budget.limit_nano
    budget.limit_nano = limit_nano
    budget.save(update_fields=["limit_nano"])
    now = utc_now()
    Account.objects.filter(budget=budget, starts_at__lte=now, ends_at__gt=now).update(limit_nano=limit_nano)
    audit.record(
        actor=actor,
        action="budget.limit_changed",
        subject=f"budget:{budget.id}",
        before={"limit_usd": usd_text(before)},
        after={"limit_usd": usd_text(limit_nano)},
        reason=reason,
    )
    return budget


@transaction.atomic
def retire(*, actor: Actor, budget_id: int, reason: str = "") -> Budget:
    """Let a budget pay for nothing more; its history stays. Retiring twice changes nothing. Raises BudgetNotFound."""
    budget = queries.budget(budget_id=budget_id, is_locked=True)
    if budget.retired_at is not None:
        return budget
    budget.retired_at = utc_now()
    budget.save(update_fields=["retired_at"])
    audit.record(
        actor=actor,
        action="budget.retired",
        subject=f"budget:{budget.id}",
        after={"retired_at": budget.retired_at.isoformat()},
        reason=reason,
    )
    return budget


def _refuse_limit(limit_nano: int) -> None:
    if not 0 <= limit_nano <= MAX_NANO:
        raise BudgetRefused("A limit is an amount from zero to 9,223,372,036 USD.")


def _refuse_retired(budget: Budget) -> None:
    if budget.retired_at is not None:
        raise BudgetRetired(f"The budget {budget.name!r} is retired: create a new one.")


def _facts(budget: Budget) -> dict[str, object]:
    return {
        "name": budget.name,
        "limit_usd": usd_text(budget.limit_nano),
        "window": budget.window,
        "zone": budget.zone,
        "enforcement": budget.enforcement,
        "model_pattern": budget.model_pattern,
        "unit_id": budget.unit_id,
        "team_id": budget.team_id,
        "key_id": budget.key_id,
        "user_id": budget.user_id,
    }
