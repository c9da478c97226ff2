"""Writing increases: more money between two instants. They reach the accounts that are open in the same transaction."""

from datetime import datetime

import msgspec
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.budgets import queries
from governance.budgets.errors import BudgetRefused
from governance.budgets.models import Account, Budget, Increase
from governance.budgets.operations import refuse_amount, refuse_retired
from governance.core.money import usd_text
from governance.keys.scope import scope_of


class NewIncrease(msgspec.Struct, frozen=True, kw_only=True):
    """More money for a budget, from `starts_at` until `ends_at`; of a budget with members, for one of them if named."""

    budget_id: int
    amount_nano: int
    starts_at: datetime
    ends_at: datetime
    reason: str = ""
    user_id: int | None = None
    key_id: int | None = None


@transaction.atomic
def give(*, actor: Actor, new: NewIncrease, at: datetime) -> Increase:
    """Give a budget more money for a while. Raises BudgetNotFound, BudgetRetired, BudgetRefused, TenancyRefused."""
    budget = queries.budget(budget_id=new.budget_id, is_locked=True)
    refuse_retired(budget)
    _refuse_impossible(budget, new, at)
    increase = Increase.objects.create(**msgspec.structs.asdict(new))
    # Accounts of this moment look for increases until then; those opened later find it for themselves.
    open_now = Account.objects.filter(budget=budget, starts_at__lte=Now(), ends_at__gt=Now())
    open_now.update(increased_until=Greatest(F("increased_until"), new.ends_at))
    audit.record(
        actor=actor,
        action="budget.increased",
        subject=f"budget:{budget.pk}",
        after=_facts(increase),
        reason=new.reason,
    )
    return increase


@transaction.atomic
def withdraw(*, actor: Actor, increase_id: int, reason: str = "") -> Increase:
    """End an increase at once. What was spent stays counted. Twice changes nothing. Raises IncreaseNotFound."""
    increase = queries.increase(increase_id=increase_id, is_locked=True)
    if increase.withdrawn_at is not None:
        return increase
    Increase.objects.filter(pk=increase.pk).update(withdrawn_at=Now())
    increase.refresh_from_db(fields=["withdrawn_at"])
    audit.record(
        actor=actor,
        action="budget.increase_withdrawn",
        subject=f"budget:{increase.budget_id}",
        before=_facts(increase),
        reason=reason,
    )
    return increase


def _refuse_impossible(budget: Budget, new: NewIncrease, at: datetime) -> None:
    refuse_amount(new.amount_nano, what="increase")
    if new.amount_nano == 0:
        raise BudgetRefused("An increase of nothing changes nothing: give an amount above zero.")
    if new.ends_at <= max(new.starts_at, at):
        raise BudgetRefused("The increase would end before it begins, or is over already: give a later end.")
    if new.user_id is None and new.key_id is None:
        return
    if budget.sharing != Budget.Sharing.PER_MEMBER:
        raise BudgetRefused(f"Everybody shares the budget {budget.name!r}: it cannot be increased for one of them.")
    if new.user_id is not None and new.key_id is not None:
        raise BudgetRefused("An increase is for one person or for one key: give one of both.")
    if new.key_id is not None:
        scope_of(
            organisation_id=budget.organisation_id, unit_id=budget.unit_id, team_id=budget.team_id, key_id=new.key_id
        )


def _facts(increase: Increase) -> dict[str, object]:
    return {
        "increase_id": increase.pk,
        "amount_usd": usd_text(increase.amount_nano),
        "starts_at": increase.starts_at.isoformat(),
        "ends_at": increase.ends_at.isoformat(),
        "user_id": increase.user_id,
        "key_id": increase.key_id,
    }
