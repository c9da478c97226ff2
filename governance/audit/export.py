"""The trail as a file that a spreadsheet opens. Whoever takes it out stands in it."""

from collections.abc import Iterator
from itertools import chain

import msgspec
from django.db import transaction

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor, record
from governance.audit.queries import EventFilter, events
from governance.core.csv_text import Cell, csv_lines

_HEADER = (
    "Id",
    "When",
    "Who",
    "From where",
    "Organisation id",
    "Action",
    "Subject",
    "Reason",
    "Before",
    "After",
    "Version",
    "Previous digest",
    "Digest",
)
_CHUNK = 2000
MOST_EXPORTED = 100_000
"""So many events fit into one answer; `bursar audit export` writes as many as there are."""


def export_csv(*, actor: Actor, wanted: EventFilter, most: int | None = None) -> Iterator[bytes]:
    """Return the newest events that match, at most so many, as CSV in pieces; the export is an event of its own."""
    with transaction.atomic():
        asked = {name: str(value) for name, value in msgspec.structs.asdict(wanted).items() if value}
        taken = record(actor=actor, action="audit.exported", subject="audit:trail", after=asked)
    found = events(wanted=wanted).filter(id__lt=taken.pk)
    rows = (found if most is None else found[:most]).iterator(chunk_size=_CHUNK)
    return csv_lines(chain([_HEADER], map(_row, rows)))


def _row(event: AuditEvent) -> tuple[Cell, ...]:
    return (
        event.pk,
        event.occurred_at.isoformat(),
        event.actor,
        event.origin,
        event.organisation_id if event.organisation_id is not None else "",
        event.action,
        event.subject,
        event.reason,
        _json(event.before),
        _json(event.after),
        event.version,
        bytes(event.previous_digest).hex(),
        bytes(event.digest).hex(),
    )


def _json(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value, order="sorted").decode()
