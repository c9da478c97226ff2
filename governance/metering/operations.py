"""Resolving suspense by name: the one way in which a person, not a proof, decides what an attempt cost."""

from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from governance.audit.operations import Actor, record
from governance.catalog.rating import Rated, RatedLine
from governance.core.errors import BadRequest
from governance.core.money import usd_text
from governance.metering.attempt import Ending, Outcome
from governance.metering.errors import NoSuchSuspense
from governance.metering.models import Attempt
from governance.metering.texts import outcome_text
from governance.plugin.usage import TokenClass

RELEASED_REASON = "suspense_released"
SETTLED_REASON = "suspense_settled"


def release_suspense(*, attempt_id: UUID, actor: Actor, reason: str) -> None:
    """Give the money of an attempt back: somebody knows that the vendor did not charge for it.

    A record with zero cost remains. Raises BadRequest without a reason, NoSuchSuspense.
    """
    _resolve(attempt_id=attempt_id, cost_nano=0, outcome_reason=RELEASED_REASON, actor=actor, reason=reason)


def settle_suspense(*, attempt_id: UUID, cost_nano: int | None, actor: Actor, reason: str) -> None:
    """Charge an attempt with what the vendor billed for it, in nano-USD; None: with everything that is held.

    The record is marked estimated. Raises BadRequest without a reason or with a negative cost, NoSuchSuspense.
    """
    if cost_nano is not None and cost_nano < 0:
        raise BadRequest("A cost is not negative: give what the vendor billed, or release the attempt.")
    _resolve(attempt_id=attempt_id, cost_nano=cost_nano, outcome_reason=SETTLED_REASON, actor=actor, reason=reason)


def release_lost_leases(*, epoch: int, actor: Actor, reason: str) -> None:
    """Give back what a gateway process held whose journal is gone: somebody knows that nothing of it will be charged,
    or that what was charged has been booked by hand.

    Raises BadRequest without a reason, NoSuchSuspense.
    """
    _refuse_silence(reason)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT metering_release_lost(%s)", [epoch])
        (count,) = cursor.fetchone()
        if not count:
            raise NoSuchSuspense(f"No lost leases belong to epoch {epoch}: list them with `bursar suspense leases`.")
        record(
            actor=actor,
            action="leases.released",
            subject=f"epoch:{epoch}",
            after={"leases": count},
            reason=reason,
        )


def _resolve(*, attempt_id: UUID, cost_nano: int | None, outcome_reason: str, actor: Actor, reason: str) -> None:
    _refuse_silence(reason)
    with transaction.atomic():
        attempt = Attempt.objects.filter(id=attempt_id).first()
        if attempt is None:
            raise _missing(attempt_id)
        charge = attempt.held_nano if cost_nano is None else cost_nano
        text = outcome_text(_outcome(charge, outcome_reason)).decode()
        with connection.cursor() as cursor:
            cursor.execute("SELECT metering_resolve(%s, %s::jsonb)", [attempt_id, text])
            resolved = cursor.fetchone()
        if not resolved or not resolved[0]:
            raise _missing(attempt_id)
        record(
            actor=actor,
            action=f"attempt.{outcome_reason}",
            subject=f"attempt:{attempt_id}",
            before={"held_usd": usd_text(attempt.held_nano), "suspense_reason": attempt.suspense_reason},
            after={"charge_usd": usd_text(charge)},
            reason=reason,
        )


def _refuse_silence(reason: str) -> None:
    if not reason.strip():
        raise BadRequest("Say why: resolving suspense needs a reason, which is kept in the audit trail.")


def _outcome(charge_nano: int, reason: str) -> Outcome:
    cost = Decimal(charge_nano)
    line = RatedLine(token_class=TokenClass.UNKNOWN, quantity=1, price_id=None, cost_nano=cost)
    rated = Rated(
        lines=(line,) if charge_nano else (), cost_nano=cost, charge_nano=charge_nano, is_assumed=bool(charge_nano)
    )
    return Outcome(ending=Ending.SETTLED, reason=reason, rated=rated)


def _missing(attempt_id: UUID) -> NoSuchSuspense:
    return NoSuchSuspense(f"No attempt in suspense has the id {attempt_id}: list them with `bursar suspense list`.")
