"""Stored prompts in the background."""

from celery import shared_task

from governance.core.clock import utc_now
from governance.prompts.operations import forget_old, make_partitions

_DAYS_AHEAD = 7


@shared_task(ignore_result=True, expires=3600)  # type: ignore[untyped-decorator] # celery carries no types
def keep_prompts_in_order() -> None:
    """Make the coming days' partitions, and forget what is older than its team wants; any number of times."""
    make_partitions(days_ahead=_DAYS_AHEAD)
    forget_old(at=utc_now())
