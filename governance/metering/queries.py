"""Reading attempts in flight and in suspense. Amounts are nano-USD."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet, Sum

from governance.metering.models import Attempt


@dataclass(frozen=True, kw_only=True)
class Outstanding:
    """What is held just now for attempts without outcome."""

    open_attempts: int
    open_nano: int
    suspense_attempts: int
    suspense_nano: int


def suspense(*, organisation_id: int, since: datetime | None = None) -> QuerySet[Attempt]:
    """Return the attempts whose outcome nobody can prove, oldest first."""
    attempts = Attempt.objects.filter(organisation_id=organisation_id, state=Attempt.State.SUSPENSE)
    if since is not None:
        attempts = attempts.filter(admitted_at__gte=since)
    return attempts.order_by("admitted_at", "id")


def outstanding(*, organisation_id: int) -> Outstanding:
    """Return counts and sums of attempts in flight and in suspense."""
    rows = (
        Attempt.objects.filter(organisation_id=organisation_id)
        .values_list("state")
        .annotate(Count("id"), Sum("held_nano"))
    )
    sums = {state: (count, int(held)) for state, count, held in rows}
    flying, unknown = sums.get(Attempt.State.OPEN, (0, 0)), sums.get(Attempt.State.SUSPENSE, (0, 0))
    return Outstanding(
        open_attempts=flying[0], open_nano=flying[1], suspense_attempts=unknown[0], suspense_nano=unknown[1]
    )
