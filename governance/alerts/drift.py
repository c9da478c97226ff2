"""Noticing that a vendor's cost and Bursar's own go apart, and telling the recipients, once a day for each model.

What differs of single calls is a warning in the log; an alarm is for what differs in sum, by the organisation's
threshold and by a cent at least.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog
from django.db import transaction

from governance.alerts.errors import ThresholdRefused
from governance.alerts.models import Delivery, Drift, DriftAlarm, Recipient
from governance.audit.operations import Actor, record
from governance.core.money import usd_text
from governance.ledger.vendor_costs import VendorCost, vendor_costs
from governance.teams.models import Organisation

DEFAULT_PERMILLE: Final = 10
MOST_PERMILLE: Final = 1000
LEAST_NANO: Final = Decimal(10_000_000)
"""A cent: what differs by less is no news."""
_COMPARED: Final = timedelta(days=1)

_log = structlog.get_logger(__name__)


def notice_drifts(*, at: datetime) -> int:
    """Compare the last day of every organisation, and record what is apart, with who is to be told.

    Return how many are new; may run at any time, by several processes at once.
    """
    return sum(_notice(organisation, at=at) for organisation in Organisation.objects.order_by("pk"))


def drift_permille(*, organisation: Organisation) -> int:
    """Return from which difference on, in thousandths of the vendor's cost, this organisation is told; 0: never."""
    alarm = DriftAlarm.objects.filter(organisation=organisation).first()
    return DEFAULT_PERMILLE if alarm is None else alarm.permille


@transaction.atomic
def set_drift_alarm(*, actor: Actor, organisation: Organisation, permille: int) -> None:
    """Tell of differences from this many thousandths on; 0: never. Raises ThresholdRefused."""
    if not 0 <= permille <= MOST_PERMILLE:
        raise ThresholdRefused("The alarm goes off from 0.1 to 100 percent on, or never.")
    before = drift_permille(organisation=organisation)
    DriftAlarm.objects.update_or_create(organisation=organisation, defaults={"permille": permille})
    if before != permille:
        record(
            actor=actor,
            action="organisation.drift_alarm_changed",
            subject=f"organisation:{organisation.pk}",
            before={"permille": before},
            after={"permille": permille},
        )


def _notice(organisation: Organisation, *, at: datetime) -> int:
    permille = drift_permille(organisation=organisation)
    found = vendor_costs(organisation_id=organisation.pk, since=at - _COMPARED, until=at)
    for each in found:
        if each.apart:
            _warn(organisation, each)
    return sum(_record(organisation, each, at=at) for each in found if permille and is_drift(each, permille=permille))


def is_drift(found: VendorCost, *, permille: int) -> bool:
    """Return whether the sums differ by at least so many thousandths of what the vendor says, and by a cent."""
    difference = abs(found.cost_nano - found.vendor_cost_nano)
    return difference >= LEAST_NANO and difference * 1000 >= found.vendor_cost_nano * permille


@transaction.atomic
def _record(organisation: Organisation, found: VendorCost, *, at: datetime) -> bool:
    drift, is_new = Drift.objects.get_or_create(
        organisation=organisation,
        connection=found.connection,
        model=found.model,
        day=at.date(),
        defaults={
            "calls": found.calls,
            "apart": found.apart,
            "cost_nano": found.cost_nano,
            "vendor_cost_nano": found.vendor_cost_nano,
            "furthest": found.furthest,
            "noticed_at": at,
        },
    )
    if is_new:
        recipients = Recipient.objects.filter(organisation=organisation, hears_alerts=True)
        Delivery.objects.bulk_create(Delivery(drift=drift, recipient=each, next_attempt_at=at) for each in recipients)
    return is_new


def _warn(organisation: Organisation, found: VendorCost) -> None:
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
