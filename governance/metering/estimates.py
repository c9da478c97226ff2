"""Attempts of which the seen part is settled as an estimate while the rest of their hold waits in suspense."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Sum

from governance.catalog.rating import RATING_RULE
from governance.core.money import EXACT, exact_sum
from governance.ledger.models import UsageRecord
from governance.metering.models import Attempt
from governance.metering.revision import Revision
from governance.plugin.usage import TokenClass


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the books of such an attempt, all revisions added up. `cost_nano` is exact."""

    attempt_id: UUID
    admitted_at: datetime
    revision: int
    cost_nano: Decimal
    charge_nano: int


def estimate_of(attempt: Attempt) -> Estimate | None:
    """Return what was settled of an attempt in suspense; None when nothing was.

    Keeps every other writer of revisions out until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_lock_revisions()")
    rows = list(UsageRecord.objects.filter(attempt_id=attempt.id, admitted_at=attempt.admitted_at))
    if not rows:
        return None
    return Estimate(
        attempt_id=attempt.id,
        admitted_at=attempt.admitted_at,
        revision=max(row.revision for row in rows),
        cost_nano=exact_sum(row.cost_nano for row in rows),
        charge_nano=sum(row.charge_nano for row in rows),
    )


def decided(estimate: Estimate, *, charge_nano: int, outcome: str) -> Revision:
    """Return the revision after which the attempt costs what somebody says, in nano-USD.

    The classes of the estimate stay as they are; one line of no class carries the difference.
    """
    difference = EXACT.subtract(Decimal(charge_nano), estimate.cost_nano)
    has_changed = difference != 0
    return Revision(
        attempt_id=estimate.attempt_id,
        revision=estimate.revision + 1,
        admitted_at=estimate.admitted_at,
        outcome=outcome,
        is_estimated=charge_nano > 0,
        classes=[TokenClass.UNKNOWN] if has_changed else [],
        quantities=[1] if has_changed else [],
        price_ids=[None] if has_changed else [],
        costs_nano=[f"{difference:f}"] if has_changed else [],
        cost_nano=f"{difference:f}",
        charge_nano=charge_nano - estimate.charge_nano,
        rating_rule=RATING_RULE,
    )


def resolve_rest(*, revision: Revision, reason: str) -> bool:
    """Book the revision and give back what is held; False when nothing of the attempt is in suspense."""
    text = msgspec.json.encode(revision).decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_resolve_rest(%s, %s, %s::json)", [revision.attempt_id, reason, text])
        row = cursor.fetchone()
    return bool(row and row[0])


def estimated_nanos(attempts: Iterable[Attempt]) -> dict[UUID, int]:
    """Return what was settled of each of these attempts in suspense, in nano-USD; those with nothing are missing."""
    instants = {attempt.id: attempt.admitted_at for attempt in attempts}
    if not instants:
        return {}
    records = UsageRecord.objects.filter(
        attempt_id__in=instants, admitted_at__range=(min(instants.values()), max(instants.values()))
    )
    sums = records.order_by().values_list("attempt_id").annotate(nano=Sum("charge_nano"))
    return {attempt_id: int(nano) for attempt_id, nano in sums}
