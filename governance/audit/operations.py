"""Writing the trail."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from django.db import connection

from governance.audit.models import AuditEvent

_CHAIN_LOCK = 0x6275727361720001
_GENESIS = bytes(32)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts and from where. `name` is an e-mail address, or the name of a command or task."""

    name: str
    origin: str = ""


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
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
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
    return AuditEvent.objects.create(
        **content, previous_digest=previous, digest=chain_digest(previous=previous, content=content)
    )


def chain_digest(*, previous: bytes, content: Mapping[str, object]) -> bytes:
    """Return SHA-256 over the previous digest and the canonical JSON of the content."""
    return hashlib.sha256(previous + msgspec.json.encode(content, order="sorted")).digest()
