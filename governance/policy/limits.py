"""Writing rate limits. A changed amount holds in the current window too."""

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.budgets.coverage import refuse_narrowing
from governance.keys.scope import scope_of
from governance.policy import queries
from governance.policy.errors import RateLimitNameTaken, RateLimitRefused, RateLimitRetired
from governance.policy.models import RateLimit
from governance.policy.rate_limit import Counts, LimitWindow
from governance.teams.names import clean_name
from governance.teams.taken import refusing_taken

LARGEST_AMOUNT = 10**15


class NewRateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A rate limit to be made. The scope is the organisation, narrowed to whatever of unit, team, key, person is given.

    `window` is None where requests at the same time are counted. Per member, each person (or key without a person) has
    the whole amount.
    """

    organisation_id: int
    name: str
    counts: Counts
    amount: int
    window: LimitWindow | None = None
    unit_id: int | None = None
    team_id: int | None = None
    key_id: int | None = None
    user_id: int | None = None
    model_pattern: str = ""
    model_group_id: int | None = None
    provider: str = ""
    is_per_member: bool = False


@transaction.atomic
def create(*, actor: Actor, new: NewRateLimit) -> RateLimit:
    """Make a rate limit. Raises RateLimitNameTaken, RateLimitRefused, TenancyRefused, and what its scope raises."""
    scope = scope_of(
        organisation_id=new.organisation_id,
        unit_id=new.unit_id,
        team_id=new.team_id,
        key_id=new.key_id,
        user_id=new.user_id,
    )
    name = clean_name(new.name, what="rate limit's name")
    _refuse_amount(new.amount)
    _refuse_contradiction(new)
    refuse_narrowing(new, scope.organisation, noun="rate limit", effect="counted", refusal=RateLimitRefused)
    limit = RateLimit(
        organisation=scope.organisation,
        unit=scope.unit,
        team=scope.team,
        key=scope.key,
        user=scope.user,
        name=name,
        model_pattern=new.model_pattern,
        model_group_id=new.model_group_id,
        provider=new.provider,
        counts=new.counts.value,
        amount=new.amount,
        window=new.window.value if new.window is not None else None,
        sharing=RateLimit.Sharing.PER_MEMBER if new.is_per_member else RateLimit.Sharing.POOLED,
    )
    taken = f"{scope.organisation} has a rate limit {name!r} already: choose another name, or change its amount."
    with refusing_taken(RateLimitNameTaken(taken)):
        limit.save(force_insert=True)
    audit.record(actor=actor, action="rate_limit.created", subject=f"rate_limit:{limit.pk}", after=_facts(limit))
    return limit


@transaction.atomic
def change_amount(*, actor: Actor, limit_id: int, amount: int, reason: str = "") -> RateLimit:
    """Change the amount, for the current window too. What was admitted stays counted.

    Raises RateLimitNotFound, RateLimitRetired, RateLimitRefused.
    """
    _refuse_amount(amount)
    limit = queries.rate_limit(limit_id=limit_id, is_locked=True)
    if limit.retired_at is not None:
        raise RateLimitRetired(f"The rate limit {limit.name!r} is retired: make a new one.")
    if limit.amount == amount:
        return limit
    before = limit.amount
    limit.amount = amount
    limit.save(update_fields=["amount"])
    audit.record(
        actor=actor,
        action="rate_limit.amount_changed",
        subject=f"rate_limit:{limit.pk}",
        before={"amount": before},
        after={"amount": amount},
        reason=reason,
    )
    return limit


@transaction.atomic
def retire(*, actor: Actor, limit_id: int, reason: str = "") -> RateLimit:
    """Let a rate limit count nothing more. Retiring twice changes nothing. Raises RateLimitNotFound."""
    limit = queries.rate_limit(limit_id=limit_id, is_locked=True)
    if limit.retired_at is not None:
        return limit
    RateLimit.objects.filter(pk=limit.pk).update(retired_at=Now())
    limit.refresh_from_db(fields=["retired_at"])
    audit.record(
        actor=actor,
        action="rate_limit.retired",
        subject=f"rate_limit:{limit.pk}",
        before=_facts(limit),
        reason=reason,
    )
    return limit


def _refuse_amount(amount: int) -> None:
    if not 1 <= amount <= LARGEST_AMOUNT:
        raise RateLimitRefused(
            f"A rate limit allows from 1 to {LARGEST_AMOUNT:,}: to allow nothing, revoke keys or use an allow-list."
        )


def _refuse_contradiction(new: NewRateLimit) -> None:
    if new.counts is Counts.CONCURRENT and new.window is not None:
        raise RateLimitRefused("Requests at the same time are not counted per window: leave the window out.")
    if new.counts is not Counts.CONCURRENT and new.window is None:
        raise RateLimitRefused(f"A limit of {new.counts} is per minute, hour or day: say which.")


def _facts(limit: RateLimit) -> dict[str, object]:
    return {
        "name": limit.name,
        "counts": limit.counts,
        "amount": limit.amount,
        "window": limit.window,
        "sharing": limit.sharing,
        "model_pattern": limit.model_pattern,
        "model_group_id": limit.model_group_id,
        "provider": limit.provider,
        "unit_id": limit.unit_id,
        "team_id": limit.team_id,
        "key_id": limit.key_id,
        "user_id": limit.user_id,
    }
