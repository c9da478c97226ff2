"""The words of an alert: pure, with exact amounts."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from governance.audit.models import AuditEvent
from governance.budgets.thresholds import Measure, threshold_text
from governance.core.money import usd_text
from governance.core.windows import END
from governance.plugin.notifier import Notice

_LONGEST_DIFFERENCE = 1000


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that was passed: whose budget, how far, in which period."""

    crossing_id: int
    organisation: str
    budget: str
    scope: str
    percent: int
    measure: Measure = Measure.SETTLED
    settled_nano: int
    held_nano: int = 0
    limit_nano: int
    starts_at: datetime
    ends_at: datetime
    zone: str

    @property
    def measured_nano(self) -> int:
        """What the threshold looks at."""
        return self.settled_nano + (self.held_nano if self.measure is Measure.COMMITTED else 0)


def make_notice(passed: Passed) -> Notice:
    """Return the notice of a crossing. Its key is the same at every delivery."""
    limit = usd_text(passed.limit_nano)
    resets_at = _local(passed.ends_at, passed.zone)
    reset = "It does not reset." if passed.ends_at >= END else f"It resets at {resets_at} ({passed.zone})."
    return Notice(
        key=f"bursar-crossing-{passed.crossing_id}",
        subject=f"Budget {passed.budget} has passed {passed.percent} % of its limit",
        text=(
            f"The budget {passed.budget} of {passed.scope} has {_spent(passed)} of its {limit} USD{_share(passed)}, "
            f"which passes the threshold of {threshold_text(percent=passed.percent, measure=passed.measure)}. "
            f"{_consequence(passed)}{reset}"
        ),
        facts={
            "organisation": passed.organisation,
            "budget": passed.budget,
            "scope": passed.scope,
            "threshold_percent": str(passed.percent),
            "threshold_measure": passed.measure.value,
            "settled_usd": usd_text(passed.settled_nano),
            "held_usd": usd_text(passed.held_nano),
            "limit_usd": limit,
            "period_starts_at": passed.starts_at.isoformat(),
            "period_ends_at": passed.ends_at.isoformat(),
        },
    )


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor says that a day's calls to a model cost, beside what the books say; exact nano-USD."""

    drift_id: int
    organisation: str
    connection: str
    model: str
    calls: int
    apart: int
    cost_nano: Decimal
    vendor_cost_nano: Decimal
    furthest: str
    noticed_at: datetime


def make_drift_notice(apart: Apart) -> Notice:
    """Return the notice that costs go apart. Its key is the same at every delivery."""
    ours, theirs = usd_text(apart.cost_nano), usd_text(apart.vendor_cost_nano)
    which = "more" if apart.vendor_cost_nano > apart.cost_nano else "less"
    return Notice(
        key=f"bursar-drift-{apart.drift_id}",
        subject=f"{apart.model} costs {which} than its price says, by its vendor's own word",
        text=(
            f"The vendor reported {theirs} USD for {apart.calls} calls to {apart.model} through {apart.connection} in "
            f"the day until {apart.noticed_at:%Y-%m-%d %H:%M} UTC; the books say {ours} USD. {apart.apart} of the "
            f"calls are apart, {apart.furthest} most of all. Mostly a price is wrong: correct it, and let `bursar "
            "ledger rerate` book the difference. `bursar ledger compare` shows every model."
        ),
        facts={
            "organisation": apart.organisation,
            "connection": apart.connection,
            "model": apart.model,
            "calls": str(apart.calls),
            "calls_apart": str(apart.apart),
            "cost_usd": ours,
            "vendor_cost_usd": theirs,
            "furthest_attempt": apart.furthest,
            "noticed_at": apart.noticed_at.isoformat(),
        },
    )


def make_change_notice(event: AuditEvent, *, organisation: str) -> Notice:
    """Return the notice of an event of the audit trail. Its key is the same at every delivery.

    The facts hold the event as the trail does, `before` and `after` as JSON, with the digest by which it is proved.
    """
    reason = f" Reason: {event.reason}" if event.reason else ""
    facts = {
        "organisation": organisation,
        "event": str(event.pk),
        "occurred_at": event.occurred_at.isoformat(),
        "actor": event.actor,
        "origin": event.origin,
        "action": event.action,
        "subject": event.subject,
        "reason": event.reason,
        "before": _json(event.before),
        "after": _json(event.after),
        "digest": bytes(event.digest).hex(),
    }
    return Notice(
        key=f"bursar-change-{event.pk}",
        subject=f"{event.action} {event.subject}",
        text=(
            f"{event.actor or 'Somebody'} did this at {event.occurred_at:%Y-%m-%d %H:%M:%S} UTC: {event.action} "
            f"{event.subject}.{reason}{_difference(event)}"
        ),
        facts={name: fact for name, fact in facts.items() if fact},
    )


def make_test_notice(*, organisation: str, at: datetime) -> Notice:
    """Return a message by which an administrator sees that a channel works."""
    return Notice(
        key=f"bursar-test-{at:%Y%m%d%H%M%S%f}",
        subject="Test of Bursar's alerts",
        text=f"Alerts of {organisation} arrive here. Somebody asked for this test; no budget has passed a threshold.",
        facts={"organisation": organisation, "sent_at": at.isoformat()},
    )


def _spent(passed: Passed) -> str:
    settled = f"spent {usd_text(passed.settled_nano)} USD"
    if passed.measure is Measure.SETTLED:
        return settled
    return f"{settled} and holds {usd_text(passed.held_nano)} USD for calls that are not booked yet,"


def _share(passed: Passed) -> str:
    """The share, rounded down to hundredths of a percent by integer arithmetic."""
    if not passed.limit_nano:
        return ""
    hundredths = passed.measured_nano * 10_000 // passed.limit_nano
    together = f"{usd_text(passed.measured_nano)} USD, " if passed.measure is Measure.COMMITTED else ""
    return f" ({together}{hundredths // 100}.{hundredths % 100:02} %)"


def _consequence(passed: Passed) -> str:
    return "Further calls that it pays for may be refused. " if passed.measured_nano >= passed.limit_nano else ""


def _difference(event: AuditEvent) -> str:
    before, after = event.before or {}, event.after or {}
    changed = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    said = [f"{name} {_json(before.get(name)) or 'none'} -> {_json(after.get(name)) or 'none'}" for name in changed]
    return f" {'; '.join(said)}."[:_LONGEST_DIFFERENCE] if said else ""


def _json(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def _local(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
