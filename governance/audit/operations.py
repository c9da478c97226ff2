"""Writing the trail."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

import msgspec
from django.db import connection

from governance.audit.models import AuditEvent

_CHAIN_LOCK = 0x6275727361720001
_GENESIS = bytes(32)
_VERSION = 2
"""What is covered from now on; events of version 1 lack the instant and the organisation."""
_CONTENT = ("actor", "origin", "action", "subject", "reason", "before", "after")


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts and from where. `name` is an e-mail address, or the name of a command or task.

    `organisation_id` is the organisation in which a person acts; None for commands and tasks.
    """

    name: str
    origin: str = ""
    organisation_id: int | None = None


def record(
    *,
    actor: Actor,
    action: str,
    subject: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    reason: str = "",
) -> AuditEvent:
    """Append one event to the chain. Must run in the transaction of the change that it records."""
    if not connection.in_atomic_block:
        raise RuntimeError("An audit event is recorded in the transaction of its change: open one first.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s), transaction_timestamp()", [_CHAIN_LOCK])
        _, occurred_at = cursor.fetchone()
    last = AuditEvent.objects.order_by("-id").values_list("digest", flat=True).first()
    previous = bytes(last) if last is not None else _GENESIS
    content: dict[str, object] = {
        "actor": actor.name,
        "origin": actor.origin,
        "action": action,
        "subject": subject,
        "reason": reason,
        "before": before,
        "after": after,
    }
    event = AuditEvent(
        **content,
        version=_VERSION,
        organisation_id=actor.organisation_id,
        occurred_at=occurred_at,
        previous_digest=previous,
    )
    event.digest = chain_digest(previous=previous, content=chained_content(event))
    event.save(force_insert=True)
    return event


def chained_content(event: AuditEvent) -> dict[str, object]:
    """Return what the event's digest covers, beside the digest before it."""
    content: dict[str, object] = {name: getattr(event, name) for name in _CONTENT}
    if event.version >= _VERSION:
        content |= {
            "version": event.version,
            "organisation_id": event.organisation_id,
            "occurred_at": event.occurred_at.astimezone(UTC).isoformat(),
        }
    return content


def chain_digest(*, previous: bytes, content: Mapping[str, object]) -> bytes:
    """Return SHA-256 over the previous digest and the canonical JSON of the content."""
    return hashlib.sha256(previous + msgspec.json.encode(content, order="sorted")).digest()
