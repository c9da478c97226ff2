"""Attempts of which the seen part is settled as an estimate while the rest of their hold waits in suspense."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db import connection

from governance.catalog.rating import RATING_RULE
from governance.core.money import EXACT
from governance.ledger.rated import StandingCharge, charges_of, standing_charge
from governance.metering.models import Attempt
from governance.metering.revision import Revision
from governance.plugin.usage import TokenClass


def estimate_of(attempt: Attempt) -> StandingCharge | None:
    """Return what was settled of an attempt in suspense; None when nothing was.

    Keeps every other writer of revisions out until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_lock_revisions()")
    return standing_charge(attempt_id=attempt.id, admitted_at=attempt.admitted_at)


def decided(attempt: Attempt, estimate: StandingCharge, *, charge_nano: int, outcome: str) -> Revision:
    """Return the revision after which the attempt costs what somebody says, in nano-USD.

    The classes of the estimate stay as they are; one line of no class carries the difference.
    """
    difference = EXACT.subtract(Decimal(charge_nano), estimate.cost_nano)
    has_changed = difference != 0
    return Revision(
        attempt_id=attempt.id,
        revision=estimate.revision + 1,
        admitted_at=attempt.admitted_at,
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
    return charges_of({attempt.id: attempt.admitted_at for attempt in attempts})
