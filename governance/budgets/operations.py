"""Writing budgets. A changed limit reaches the current period's account in the same transaction."""

from collections.abc import Iterable, Sequence

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.budgets import queries
from governance.budgets.coverage import refuse_narrowing
from governance.budgets.errors import BudgetNameTaken, BudgetRefused, BudgetRetired
from governance.budgets.models import Account, Budget, Threshold
from governance.budgets.narrowing import split_tag, tag_text
from governance.budgets.thresholds import LARGEST_THRESHOLD, Measure, NewThreshold
from governance.core.money import MAX_NANO, usd_text
from governance.core.windows import WindowKind
from governance.keys.scope import scope_of
from governance.teams.names import clean_name, clean_tags, clean_zone
from governance.teams.taken import refusing_taken

DEFAULT_THRESHOLDS = (NewThreshold(50), NewThreshold(80), NewThreshold(100))
MONTHS_OF_A_YEAR = 12


class NewBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget to be made. The scope is the organisation, narrowed to whatever of unit, team, key, person is given.

    `tag` is `name=value`, or `name=*` for any value. Per member, each person (or key without a person) has the whole
    limit. What is carried over into the next period is what is left, up to the cap.
    """

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
    model_group_id: int | None = None
    provider: str = ""
    tag: str = ""
    is_per_member: bool = False
    carries_over: bool = False
    carry_cap_nano: int | None = None
    thresholds: Sequence[NewThreshold] = DEFAULT_THRESHOLDS


@transaction.atomic
def create(*, actor: Actor, new: NewBudget) -> Budget:
    """Make a budget. Raises BudgetNameTaken, BudgetRefused, TenancyRefused, and what its names and scope raise."""
    scope = scope_of(
        organisation_id=new.organisation_id,
        unit_id=new.unit_id,
        team_id=new.team_id,
        key_id=new.key_id,
        user_id=new.user_id,
    )
    name = clean_name(new.name, what="budget's name")
    _refuse_impossible(new)
    _refuse_contradiction(new)
    refuse_narrowing(new, scope.organisation, noun="budget", effect="paid from the budget", refusal=BudgetRefused)
    tag_name, tag_value = _clean_tag(new.tag)
    budget = Budget(
        organisation=scope.organisation,
        unit=scope.unit,
        team=scope.team,
        key=scope.key,
        user=scope.user,
        name=name,
        model_pattern=new.model_pattern,
        model_group_id=new.model_group_id,
        provider=new.provider,
        tag_name=tag_name,
        tag_value=tag_value,
        limit_nano=new.limit_nano,
        window=new.window.value,
        zone=clean_zone(new.zone),
        first_month=new.first_month,
        sharing=Budget.Sharing.PER_MEMBER if new.is_per_member else Budget.Sharing.POOLED,
        carries_over=new.carries_over,
        carry_cap_nano=new.carry_cap_nano,
        enforcement=Budget.Enforcement.HARD if new.is_hard else Budget.Enforcement.SOFT,
    )
    taken = f"{scope.organisation} has a budget {name!r} already: choose another name, or change its limit."
    with refusing_taken(BudgetNameTaken(taken)):
        budget.save(force_insert=True)
    _add_thresholds(budget, new.thresholds)
    audit.record(actor=actor, action="budget.created", subject=f"budget:{budget.id}", after=_facts(budget))
    return budget


@transaction.atomic
def change_limit(*, actor: Actor, budget_id: int, limit_nano: int, reason: str = "") -> Budget:
    """Change the limit, for the current period too. Money that is spent or held stays counted.

    Raises BudgetNotFound, BudgetRetired, BudgetRefused.
    """
    refuse_amount(limit_nano, what="limit")
    budget = queries.budget(budget_id=budget_id, is_locked=True)
    refuse_retired(budget)
    if budget.limit_nano == limit_nano:
        return budget
    before = budget.limit_nano
    budget.limit_nano = limit_nano
    budget.save(update_fields=["limit_nano"])
    # The database's clock decides which account is the current one, as it does when the account is opened.
    Account.objects.filter(budget=budget, starts_at__lte=Now(), ends_at__gt=Now()).update(limit_nano=limit_nano)
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
def change(
    *,
    actor: Actor,
    budget_id: int,
    limit_nano: int,
    thresholds: Sequence[NewThreshold] | None = None,
    reason: str = "",
) -> Budget:
    """Change the limit and, where they are given, the thresholds. Raises what the two below raise."""
    budget = change_limit(actor=actor, budget_id=budget_id, limit_nano=limit_nano, reason=reason)
    if thresholds is not None:
        change_thresholds(actor=actor, budget_id=budget_id, thresholds=thresholds, reason=reason)
    return budget


@transaction.atomic
def change_thresholds(
    *, actor: Actor, budget_id: int, thresholds: Sequence[NewThreshold], reason: str = ""
) -> list[Threshold]:
    """Let a budget tell at these thresholds and no others. One that stays is not told again; one that goes takes what
    it told along.

    Raises BudgetNotFound, BudgetRetired, BudgetRefused.
    """
    _refuse_thresholds(thresholds)
    budget = queries.budget(budget_id=budget_id, is_locked=True)
    refuse_retired(budget)
    wanted = set(thresholds)
    there = {NewThreshold(each.percent, Measure(each.measure)): each for each in budget.thresholds.all()}
    if there.keys() != wanted:
        before = list(map(str, budget.thresholds.all()))
        budget.thresholds.filter(pk__in=[row.pk for each, row in there.items() if each not in wanted]).delete()
        _add_thresholds(budget, wanted - there.keys())
        audit.record(
            actor=actor,
            action="budget.thresholds_changed",
            subject=f"budget:{budget.id}",
            before={"thresholds": before},
            after={"thresholds": list(map(str, budget.thresholds.all()))},
            reason=reason,
        )
    return list(budget.thresholds.all())


@transaction.atomic
def retire(*, actor: Actor, budget_id: int, reason: str = "") -> Budget:
    """Let a budget pay for nothing more; its history stays. Retiring twice changes nothing. Raises BudgetNotFound."""
    budget = queries.budget(budget_id=budget_id, is_locked=True)
    if budget.retired_at is not None:
        return budget
    Budget.objects.filter(pk=budget.pk).update(retired_at=Now())
    budget.refresh_from_db(fields=["retired_at"])
    audit.record(
        actor=actor,
        action="budget.retired",
        subject=f"budget:{budget.id}",
        before=_facts(budget),
        reason=reason,
    )
    return budget


def refuse_amount(nano: int, *, what: str) -> None:
    """Raise BudgetRefused for what cannot be kept; `what` is the noun for its sentence."""
    if not 0 <= nano <= MAX_NANO:
        raise BudgetRefused(f"A {what} is an amount from zero to 9,223,372,036 USD.")


def refuse_retired(budget: Budget) -> None:
    """Raise BudgetRetired unless the budget still pays."""
    if budget.retired_at is not None:
        raise BudgetRetired(f"The budget {budget.name!r} is retired: create a new one.")


def _refuse_impossible(new: NewBudget) -> None:
    refuse_amount(new.limit_nano, what="limit")
    if not 1 <= new.first_month <= MONTHS_OF_A_YEAR:
        raise BudgetRefused("The first month of a fiscal year is a number from 1 to 12.")
    _refuse_thresholds(new.thresholds)


def _refuse_thresholds(thresholds: Iterable[NewThreshold]) -> None:
    if any(not 1 <= each.percent <= LARGEST_THRESHOLD for each in thresholds):
        raise BudgetRefused(f"A threshold is a percentage from 1 to {LARGEST_THRESHOLD}.")


def _add_thresholds(budget: Budget, thresholds: Iterable[NewThreshold]) -> None:
    Threshold.objects.bulk_create(
        Threshold(budget=budget, percent=each.percent, measure=each.measure.value) for each in sorted(set(thresholds))
    )


def _refuse_contradiction(new: NewBudget) -> None:
    if new.carries_over and new.window is WindowKind.TOTAL:
        raise BudgetRefused("A budget that never resets has no next period: it carries nothing over.")
    if new.carry_cap_nano is not None:
        if not new.carries_over:
            raise BudgetRefused("A cap is on what is carried over: let the budget carry over, or give no cap.")
        refuse_amount(new.carry_cap_nano, what="cap")


def _clean_tag(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    name, value = split_tag(text)
    ((name, value),) = clean_tags({name: value}).items()
    return name, value


def _facts(budget: Budget) -> dict[str, object]:
    return {
        "name": budget.name,
        "limit_usd": usd_text(budget.limit_nano),
        "window": budget.window,
        "zone": budget.zone,
        "enforcement": budget.enforcement,
        "sharing": budget.sharing,
        "carries_over": budget.carries_over,
        "carry_cap_usd": usd_text(budget.carry_cap_nano) if budget.carry_cap_nano is not None else None,
        "model_pattern": budget.model_pattern,
        "model_group_id": budget.model_group_id,
        "provider": budget.provider,
        "tag": tag_text(budget.tag_name, budget.tag_value) if budget.tag_name else "",
        "unit_id": budget.unit_id,
        "team_id": budget.team_id,
        "key_id": budget.key_id,
        "user_id": budget.user_id,
    }
