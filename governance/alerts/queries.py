"""Reading crossings and recipients, and looking ahead."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from governance.alerts.forecast import Pace, runs_out_at
from governance.alerts.message import Apart, Passed
from governance.alerts.models import Crossing, Delivery, Drift, Recipient
from governance.budgets.models import Budget
from governance.budgets.queries import Standing
from governance.budgets.thresholds import Measure
from governance.teams.models import Organisation

_BUDGET = "account__budget"


def crossings_of(*, organisation: Organisation) -> QuerySet[Crossing]:
    """Return the crossings of an organisation, newest first, with their deliveries."""
    return (
        Crossing.objects.filter(account__budget__organisation=organisation)
        .select_related("threshold", _BUDGET)
        .prefetch_related(Prefetch("deliveries", Delivery.objects.select_related("recipient").order_by("id")))
        .order_by("-crossed_at", "-id")
    )


def crossings_of_budget(*, budget: Budget) -> QuerySet[Crossing]:
    """Return what one budget passed, in every period, as `crossings_of`."""
    return crossings_of(organisation=budget.organisation).filter(account__budget=budget)


def forecast(*, standing: Standing, at: datetime) -> datetime | None:
    """Return when a budget runs out at the pace of its period so far; None if it lasts. See `forecast.py`."""
    return runs_out_at(
        Pace(
            limit_nano=standing.limit_nano,
            settled_nano=standing.settled_nano,
            since=max(standing.period.starts_at, standing.budget.created_at),
            at=at,
            ends_at=standing.period.ends_at,
        )
    )


def deliveries_of(*, organisation: Organisation) -> QuerySet[Delivery]:
    """Return who was to be told of what in an organisation, and what became of it, newest first."""
    return (
        Delivery.objects.filter(recipient__organisation=organisation)
        .select_related("recipient", "crossing__threshold", f"crossing__{_BUDGET}", "drift", "event")
        .order_by("-id")
    )


def latest_deliveries(*, recipient_ids: Iterable[int]) -> dict[int, Delivery]:
    """Return the newest telling of each of these recipients; one that was never told of anything is missing."""
    found = Delivery.objects.filter(recipient_id__in=list(recipient_ids)).order_by("recipient_id", "-id")
    return {delivery.recipient_id: delivery for delivery in found.distinct("recipient_id")}


def recipients_of(*, organisation: Organisation) -> QuerySet[Recipient]:
    """Return where an organisation's alerts go."""
    return Recipient.objects.filter(organisation=organisation).order_by("notifier", "destination")


def passed_threshold(*, crossing_id: int) -> Passed:
    """Return what a notice of this crossing says."""
    scopes = [f"{_BUDGET}__{scope}" for scope in ("organisation", "unit", "team", "key", "user")]
    # The worker may not read passwords.
    crossings = Crossing.objects.select_related("threshold", *scopes).defer(f"{_BUDGET}__user__password")
    crossing = crossings.get(pk=crossing_id)
    budget = crossing.account.budget
    return Passed(
        crossing_id=crossing_id,
        organisation=budget.organisation.name,
        budget=budget.name,
        scope=_scope(budget),
        percent=crossing.threshold.percent,
        measure=Measure(crossing.threshold.measure),
        settled_nano=crossing.settled_nano,
        held_nano=crossing.held_nano,
        limit_nano=crossing.limit_nano,
        starts_at=crossing.account.starts_at,
        ends_at=crossing.account.ends_at,
        zone=budget.zone,
    )


def drifts_of(*, organisation: Organisation) -> QuerySet[Drift]:
    """Return where vendors' costs went apart from the books, newest first, with their deliveries."""
    deliveries = Prefetch("deliveries", Delivery.objects.select_related("recipient").order_by("id"))
    return Drift.objects.filter(organisation=organisation).prefetch_related(deliveries).order_by("-noticed_at", "-id")


def costs_apart(*, drift_id: int) -> Apart:
    """Return what a notice of this drift says."""
    drift = Drift.objects.select_related("organisation").get(pk=drift_id)
    return Apart(
        drift_id=drift_id,
        organisation=drift.organisation.name,
        connection=drift.connection,
        model=drift.model,
        calls=drift.calls,
        apart=drift.apart,
        cost_nano=drift.cost_nano,
        vendor_cost_nano=drift.vendor_cost_nano,
        furthest=str(drift.furthest),
        noticed_at=drift.noticed_at,
    )


def _scope(budget: Budget) -> str:
    if budget.key:
        return f"key {budget.key.name}"
    if budget.user:
        return f"person {budget.user.email}"
    if budget.team:
        return f"team {budget.team.name}"
    if budget.unit:
        return f"unit {budget.unit.name}"
    return f"organisation {budget.organisation.name}"
