"""Reading what is not booked: attempts in suspense, and what is lent to gateway processes. Amounts are nano-USD."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Now

from governance.core.windows import Period, Window, WindowKind
from governance.ledger.reach import Reach
from governance.metering.models import Allowance, Attempt, DurableReservation, Lease, Worker
from governance.policy.models import RateLimit

_SILENCE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Suspense:
    """How many attempts are in suspense, and what they hold."""

    attempts: int
    held_nano: int


@dataclass(frozen=True, kw_only=True)
class LostLeases:
    """What a gateway process held whose journal is gone: the largest of its leases, and on how many accounts."""

    worker: Worker
    accounts: int
    largest_nano: int


@dataclass(frozen=True, kw_only=True)
class RateStanding:
    """A rate limit in its current window: of its members the one who took most; "" where everybody shares.

    What gateway processes have in hand counts as taken. `resets_at` is None where requests at once are counted.
    """

    limit: RateLimit
    member: str
    taken: int
    resets_at: datetime | None

    @property
    def left(self) -> int:
        """What may still be admitted; negative after the amount was lowered."""
        return self.limit.amount - self.taken


def suspense(*, organisation_id: int, since: datetime | None = None) -> QuerySet[Attempt]:
    """Return the attempts whose outcome nobody can prove, oldest first."""
    attempts = Attempt.objects.filter(organisation_id=organisation_id)
    if since is not None:
        attempts = attempts.filter(admitted_at__gte=since)
    return attempts.order_by("admitted_at", "id")


def count_suspense_of(*, day: date) -> int:
    """Return how many attempts in suspense, whosever, were admitted on this day (UTC)."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Attempt.objects.filter(admitted_at__gte=since, admitted_at__lt=since + timedelta(days=1)).count()


def count_durable_of(*, day: date) -> int:
    """Return how many durable reservations, whosever, were admitted on this day (UTC) and have not ended."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    admitted = DurableReservation.objects.filter(admitted_at__gte=since, admitted_at__lt=since + timedelta(days=1))
    return admitted.filter(ended_at__isnull=True).count()


def unrecovered_epochs_of(*, day: date) -> list[int]:
    """Return the epochs that lived on this day (UTC) and whose journals nobody has read: fenced, lost, or silent."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return unrecovered_epochs(since=since, until=since + timedelta(days=1))


def unrecovered_epochs(*, since: datetime, until: datetime) -> list[int]:
    """Return the epochs that lived in `[since, until)` and whose journals nobody has read: fenced, lost, or silent."""
    lived = Worker.objects.filter(started_at__lt=until, last_seen_at__gte=since)
    gone = Q(state__in=(Worker.State.FENCED, Worker.State.LOST)) | Q(
        state=Worker.State.ALIVE, last_seen_at__lt=Now() - _SILENCE
    )
    return list(lived.filter(gone).order_by("epoch").values_list("epoch", flat=True))


def suspense_of(*, organisation_id: int, since: datetime, until: datetime) -> Suspense:
    """Return count and sum of an organisation's attempts in suspense that were admitted in `[since, until)`."""
    attempts = Attempt.objects.filter(
        organisation_id=organisation_id, admitted_at__gte=since, admitted_at__lt=until
    ).aggregate(attempts=Count("id"), held_nano=Sum("held_nano", default=0))
    return Suspense(attempts=attempts["attempts"], held_nano=int(attempts["held_nano"]))


def count_durable(*, organisation_id: int, since: datetime, until: datetime) -> int:
    """Return how many durable reservations that were admitted in `[since, until)` have not ended."""
    admitted = DurableReservation.objects.filter(admitted_at__gte=since, admitted_at__lt=until)
    return admitted.filter(organisation_id=organisation_id, ended_at__isnull=True).count()


def suspense_total(*, reach: Reach) -> Suspense:
    """Return count and sum of the attempts in suspense within this reach."""
    totals = Attempt.objects.filter(reach.condition()).aggregate(
        attempts=Count("id"), held_nano=Sum("held_nano", default=0)
    )
    return Suspense(attempts=totals["attempts"], held_nano=int(totals["held_nano"]))


def newest_suspense(*, reach: Reach, limit: int) -> list[Attempt]:
    """Return attempts in suspense, newest first."""
    return list(Attempt.objects.filter(reach.condition()).order_by("-admitted_at", "-id")[:limit])


def suspended_attempt(*, attempt_id: UUID, reach: Reach) -> Attempt | None:
    """Return the attempt while it is in suspense, or None."""
    return Attempt.objects.filter(reach.condition()).filter(id=attempt_id).first()


def lost_leases(*, organisation_id: int) -> list[LostLeases]:
    """Return what processes held whose journals are gone, on this organisation's budgets, oldest first."""
    rows = (
        Lease.objects.filter(epoch__state=Worker.State.LOST, account__budget__organisation_id=organisation_id)
        .select_related("epoch")
        .order_by("epoch_id")
    )
    found: dict[int, LostLeases] = {}
    for lease in rows:
        known = found.get(lease.epoch_id)
        found[lease.epoch_id] = LostLeases(
            worker=lease.epoch,
            accounts=1 + (known.accounts if known else 0),
            largest_nano=max(lease.amount_nano, known.largest_nano if known else 0),
        )
    return list(found.values())


def rate_standings(
    *, limits: Iterable[RateLimit], at: datetime, allowances: QuerySet[Allowance] | None = None
) -> list[RateStanding]:
    """Return how these rate limits stand at an instant, in their order. `allowances` are those that may be shown."""
    wanted = list(limits)
    shown = Allowance.objects.all() if allowances is None else allowances
    is_alive = Q(allotments__epoch__state=Worker.State.ALIVE)
    rows = (
        shown.filter(rate_limit__in=wanted)
        .annotate(running=Sum("allotments__amount", filter=is_alive, default=0))
        .select_related("user", "key")
    )
    most: dict[int, tuple[int, str]] = {}
    windows = {limit.pk: _window(limit, at) for limit in wanted}
    for row in rows:
        window = windows[row.rate_limit_id]
        taken = int(row.running) if window is None else row.taken if row.window_starts_at == window.starts_at else 0
        known = most.get(row.rate_limit_id)
        if known is None or taken > known[0]:
            most[row.rate_limit_id] = taken, _member_text(row)
    return [_rate_standing(limit, windows[limit.pk], *most.get(limit.pk, (0, ""))) for limit in wanted]


def _window(limit: RateLimit, at: datetime) -> Period | None:
    return Window(kind=WindowKind(limit.window)).period_at(at) if limit.window is not None else None


def _member_text(allowance: Allowance) -> str:
    if allowance.user is not None:
        return f"person {allowance.user.email}"
    return f"key {allowance.key.name}" if allowance.key is not None else ""


def _rate_standing(limit: RateLimit, window: Period | None, taken: int, member: str) -> RateStanding:
    resets_at = window.ends_at if window is not None else None
    return RateStanding(limit=limit, member=member, taken=taken, resets_at=resets_at)
