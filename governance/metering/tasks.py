"""The books in the background."""

from celery import shared_task

from governance.core.clock import utc_now
from governance.metering.operations import forget_old_refusals


@shared_task(ignore_result=True, expires=3600)  # type: ignore[untyped-decorator] # celery carries no types
def forget_refusals() -> None:
    """Forget refusals that nobody looks at any more; any number of times."""
    forget_old_refusals(at=utc_now())
