"""Resolving suspense by name: the one way in which a person, not a proof, decides what an attempt cost."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import structlog
from django.db import connection, transaction

from governance.audit.operations import Actor, record
from governance.catalog.rating import Rated, RatedLine
from governance.core.errors import BadRequest
from governance.core.money import usd_text
from governance.ledger.detached import refuse_detached
from governance.metering.attempt import Ending, Outcome
from governance.metering.epoch import LifeLock
from governance.metering.errors import NoSuchSuspense
from governance.metering.estimates import decided, estimate_of, resolve_rest
from governance.metering.journal import JournalForeign, boot_id, read_journal
from governance.metering.models import Attempt, Worker
from governance.metering.recovery import rows_of
from governance.metering.texts import outcome_text
from governance.plugin.usage import TokenClass

log = structlog.get_logger("metering")

_INSTANT = timedelta(microseconds=1)
_REFUSALS_KEPT = timedelta(days=400)
RELEASED_REASON = "suspense_released"
SETTLED_REASON = "suspense_settled"


def release_suspense(*, attempt_id: UUID, actor: Actor, reason: str) -> None:
    """Give the money of an attempt back: somebody knows that the vendor did not charge for it.

    What was settled of it as an estimate is taken back too. A record with zero cost remains.

    Raises BadRequest without a reason, NoSuchSuspense, DayDetached.
    """
    _resolve(attempt_id=attempt_id, cost_nano=0, outcome_reason=RELEASED_REASON, actor=actor, reason=reason)


def settle_suspense(*, attempt_id: UUID, cost_nano: int | None, actor: Actor, reason: str) -> None:
    """Charge an attempt with what the vendor billed for it in all, in nano-USD; None: with everything that is held,
    beside what was settled of it as an estimate.

    The record is marked estimated. Raises BadRequest without a reason or with a negative cost, NoSuchSuspense,
    DayDetached.
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


def recover_folder(*, folder: Path, is_whole: bool, actor: Actor) -> dict[int, int]:
    """Recover the gateway processes whose locks and journals lie in a folder, as on a volume of a host that is gone.

    A process that still holds its lock is left alone. `is_whole`: whoever asks knows that the volume was unmounted
    cleanly, so that the journals' ends cannot be missing although another boot of a machine wrote them; without it
    such journals are passed over. Return {epoch: attempts moved to suspense}.
    """
    names = sorted(path.name for path in folder.glob("*.lock"))
    workers = Worker.objects.filter(lock_name__in=names).exclude(state=Worker.State.DEAD).order_by("epoch")
    recovered = {}
    for epoch, lock_name in workers.values_list("epoch", "lock_name"):
        try:
            lock = LifeLock.of_the_dead(folder, lock_name)
        except BlockingIOError:
            continue
        is_over = False
        try:
            header, entries = read_journal(lock.journal_path, lock=lock.name)
            if is_whole or header.boot == boot_id():
                recovered[epoch] = _end_epoch(epoch, rows_of(entries), actor)
                is_over = True
        except (FileNotFoundError, JournalForeign) as error:
            log.warning("journal_proves_nothing", epoch=epoch, reason=str(error))
        finally:
            lock.release(is_over=is_over)
    return recovered


def forget_old_refusals(*, at: datetime) -> None:
    """Forget the sums of refusals of more than a year ago. No money hangs on them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_forget_refusals(%s)", [at - _REFUSALS_KEPT])


@transaction.atomic
def _end_epoch(epoch: int, rows: str, actor: Actor) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_recover(%s, %s::json)", [epoch, rows])
        (attempts,) = cursor.fetchone()
    record(actor=actor, action="epoch.recovered", subject=f"epoch:{epoch}", after={"attempts_in_suspense": attempts})
    return int(attempts)


def _resolve(*, attempt_id: UUID, cost_nano: int | None, outcome_reason: str, actor: Actor, reason: str) -> None:
    _refuse_silence(reason)
    with transaction.atomic():
        attempt = Attempt.objects.filter(id=attempt_id).first()
        if attempt is None:
            raise _missing(attempt_id)
        refuse_detached(
            since=attempt.admitted_at, until=attempt.admitted_at + _INSTANT, what=f"Booking attempt {attempt_id}"
        )
        estimate = estimate_of(attempt)
        estimated_nano = estimate.charge_nano if estimate is not None else 0
        charge = attempt.held_nano + estimated_nano if cost_nano is None else cost_nano
        if estimate is not None:
            revision = decided(attempt, estimate, charge_nano=charge, outcome=outcome_reason)
            is_resolved = resolve_rest(revision=revision, reason=reason)
        else:
            is_resolved = _book(attempt_id, _outcome(charge, outcome_reason))
        if not is_resolved:
            raise _missing(attempt_id)
        record(
            actor=actor,
            action=f"attempt.{outcome_reason}",
            subject=f"attempt:{attempt_id}",
            before={
                "held_usd": usd_text(attempt.held_nano),
                "estimated_usd": usd_text(estimated_nano),
                "suspense_reason": attempt.suspense_reason,
            },
            after={"charge_usd": usd_text(charge)},
            reason=reason,
        )


def _book(attempt_id: UUID, outcome: Outcome) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_resolve(%s, %s::jsonb)", [attempt_id, outcome_text(outcome).decode()])
        row = cursor.fetchone()
    return bool(row and row[0])


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
