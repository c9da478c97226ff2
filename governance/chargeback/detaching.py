"""Taking old days of usage records off the books' table: what stands against it, and doing it.

A day goes when every month that holds one of its records is closed, nothing of it is in suspense or in a journal that
was not read, and a proof that was kept after the last month was closed found nothing. What the books need of its
records stays as sums. A record is what keeps an outcome from counting twice: what could still come must have come.
"""

from datetime import date, timedelta

import msgspec
from django.db import transaction

from governance.audit.operations import Actor, record
from governance.chargeback.queries import last_proof
from governance.ledger import operations as ledger
from governance.ledger.detached import Day, last_close, open_months_of
from governance.ledger.errors import DayRefused
from governance.ledger.partitions import partitions
from governance.metering.queries import count_durable_of, count_suspense_of, unrecovered_epochs_of


class DayToDetach(msgspec.Struct, frozen=True, kw_only=True):
    """A day that is attached, and the sentence that says why it cannot be detached; None when it can."""

    day: date
    bytes: int
    obstacle: str | None


def days_to_detach(*, before: date, today: date) -> list[DayToDetach]:
    """Return the attached days before a day, oldest first, each with what stands against detaching it."""
    unproved = _unproved()
    return [
        DayToDetach(day=each.day, bytes=each.bytes, obstacle=unproved or _obstacle(each.day, today))
        for each in partitions()
        if each.day is not None and each.day < before and not each.is_detached
    ]


@transaction.atomic
def detach_day(*, day: date, today: date, actor: Actor) -> Day:
    """Detach a day, with the event that says so. Raises DayRefused, BooksBusy; then nothing was changed."""
    obstacle = _unproved() or _obstacle(day, today)
    if obstacle is not None:
        raise DayRefused(obstacle)
    detached = ledger.detach_day(day=day)
    record(actor=actor, action="ledger.day_detached", subject=f"day:{day}", after=_facts(detached))
    return detached


@transaction.atomic
def attach_day(*, day: date, actor: Actor) -> Day:
    """Attach a detached day again, with the event that says so. Raises DayRefused, BooksBusy."""
    attached = ledger.attach_day(day=day)
    record(actor=actor, action="ledger.day_attached", subject=f"day:{day}", before=_facts(attached))
    return attached


def _unproved() -> str | None:
    proof, closed_at = last_proof(), last_close()
    if closed_at is None:
        return "No month is closed yet: only days of closed months can be detached."
    if proof is None or proof.proved_at <= closed_at:
        return "The books were not proved since a month was closed last: wait for the nightly proof."
    if proof.failure_count:
        return "The last proof found that the books do not balance: `bursar ledger prove` names the rows."
    return None


def _obstacle(day: date, today: date) -> str | None:
    # The day after: east of Greenwich the last day of a month has calls of the next one.
    if (day + timedelta(days=1)).replace(day=1) >= today.replace(day=1):
        return f"The month of {day} is not over: only days of closed months can be detached."
    if months := open_months_of(day=day):
        return f"Records of {day} are booked in months that are still open ({', '.join(months)}): close them first."
    if attempts := count_suspense_of(day=day):
        return f"Calls of {day} are in suspense ({attempts}): resolve them first, `bursar suspense list` shows them."
    if jobs := count_durable_of(day=day):
        return f"Batches or background replies that began on {day} are not over ({jobs}): wait until they are."
    if epochs := unrecovered_epochs_of(day=day):
        return (
            f"A gateway process that worked on {day} was not recovered (epoch {epochs[0]}), and its journal may hold "
            "calls of that day: start its machine, use `bursar recover`, or release its leases by name."
        )
    return None


def _facts(detached: Day) -> dict[str, object]:
    return {"records": detached.records, "fingerprint": str(detached.fingerprint), "digest": detached.digest}
