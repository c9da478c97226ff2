"""Reading the books. Amounts are nano-USD."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum

from governance.ledger.detached import whole_detached_days
from governance.ledger.models import DayUsageSum, UsageRecord


@dataclass(frozen=True, kw_only=True)
class UsageTotals:
    """Sums over usage records. `requests` counts attempts once, whatever their revisions; `charge_nano` is nano-USD."""

    requests: int
    input_tokens: int
    output_tokens: int
    charge_nano: int


def usage_totals(
    *,
    key_id: int | None = None,
    team_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> UsageTotals:
    """Return the sums over records admitted in `[since, until)`, of one key or team where given.

    Raises DayDetached when the span cuts a detached day.
    """
    records = UsageRecord.objects.all()
    away = DayUsageSum.objects.filter(detachment__in=whole_detached_days(since=since, until=until, what="This sum"))
    if key_id is not None:
        records, away = records.filter(key_id=key_id), away.filter(key_id=key_id)
    if team_id is not None:
        records, away = records.filter(team_id=team_id), away.filter(team_id=team_id)
    if since is not None:
        records = records.filter(admitted_at__gte=since)
    if until is not None:
        records = records.filter(admitted_at__lt=until)
    sums = records.aggregate(
        requests=Count("attempt_id", filter=Q(revision=1)),
        input_tokens=Sum("input_tokens", default=0),
        output_tokens=Sum("output_tokens", default=0),
        charge_nano=Sum("charge_nano", default=0),
    )
    kept = away.aggregate(
        requests=Sum("records", filter=Q(is_correction=False), default=0),
        input_tokens=Sum("input_tokens", default=0),
        output_tokens=Sum("output_tokens", default=0),
        charge_nano=Sum("charge_nano", default=0),
    )
    return UsageTotals(**{name: int(value + kept[name]) for name, value in sums.items()})
