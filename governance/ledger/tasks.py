"""The ledger's background work."""

from datetime import timedelta

import structlog
from celery import shared_task

from governance.core.clock import utc_now
from governance.core.money import usd_text
from governance.ledger.operations import make_partitions
from governance.ledger.vendor_costs import vendor_costs
from governance.teams.models import Organisation

_DAYS_AHEAD = 14
_COMPARED = timedelta(days=1)
_log = structlog.get_logger(__name__)


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator] # celery carries no types
def make_coming_partitions() -> None:
    """Make the partitions of the next two weeks; may run at any time, any number of times."""
    make_partitions(days_ahead=_DAYS_AHEAD)


@shared_task(ignore_result=True, expires=3600)  # type: ignore[untyped-decorator]
def compare_vendor_costs() -> None:
    """Warn in the log of every model whose calls of the last day cost what the vendor does not say they cost."""
    until = utc_now()
    for organisation in Organisation.objects.order_by("pk"):
        for found in vendor_costs(organisation_id=organisation.pk, since=until - _COMPARED, until=until):
            if found.apart:
                _log.warning(
                    "vendor_cost_differs",
                    organisation=organisation.name,
                    connection=found.connection,
                    model=found.model,
                    calls=found.calls,
                    calls_apart=found.apart,
                    cost_usd=usd_text(found.cost_nano),
                    vendor_cost_usd=usd_text(found.vendor_cost_nano),
                    attempt_id=found.furthest,
                )
