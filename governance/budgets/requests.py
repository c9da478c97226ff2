"""Asking for more money, and deciding: who asks never decides, and an approval is applied in its own transaction."""

from datetime import datetime

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.budgets import increases, operations, queries
from governance.budgets.errors import BudgetRefused, RequestDecided, RequestOpen
from governance.budgets.increases import NewIncrease
from governance.budgets.models import Budget, IncreaseRequest
from governance.budgets.operations import refuse_amount, refuse_retired
from governance.core.money import usd_text
from governance.teams.access import access_of, ensure
from governance.teams.models import User

_State = IncreaseRequest.State


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants this much more in a budget, until an instant, or for good (None)."""

    budget_id: int
    amount_nano: int
    until: datetime | None
    reason: str


@transaction.atomic
def ask(*, actor: Actor, requester: User, new: NewRequest, at: datetime) -> IncreaseRequest:
    """Ask for more money.

    Raises BudgetNotFound, Forbidden where the requester does not spend from the budget, BudgetRetired, BudgetRefused,
    and RequestOpen while an earlier request of theirs waits.
    """
    # Two requests of one person at the same time: the budget's row makes the second wait and see the first.
    budget = queries.budget(budget_id=new.budget_id, is_locked=True)
    ensure(may_ask(user=requester, budget=budget), what="ask for money in a budget that you do not spend from")
    refuse_retired(budget)
    _refuse_impossible(new, at)
    if budget.increase_requests.filter(requested_by=requester, state=_State.OPEN).exists():
        raise RequestOpen(f"You have an open request for {budget.name!r}: wait for its decision, or withdraw it.")
    request = IncreaseRequest.objects.create(
        budget=budget, requested_by=requester, amount_nano=new.amount_nano, until=new.until, reason=new.reason.strip()
    )
    audit.record(
        actor=actor,
        action="increase_request.made",
        subject=f"increase_request:{request.pk}",
        after=_facts(request),
        reason=request.reason,
    )
    return request


@transaction.atomic
def approve(
    *, actor: Actor, decider: User, request_id: int, at: datetime, amount_nano: int | None = None, reason: str = ""
) -> IncreaseRequest:
    """Give what was asked for, or another amount, and apply it: for good to the limit, else as an increase.

    In a budget with members an increase is the requester's alone, a higher limit everybody's. Raises RequestNotFound,
    RequestDecided, Forbidden, BudgetRefused and BudgetRetired.
    """
    request = _open_request(request_id, decider)
    granted = request.amount_nano if amount_nano is None else amount_nano
    refuse_amount(granted, what="grant")
    if granted == 0:
        raise BudgetRefused("Nothing cannot be approved: give an amount above zero, or decline.")
    _apply(actor, request, granted, reason, at)
    return _decide(actor, request, decider, state=_State.APPROVED, granted_nano=granted, reason=reason, at=at)


@transaction.atomic
def decline(*, actor: Actor, decider: User, request_id: int, at: datetime, reason: str) -> IncreaseRequest:
    """Give nothing, and say why. Raises RequestNotFound, RequestDecided, Forbidden, BudgetRefused."""
    request = _open_request(request_id, decider)
    if not reason.strip():
        raise BudgetRefused("Somebody waits for an answer: give the reason why the request is declined.")
    return _decide(actor, request, decider, state=_State.DECLINED, granted_nano=None, reason=reason.strip(), at=at)


@transaction.atomic
def withdraw(*, actor: Actor, requester: User, request_id: int, at: datetime) -> IncreaseRequest:
    """Take one's own request back. Raises RequestNotFound, RequestDecided, Forbidden."""
    request = queries.increase_request(request_id=request_id, is_locked=True)
    ensure(request.requested_by_id == requester.pk, what="withdraw somebody else's request")
    _refuse_decided(request)
    return _decide(actor, request, None, state=_State.WITHDRAWN, granted_nano=None, reason="", at=at)


def may_ask(*, user: User, budget: Budget) -> bool:
    """Return whether this person spends from the budget. A key's budget has the scope of the key."""
    team_id = budget.key.team_id if budget.key is not None else budget.team_id
    user_id = budget.key.user_id if budget.key is not None else budget.user_id
    return access_of(user=user).may_ask_for_increase(team_id=team_id, user_id=user_id, unit_id=budget.unit_id)


def _open_request(request_id: int, decider: User) -> IncreaseRequest:
    request = queries.increase_request(request_id=request_id, is_locked=True)
    may = access_of(user=decider).may_decide_increase(
        organisation_id=request.budget.organisation_id, requester_id=request.requested_by_id
    )
    ensure(may, what="decide this request")
    _refuse_decided(request)
    return request


def _apply(actor: Actor, request: IncreaseRequest, granted_nano: int, reason: str, at: datetime) -> None:
    budget = queries.budget(budget_id=request.budget_id, is_locked=True)
    why = reason or request.reason
    if request.until is None:
        limit = budget.limit_nano + granted_nano
        operations.change_limit(actor=actor, budget_id=budget.pk, limit_nano=limit, reason=why)
        return
    is_shared = budget.sharing == Budget.Sharing.POOLED
    increases.give(
        actor=actor,
        new=NewIncrease(
            budget_id=budget.pk,
            amount_nano=granted_nano,
            starts_at=at,
            ends_at=request.until,
            reason=why,
            user_id=None if is_shared else request.requested_by_id,
        ),
        at=at,
    )


def _decide(
    actor: Actor,
    request: IncreaseRequest,
    decider: User | None,
    *,
    state: IncreaseRequest.State,
    granted_nano: int | None,
    reason: str,
    at: datetime,
) -> IncreaseRequest:
    request.state = state
    request.decided_by = decider
    request.decided_at = at
    request.decision_reason = reason
    request.granted_nano = granted_nano
    request.save(update_fields=["state", "decided_by", "decided_at", "decision_reason", "granted_nano"])
    audit.record(
        actor=actor,
        action=f"increase_request.{state}",
        subject=f"increase_request:{request.pk}",
        before=_facts(request),
        after={"granted_usd": usd_text(granted_nano)} if granted_nano is not None else None,
        reason=reason,
    )
    return request


def _refuse_decided(request: IncreaseRequest) -> None:
    if request.state != _State.OPEN:
        raise RequestDecided(f"The request is {request.state} already: a new one has to be made.")


def _refuse_impossible(new: NewRequest, at: datetime) -> None:
    refuse_amount(new.amount_nano, what="request")
    if new.amount_nano == 0:
        raise BudgetRefused("Ask for an amount above zero.")
    if new.until is not None and new.until <= at:
        raise BudgetRefused("The money is wanted until an instant that is past: give a later one, or none.")
    if not new.reason.strip():
        raise BudgetRefused("Say what the money is for, so that somebody can decide.")


def _facts(request: IncreaseRequest) -> dict[str, object]:
    return {
        "budget_id": request.budget_id,
        "requested_by": request.requested_by.email,
        "amount_usd": usd_text(request.amount_nano),
        "until": request.until.isoformat() if request.until is not None else None,
    }
