"""What the page of the audit trail shows."""

from dataclasses import dataclass

import msgspec

from governance.audit.models import AuditEvent
from governance.audit.queries import EventFilter, newest_events

PAGE_SIZE = 50


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field of what was changed; "" where it was, or is, not there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class EventLine:
    """One event with what it changed."""

    event: AuditEvent
    changes: list[Change]
    digest: str


@dataclass(frozen=True, kw_only=True)
class TrailPage:
    """One page, newest first. `next_id` is None on the last one."""

    lines: list[EventLine]
    next_id: int | None


def trail_page(*, wanted: EventFilter, before_id: int | None) -> TrailPage:
    """Return the events older than the one with this id (None: the newest)."""
    found = newest_events(wanted=wanted, before_id=before_id, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    return TrailPage(lines=[_line(event) for event in shown], next_id=shown[-1].pk if len(found) > PAGE_SIZE else None)


def _line(event: AuditEvent) -> EventLine:
    before, after = _fields(event.before), _fields(event.after)
    return EventLine(
        event=event,
        changes=[
            Change(name=name, before=before.get(name, ""), after=after.get(name, ""))
            for name in dict.fromkeys([*before, *after])
            if before.get(name) != after.get(name)
        ],
        digest=bytes(event.digest).hex(),
    )


def _fields(facts: object) -> dict[str, str]:
    if not isinstance(facts, dict):
        return {}
    return {
        str(name): value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in facts.items()
    }
