"""What stands against closing a month, or should be known before: each with a number, money, and what to do."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import msgspec

from governance.alerts.queries import drifts_of
from governance.chargeback.queries import last_proof
from governance.core.money import usd_text
from governance.core.months import month_period
from governance.core.windows import Period
from governance.metering.queries import count_durable, suspense_of, unrecovered_epochs
from governance.teams.models import Organisation

_FRESH = timedelta(days=2)
"""The books are proved every night."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing. `is_blocking`: no reason lets the month be closed in spite of it. `nano`: 0 where none is known."""

    code: str
    sentence: str
    count: int
    nano: int = 0
    is_blocking: bool = False


def look(*, organisation: Organisation, month: date, at: datetime) -> tuple[Finding, ...]:
    """Return what is found now; nothing where the month can be closed as it is."""
    period = month_period(month, zone=organisation.zone)
    return (*_proof(at), *_epochs(period), *_suspense(organisation, period), *_durable(organisation, period),
            *_drifts(organisation, period))  # fmt: skip


def _proof(at: datetime) -> Iterator[Finding]:
    proof = last_proof()
    if proof is not None and proof.failure_count:
        yield Finding(
            code="books_do_not_balance",
            sentence=f"The last proof found {proof.failure_count} failures: `bursar ledger prove` names them.",
            count=proof.failure_count,
            is_blocking=True,
        )
    elif proof is None or proof.proved_at < at - _FRESH:
        yield Finding(
            code="books_not_proved",
            sentence="The books were not proved in the last two days: `bursar ledger prove` does it.",
            count=1,
        )


def _epochs(period: Period) -> Iterator[Finding]:
    epochs = unrecovered_epochs(since=period.starts_at, until=period.ends_at)
    if epochs:
        yield Finding(
            code="journals_not_read",
            sentence=(
                f"{len(epochs)} gateway processes that worked in the month have journals that nobody has read, with "
                "calls that may still be booked: `bursar recover` reads them."
            ),
            count=len(epochs),
        )


def _suspense(organisation: Organisation, period: Period) -> Iterator[Finding]:
    held = suspense_of(organisation_id=organisation.pk, since=period.starts_at, until=period.ends_at)
    if held.attempts:
        yield Finding(
            code="suspense",
            sentence=(
                f"{held.attempts} calls of the month have an unknown outcome and hold {usd_text(held.held_nano)} USD: "
                "settle them, or what they cost is booked in a later month."
            ),
            count=held.attempts,
            nano=held.held_nano,
        )


def _durable(organisation: Organisation, period: Period) -> Iterator[Finding]:
    jobs = count_durable(organisation_id=organisation.pk, since=period.starts_at, until=period.ends_at)
    if jobs:
        yield Finding(
            code="jobs_running",
            sentence=f"{jobs} batches or background replies that began in the month have not ended.",
            count=jobs,
        )


def _drifts(organisation: Organisation, period: Period) -> Iterator[Finding]:
    drifts = drifts_of(organisation=organisation)
    apart = drifts.filter(noticed_at__gte=period.starts_at, noticed_at__lt=period.ends_at).count()
    if apart:
        yield Finding(
            code="costs_apart",
            sentence=(
                f"Vendors' own costs were apart from the books {apart} times (a model and a day each): correct the "
                "price, and let `bursar ledger rerate` book the difference."
            ),
            count=apart,
        )
