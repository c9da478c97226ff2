"""The ledger's background work."""

from celery import shared_task

from governance.ledger.operations import make_partitions

_DAYS_AHEAD = 14


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator] # celery carries no types
def make_coming_partitions() -> None:
    """Make the partitions of the next two weeks; may run at any time, any number of times."""
    make_partitions(days_ahead=_DAYS_AHEAD)
