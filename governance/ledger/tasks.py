"""The ledger's background work."""

from datetime import timedelta

import structlog
from celery import shared_task

from governance.core.clock import utc_now
from governance.ledger.operations import make_partitions, mend_day_sums, roll_day_sums

_DAYS_AHEAD = 14
_PROVED = timedelta(days=3)
_log = structlog.get_logger(__name__)


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator] # celery carries no types
def make_coming_partitions() -> None:
    """Make the partitions of the next two weeks; may run at any time, any number of times."""
    make_partitions(days_ahead=_DAYS_AHEAD)


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator] # celery carries no types
def sum_up_days() -> None:
    """Take one step with the sums that pages read; what is not summed yet is read from the records."""
    roll_day_sums()


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator] # celery carries no types
def prove_day_sums() -> None:
    """Hold the sums of the last days to the records, and mend what differs."""
    mended = mend_day_sums(since=(utc_now() - _PROVED).date())
    if mended:
        _log.error("day_sums_differed", mended=mended, remedy="They are right again. Was a clock set back?")
