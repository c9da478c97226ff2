"""Days of the past, whose partitions no task makes any more, and what lets them be detached."""

from datetime import UTC, date, datetime

from django.db import connection

from governance.chargeback.models import LedgerProof

DETACHED = "ledger_detached_20261005"
"""The table that October 5 becomes."""


def make_day(day: date) -> None:
    """Make the partition of one day, as it was made when the day came."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_make_partition(%s)", [day])


def keep_clean_proof(*, failure_count: int = 0, at: datetime | None = None) -> None:
    """Keep a proof as the nightly task does, made after every month was closed."""
    LedgerProof.objects.create(
        proved_at=at or datetime(2999, 1, 1, tzinfo=UTC),
        records=0,
        entries=0,
        accounts=0,
        audit_events=0,
        failure_count=failure_count,
        failures=[],
    )


def forget_days(*days: date) -> None:
    """Remove the tables of these days, which no truncation of the test database does."""
    with connection.cursor() as cursor:
        for day in days:
            for name in (f"ledger_usagerecord_p{day:%Y%m%d}", f"ledger_detached_{day:%Y%m%d}"):
                cursor.execute(f"DROP TABLE IF EXISTS {name}")
