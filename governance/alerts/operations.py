"""Noticing that thresholds were passed, telling people, and who is told."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec
import structlog
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from governance.alerts.changes import clean_changes
from governance.alerts.errors import (
    ChangesRefused,
    DestinationRefused,
    NotifierUnknown,
    RecipientExists,
    RecipientNotFound,
)
from governance.alerts.message import make_change_notice, make_drift_notice, make_notice, make_test_notice
from governance.alerts.models import Delivery, Recipient
from governance.alerts.queries import costs_apart, passed_threshold, recipients_of
from governance.alerts.wording import Kind, worded
from governance.audit.operations import Actor, record
from governance.plugin.errors import DestinationInvalid, PluginError, SettingInvalid
from governance.plugin.notifier import Notice, Notifier
from governance.teams.models import Organisation

LONGEST_WAIT = timedelta(hours=6)
"""The wait after a failed delivery doubles from one minute up to this."""

_LATE_SETTLEMENT = timedelta(days=1)
_ERROR_LENGTH = 500
_log = structlog.get_logger(__name__)

# A period that ended within the last day still counts: money of its calls may be settled after its end.
_NOTICE = """
WITH crossed AS (
    INSERT INTO alerts_crossing (account_id, threshold_id, settled_nano, held_nano, limit_nano, crossed_at)
    SELECT a.id, t.id, a.settled_nano, a.held_nano, budgets_limit_at(a, %(at)s), %(at)s
      FROM budgets_account a
      JOIN budgets_threshold t ON t.budget_id = a.budget_id
     CROSS JOIN LATERAL (
           SELECT a.settled_nano::numeric + CASE t.measure WHEN 'committed' THEN a.held_nano ELSE 0 END
           ) AS measured (nano)
     WHERE a.starts_at <= %(at)s AND a.ends_at > %(since)s AND measured.nano > 0
       AND measured.nano * 100 >= budgets_limit_at(a, %(at)s)::numeric * t.percent
       AND NOT EXISTS (SELECT FROM alerts_crossing c WHERE c.account_id = a.id AND c.threshold_id = t.id)
    ON CONFLICT (account_id, threshold_id) DO NOTHING
    RETURNING id, account_id
), deliveries AS (
    INSERT INTO alerts_delivery (crossing_id, recipient_id, attempts, last_error, next_attempt_at)
    SELECT c.id, r.id, 0, '', %(at)s
      FROM crossed c
      JOIN budgets_account a ON a.id = c.account_id
      JOIN budgets_budget b ON b.id = a.budget_id
      JOIN alerts_recipient r ON r.organisation_id = b.organisation_id AND r.hears_alerts
)
SELECT count(*) FROM crossed
"""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a test message: `error` says why it was not delivered, and is empty when it was."""

    recipient: Recipient
    error: str


