"""What stands on the books for attempts: all revisions of one added up, in order of admission, a batch at a time."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Sum

from governance.core.money import EXACT, exact_sum
from governance.ledger.detached import refuse_detached
from governance.ledger.models import UsageRecord
from governance.plugin.usage import UNPRICED, TokenClass

RERATED = "rerated"
"""The outcome of a revision that comes from the catalogue's prices; every other one is somebody's word."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts of one organisation admitted in `[since, until)`, narrowed to a model, connection or team if given."""

    organisation_id: int
    since: datetime
    until: datetime
    model_id: int | None = None
    connection_id: int | None = None
    team_id: int | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a batch ended: the attempt read last."""

    admitted_at: datetime
    attempt_id: UUID


class StandingLine(msgspec.Struct, frozen=True):
    """One class of an attempt, over all revisions. `price_id` is that of the last one."""

    quantity: int
    price_id: int | None
    cost_nano: Decimal


class StandingAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as it stands after its last revision. `is_catalogued`: every revision was rated from the catalogue."""

    place: Place
    revision: int
    team_id: int
    team: str
    model_id: int
    model: str
    service_tier: str
    lines: dict[TokenClass, StandingLine]
    cost_nano: Decimal
    charge_nano: int
    is_estimated: bool
    is_catalogued: bool


class StandingCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt costs after its last revision, in nano-USD; `cost_nano` is exact."""

    revision: int
    cost_nano: Decimal
    charge_nano: int


# The first revisions of one batch, with every later one of the same attempts.
_BATCH = """
WITH first AS MATERIALIZED (
    SELECT r.attempt_id, r.admitted_at
      FROM ledger_usagerecord r
     WHERE r.revision = 1 AND r.organisation_id = %(organisation_id)s
       AND r.admitted_at >= %(since)s AND r.admitted_at < %(until)s
       AND (%(model_id)s::bigint IS NULL OR r.model_id = %(model_id)s)
       AND (%(connection_id)s::bigint IS NULL OR r.connection_id = %(connection_id)s)
       AND (%(team_id)s::bigint IS NULL OR r.team_id = %(team_id)s)
       AND (%(after_at)s::timestamptz IS NULL
            OR (r.admitted_at >= %(after_at)s AND (r.admitted_at, r.attempt_id) > (%(after_at)s, %(after_id)s)))
     ORDER BY r.admitted_at, r.attempt_id
     LIMIT %(limit)s
)
SELECT r.attempt_id, r.admitted_at, r.revision, r.team_id, coalesce(t.name, ''), r.model_id,
       coalesce(m.provider || '/' || m.name, ''), r.service_tier, r.outcome, r.is_estimated, r.classes, r.quantities,
       r.price_ids, r.costs_nano, r.cost_nano, r.charge_nano
  FROM first
  JOIN ledger_usagerecord r ON r.attempt_id = first.attempt_id AND r.admitted_at = first.admitted_at
  LEFT JOIN teams_team t ON t.id = r.team_id
  LEFT JOIN catalog_languagemodel m ON m.id = r.model_id
 WHERE r.admitted_at >= %(since)s AND r.admitted_at < %(until)s
 ORDER BY r.admitted_at, r.attempt_id, r.revision
"""


class _Row(msgspec.Struct, frozen=True):
    attempt_id: UUID
    admitted_at: datetime
    revision: int
    team_id: int
    team: str
    model_id: int
    model: str
    service_tier: str
    outcome: str
    is_estimated: bool
    classes: list[str]
    quantities: list[int]
    price_ids: list[int | None]
    costs_nano: list[Decimal]
    cost_nano: Decimal
    charge_nano: int


def standing_attempts(*, span: Span, after: Place | None, limit: int) -> list[StandingAttempt]:
    """Return up to `limit` attempts of the span in order of admission, after the place where the last batch ended.

    Raises DayDetached when a detached day has a part in the span.
    """
    refuse_detached(since=span.since, until=span.until, what="This span")
    values: dict[str, Any] = {
        **msgspec.structs.asdict(span),
        "after_at": after.admitted_at if after is not None else None,
        "after_id": after.attempt_id if after is not None else None,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BATCH, values)
        rows = [_Row(*row) for row in cursor.fetchall()]
    revisions: dict[UUID, list[_Row]] = {}
    for row in rows:
        revisions.setdefault(row.attempt_id, []).append(row)
    return [_added_up(each) for each in revisions.values()]


def standing_charge(*, attempt_id: UUID, admitted_at: datetime) -> StandingCharge | None:
    """Return what an attempt costs after its last revision; None when nothing of it is on the books."""
    rows = list(UsageRecord.objects.filter(attempt_id=attempt_id, admitted_at=admitted_at))
    if not rows:
        return None
    return StandingCharge(
        revision=max(row.revision for row in rows),
        cost_nano=exact_sum(row.cost_nano for row in rows),
        charge_nano=sum(row.charge_nano for row in rows),
    )


def charges_of(instants: Mapping[UUID, datetime]) -> dict[UUID, int]:
    """Return what attempts cost by now, in nano-USD, by id; those that are not on the books are missing. Given are the
    instants of their admission.
    """
    if not instants:
        return {}
    span = (min(instants.values()), max(instants.values()))
    records = UsageRecord.objects.filter(attempt_id__in=instants, admitted_at__range=span)
    sums = records.order_by().values_list("attempt_id").annotate(nano=Sum("charge_nano"))
    return {attempt_id: int(nano) for attempt_id, nano in sums}


def _added_up(revisions: list[_Row]) -> StandingAttempt:
    first, last = revisions[0], revisions[-1]
    lines = _lines(revisions)
    return StandingAttempt(
        place=Place(first.admitted_at, first.attempt_id),
        revision=last.revision,
        team_id=first.team_id,
        team=first.team,
        model_id=first.model_id,
        model=first.model,
        service_tier=first.service_tier,
        lines=lines,
        cost_nano=exact_sum(row.cost_nano for row in revisions),
        charge_nano=sum(row.charge_nano for row in revisions),
        is_estimated=last.is_estimated,
        is_catalogued=_is_catalogued(first, revisions[1:]),
    )


def _lines(revisions: Iterable[_Row]) -> dict[TokenClass, StandingLine]:
    lines: dict[TokenClass, StandingLine] = {}
    for row in revisions:
        for name, quantity, price_id, cost in zip(
            row.classes, row.quantities, row.price_ids, row.costs_nano, strict=True
        ):
            token_class = TokenClass(name)
            before = lines.get(token_class, StandingLine(0, None, Decimal(0)))
            lines[token_class] = StandingLine(before.quantity + quantity, price_id, EXACT.add(before.cost_nano, cost))
    return lines


def _is_catalogued(first: _Row, later: list[_Row]) -> bool:
    """Whether prices, and nobody's word, say what it costs; without a rated line it was not billed, or released."""
    is_rated = bool(first.classes) and UNPRICED.isdisjoint(first.classes)
    return is_rated and all(row.outcome == RERATED for row in later)
