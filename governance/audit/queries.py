"""Reading and proving the trail."""

from governance.audit.models import AuditEvent
from governance.audit.operations import chain_digest

_CONTENT = ("actor", "origin", "action", "subject", "reason", "before", "after")


def first_broken_event() -> AuditEvent | None:
    """Return the first event whose digest or link to the event before does not verify, or None."""
    previous = bytes(32)
    for event in AuditEvent.objects.order_by("id").iterator(chunk_size=2000):
        content = {name: getattr(event, name) for name in _CONTENT}
        digest = chain_digest(previous=previous, content=content)
        if bytes(event.previous_digest) != previous or bytes(event.digest) != digest:
            return event
        previous = digest
    return None


def count_events() -> int:
    """Return how many events the trail holds."""
    return AuditEvent.objects.count()