def notice_crossings(*, at: datetime) -> int:
    """Record every threshold passed since the last look, once per period, with what is to be told to whom.

    Return how many are new. May run at any time, by several processes at once.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOTICE, {"at": at, "since": at - _LATE_SETTLEMENT})
        (count,) = cursor.fetchone()
    return int(count)


def deliver_due(*, notifiers: Mapping[str, Notifier], at: datetime) -> int:
    """Try every delivery whose time has come, each at most once, and return how many recipients were told.

    A failed one is tried again after a wait that doubles. Several processes share the work: each takes other rows.
    """
    told = 0
    while (delivery := _claim(at)) is not None:
        told += _deliver(delivery, notifiers, at)
    return told


def add_recipient(
    *,
    organisation: Organisation,
    notifier: str,
    destination: str,
    notifiers: Mapping[str, Notifier],
    actor: Actor,
    hears_alerts: bool = True,
    changes: Iterable[str] = (),
) -> Recipient:
    """Tell this destination from now on: of alerts, of changes, or of both (`Recipient`).

    Raises NotifierUnknown, RecipientExists, ChangesRefused, and DestinationRefused when the channel says that it cannot
    deliver there.
    """
    wanted = clean_changes(changes)
    if not hears_alerts and not wanted:
        raise ChangesRefused("A recipient that is told of nothing is none: let it hear alerts, or name changes.")
    if notifier not in notifiers:
        raise NotifierUnknown(_unknown(notifier, notifiers))
    try:
        notifiers[notifier].check(destination=destination)
    except (DestinationInvalid, SettingInvalid) as error:
        raise DestinationRefused(str(error)) from error
    try:
        with transaction.atomic():
            recipient = Recipient.objects.create(
                organisation=organisation,
                notifier=notifier,
                destination=destination,
                hears_alerts=hears_alerts,
                changes=wanted,
            )
            event = record(
                actor=actor,
                action="recipient.added",
                subject=f"recipient:{recipient.pk}",
                after={
                    "notifier": notifier,
                    "destination": destination,
                    "hears_alerts": hears_alerts,
                    "changes": wanted,
                },
            )
            # Whatever comes into the trail after this is told.
            Recipient.objects.filter(pk=recipient.pk).update(heard_until_id=event.pk)
    except IntegrityError as error:
        raise RecipientExists(f"{destination} is already told through {notifier}: nothing was changed.") from error
    return recipient


@transaction.atomic
def remove_recipient(*, organisation: Organisation, recipient_id: int, actor: Actor) -> None:
    """Stop telling a destination, and forget what it was told. Raises RecipientNotFound."""
    recipient = Recipient.objects.filter(organisation=organisation, pk=recipient_id).first()
    if recipient is None:
        raise _not_found(recipient_id)
    record(
        actor=actor,
        action="recipient.removed",
        subject=f"recipient:{recipient.pk}",
        before={"notifier": recipient.notifier, "destination": recipient.destination},
    )
    recipient.delete()


def send_test(
    *, organisation: Organisation, notifiers: Mapping[str, Notifier], at: datetime, recipient_id: int | None = None
) -> list[Trial]:
    """Send a test message to every recipient, or to one, now and once. Raises RecipientNotFound."""
    recipients = recipients_of(organisation=organisation)
    if recipient_id is not None:
        recipients = recipients.filter(pk=recipient_id)
    found = list(recipients)
    if recipient_id is not None and not found:
        raise _not_found(recipient_id)
    notice = _worded(make_test_notice(organisation=organisation.name, at=at), Kind.TEST)
    return [Trial(recipient=recipient, error=_tell(recipient, notice, notifiers)) for recipient in found]


@transaction.atomic
def _claim(at: datetime) -> Delivery | None:
    """Take one due delivery: count the attempt and set the time of the next, before anything is sent.

    What was tried least comes first, so that a channel that hangs delays what has not failed yet the least.
    """
    due = Delivery.objects.filter(
        delivered_at__isnull=True, next_attempt_at__lte=at, attempts__lt=Delivery.MAX_ATTEMPTS
    )
    delivery = (
        due.select_for_update(skip_locked=True, of=("self",))
        .select_related("recipient__organisation", "event")
        .order_by("attempts", "id")
        .first()
    )
    if delivery is None:
        return None
    delivery.attempts += 1
    delivery.next_attempt_at = at + min(timedelta(minutes=2 ** (delivery.attempts - 1)), LONGEST_WAIT)
    delivery.save(update_fields=["attempts", "next_attempt_at"])
    return delivery


def _deliver(delivery: Delivery, notifiers: Mapping[str, Notifier], at: datetime) -> int:
    notice = _notice_of(delivery)
    reason = _tell(delivery.recipient, notice, notifiers)
    if reason:
        Delivery.objects.filter(pk=delivery.pk).update(last_error=reason[:_ERROR_LENGTH])
        return 0
    return Delivery.objects.filter(pk=delivery.pk, delivered_at__isnull=True).update(delivered_at=at, last_error="")


def _notice_of(delivery: Delivery) -> Notice:
    if delivery.crossing_id is not None:
        return _worded(make_notice(passed_threshold(crossing_id=delivery.crossing_id)), Kind.THRESHOLD)
    if delivery.event is not None:
        notice = make_change_notice(delivery.event, organisation=delivery.recipient.organisation.name)
        return _worded(notice, Kind.CHANGE)
    return _worded(make_drift_notice(costs_apart(drift_id=delivery.drift_id or 0)), Kind.DRIFT)


def _worded(notice: Notice, kind: Kind) -> Notice:
    return worded(notice, kind=kind, home=settings.ENVIRONMENT.home)


def _tell(recipient: Recipient, notice: Notice, notifiers: Mapping[str, Notifier]) -> str:
    """Return why the recipient could not be told; nothing when it was."""
    notifier = notifiers.get(recipient.notifier)
    if notifier is None:
        return _unknown(recipient.notifier, notifiers)
    try:
        notifier.deliver(notice=notice, destination=recipient.destination)
    except PluginError as error:
        _log.warning("alert_not_delivered", notifier=recipient.notifier, recipient=recipient.pk, reason=str(error))
        return str(error)
    except Exception as error:  # noqa: BLE001
        # A plugin may raise anything; whatever it is, the delivery is kept and tried again.
        _log.warning("alert_not_delivered", notifier=recipient.notifier, recipient=recipient.pk, exc_info=True)
        return f"{type(error).__name__}: {error}"
    return ""


def _not_found(recipient_id: int) -> RecipientNotFound:
    return RecipientNotFound(f"There is no recipient {recipient_id}: see `bursar alerts recipients list`.")


def _unknown(name: str, notifiers: Mapping[str, Notifier]) -> str:
    offered = ", ".join(sorted(notifiers)) or "none"
    return f"No installed plugin offers a notifier named {name!r}: the installed ones are {offered}."
