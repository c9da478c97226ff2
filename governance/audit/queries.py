"""Reading and proving the trail."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from django.db.models import Q, QuerySet

from governance.audit.models import AuditEvent
from governance.audit.operations import chain_digest, chained_content

_CHUNK = 2000


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What of the trail somebody wants to see. Empty and None: everything.

    `organisation_id` leaves out what was done through other organisations, and by commands and tasks. `action` is a
    whole action or its beginning, such as key.issued or key; `subject` is kind:id.
    """

    organisation_id: int | None = None
    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


class ChainProof(msgspec.Struct, frozen=True, kw_only=True):
    """What a walk along the chain found: how many events, the digest of the last, and the first that does not verify.

    `has_expected` says whether a digest that somebody wrote down before is still in the chain; None: none was given.
    """

    events: int
    head: str
    broken: AuditEvent | None
    has_expected: bool | None


def events(*, wanted: EventFilter) -> QuerySet[AuditEvent]:
    """Return the events that match, newest first."""
    found = AuditEvent.objects.order_by("-id")
    if wanted.organisation_id is not None:
        found = found.filter(organisation_id=wanted.organisation_id)
    if wanted.actor:
        found = found.filter(actor=wanted.actor)
    if wanted.action:
        found = found.filter(Q(action=wanted.action) | Q(action__startswith=f"{wanted.action.rstrip('.')}."))
    if wanted.subject:
        found = found.filter(subject=wanted.subject)
    if wanted.since is not None:
        found = found.filter(occurred_at__gte=wanted.since)
    if wanted.until is not None:
        found = found.filter(occurred_at__lt=wanted.until)
    return found


def newest_events(*, wanted: EventFilter, before_id: int | None, limit: int) -> list[AuditEvent]:
    """Return the newest events that match, older than the one with this id."""
    found = events(wanted=wanted)
    return list((found.filter(id__lt=before_id) if before_id is not None else found)[:limit])


def verify_chain(*, expected: str = "") -> ChainProof:
    """Walk along the whole chain. `expected` is a digest (hex) of an event that was there before: one that was cut off
    at the end leaves no gap, but takes its digest along.
    """
    previous, count, has_expected = bytes(32), 0, False
    for event in _oldest_first():
        digest = chain_digest(previous=previous, content=chained_content(event))
        if bytes(event.previous_digest) != previous or bytes(event.digest) != digest:
            return ChainProof(
                events=count, head=previous.hex(), broken=event, has_expected=has_expected if expected else None
            )
        previous, count = digest, count + 1
        has_expected = has_expected or digest.hex() == expected.lower()
    return ChainProof(events=count, head=previous.hex(), broken=None, has_expected=has_expected if expected else None)


def first_broken_event() -> AuditEvent | None:
    """Return the first event whose digest or link to the event before does not verify, or None."""
    return verify_chain().broken


def last_event_id() -> int:
    """Return the id of the newest event; 0 where there is none."""
    return AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0


def count_events() -> int:
    """Return how many events the trail holds."""
    return AuditEvent.objects.count()


def _oldest_first() -> Iterator[AuditEvent]:
    return AuditEvent.objects.order_by("id").iterator(chunk_size=_CHUNK)
