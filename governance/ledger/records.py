"""Attempts on the books for people: newest first by keyset, and everything the books say about one of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum

from governance.ledger.detached import detached_days
from governance.ledger.models import DayEntrySum, Posting, UsageRecord
from governance.ledger.reach import Reach

_TIMED_VERSION = 7
_BEFORE, _AFTER = timedelta(minutes=5), timedelta(minutes=65)

Record = UsageRecord
"""For pages, which name the type but touch no model of this room."""


@dataclass(frozen=True, kw_only=True)
class RecordFilter:
    """Which records are wanted. None means no condition."""

    reach: Reach
    team_id: int | None = None
    key_id: int | None = None
    model_id: int | None = None
    has_failed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: UUID | None = None
    """Of a request or of one of its attempts."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """A place in the list: the record shown last."""

    admitted_at: datetime
    attempt_id: UUID


@dataclass(frozen=True, kw_only=True)
class Booking:
    """The entry that a record is part of: its postings, what they sum to, and what its records were charged, with those
    of days that are detached.

    `corrects_id` and `reason` are those of an entry that corrects an earlier one.
    """

    entry_id: int
    kind: str
    month: date
    booked_at: datetime
    reason: str
    corrects_id: int | None
    postings: list[Posting]
    balance_nano: int
    record_count: int
    charge_nano: int


def newest_records(*, wanted: RecordFilter, before: Position | None, limit: int) -> list[UsageRecord]:
    """Return the first record of up to `limit` attempts in descending order of admission, after the position.

    Each says `charged_nano` over all revisions, the `latest_revision`, and whether it `is_still_estimated` then.
    """
    every = UsageRecord.objects.filter(attempt_id=OuterRef("attempt_id"), admitted_at=OuterRef("admitted_at"))
    latest = every.order_by("-revision")
    records = (
        _matching(wanted)
        .filter(revision=1)
        .annotate(
            charged_nano=Subquery(every.values("attempt_id").annotate(total=Sum("charge_nano")).values("total")),
            latest_revision=Subquery(latest.values("revision")[:1]),
            is_still_estimated=Subquery(latest.values("is_estimated")[:1]),
        )
    )
    if before is not None:
        records = records.filter(
            Q(admitted_at__lt=before.admitted_at) | Q(admitted_at=before.admitted_at, attempt_id__lt=before.attempt_id),
            admitted_at__lte=before.admitted_at,
        )
    related = records.select_related("team", "key", "model", "connection")
    return list(related.order_by("-admitted_at", "-attempt_id")[:limit])


def records_of_attempt(*, attempt_id: UUID, reach: Reach) -> list[UsageRecord]:
    """Return every revision of one attempt, the first one first; empty if the reader may not see it."""
    related = _matching(RecordFilter(reach=reach)).select_related(
        "team", "key", "user", "model", "connection", "unit", "cost_centre", "deployment"
    )
    return list(related.filter(attempt_id=attempt_id).order_by("revision"))


def booking_of(*, entry_id: int) -> Booking | None:
    """Return the entry with its postings, or None if there is none."""
    postings = list(
        Posting.objects.filter(entry_id=entry_id)
        .select_related("entry", "account", "account__cost_centre", "account__connection")
        .order_by("-amount_nano", "id")
    )
    if not postings:
        return None
    records = UsageRecord.objects.filter(entry_id=entry_id)
    away = DayEntrySum.objects.filter(entry_id=entry_id, detachment__in=detached_days()).aggregate(
        records=Sum("records", default=0), charge_nano=Sum("charge_nano", default=0)
    )
    return Booking(
        entry_id=entry_id,
        kind=postings[0].entry.kind,
        month=postings[0].entry.month,
        booked_at=postings[0].entry.created_at,
        reason=postings[0].entry.reason,
        corrects_id=postings[0].entry.corrects_id,
        postings=postings,
        balance_nano=sum(posting.amount_nano for posting in postings),
        record_count=records.count() + away["records"],
        charge_nano=records.aggregate(total=Sum("charge_nano", default=0))["total"] + away["charge_nano"],
    )


def _matching(wanted: RecordFilter) -> QuerySet[UsageRecord]:
    records = UsageRecord.objects.filter(wanted.reach.condition())
    for name in ("team_id", "key_id", "model_id"):
        if (value := getattr(wanted, name)) is not None:
            records = records.filter(**{name: value})
    if wanted.has_failed is not None:
        records = records.filter(http_status__gte=400) if wanted.has_failed else records.filter(http_status__lt=400)
    if wanted.id is not None:
        records = records.filter(Q(request_id=wanted.id) | Q(attempt_id=wanted.id), **_around(wanted.id))
    if wanted.since is not None:
        records = records.filter(admitted_at__gte=wanted.since)
    if wanted.until is not None:
        records = records.filter(admitted_at__lt=wanted.until)
    return records


def _around(identifier: UUID) -> dict[str, datetime]:
    """Return between which admissions a request of this id lies: ids that Bursar makes say when."""
    if identifier.version != _TIMED_VERSION:
        return {}
    made_at = datetime.fromtimestamp((identifier.int >> 80) // 1000, tz=UTC)
    return {"admitted_at__gte": made_at - _BEFORE, "admitted_at__lte": made_at + _AFTER}
