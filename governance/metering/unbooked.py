"""Reading what is not booked yet: attempts in flight, and those whose outcome nobody can prove."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from governance.ledger.reach import Reach
from governance.metering.models import Attempt

_SUSPENSE = Q(state=Attempt.State.SUSPENSE)
_OPEN = Q(state=Attempt.State.OPEN)


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """How many attempts are open or in suspense, and the nano-USD they hold."""

    open_count: int
    open_nano: int
    suspense_count: int
    suspense_nano: int


def in_flight(*, reach: Reach) -> InFlight:
    """Return what the attempts within this reach hold."""
    totals = _attempts(reach).aggregate(
        open_count=Count("id", filter=_OPEN),
        open_nano=Sum("held_nano", filter=_OPEN, default=0),
        suspense_count=Count("id", filter=_SUSPENSE),
        suspense_nano=Sum("held_nano", filter=_SUSPENSE, default=0),
    )
    return InFlight(**{name: int(value) for name, value in totals.items()})


def unbooked_attempts(*, reach: Reach, limit: int) -> list[Attempt]:
    """Return attempts without a booked outcome, newest first."""
    return list(_attempts(reach).order_by("-admitted_at", "-id")[:limit])


def unbooked_attempt(*, attempt_id: UUID, reach: Reach) -> Attempt | None:
    """Return the attempt while its outcome is not booked, or None."""
    return _attempts(reach).filter(id=attempt_id).first()


def _attempts(reach: Reach) -> QuerySet[Attempt]:
    return Attempt.objects.filter(reach.condition())
