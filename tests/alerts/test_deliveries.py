"""Telling recipients: once, and again only where it failed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from governance.alerts.errors import DestinationRefused, NotifierUnknown, RecipientExists, RecipientNotFound
from governance.alerts.models import Delivery, Recipient
from governance.alerts.operations import (
    LONGEST_WAIT,
    add_recipient,
    deliver_due,
    notice_crossings,
    remove_recipient,
    send_test,
)
from governance.alerts.queries import recipients_of
from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.budgets.models import Threshold
from governance.core.database_url import DatabaseRole
from governance.plugin.errors import DestinationInvalid
from governance.plugin.notifier import Notice, Notifier
from governance.teams.models import User
from tests.support.finance_world import FinanceWorld, make_world
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
ACTOR = Actor(name="test")


class Mailbox:
    """A channel that keeps what it delivers, and fails as often as it is told."""

    name = "mailbox"

    def __init__(self, *, failures: int = 0) -> None:
        self.delivered: list[tuple[str, Notice]] = []
        self._failures = failures
        self._lock = threading.Lock()

    def check(self, *, destination: str) -> None:
        if destination == "nowhere":
            raise DestinationInvalid("There is no such mailbox.")

    def deliver(self, *, notice: Notice, destination: str) -> None:
        with self._lock:
            if self._failures:
                self._failures -= 1
                raise ConnectionError("The mailbox is full.")
            self.delivered.append((destination, notice))


def _channels(mailbox: Mailbox) -> dict[str, Notifier]:
    return {mailbox.name: mailbox}


def _crossed(recipients: int = 1, **scope: object) -> FinanceWorld:
    world = make_world()
    for number in range(recipients):
        Recipient.objects.create(organisation=world.organisation, notifier="mailbox", destination=f"box {number}")
    account = world.account("Search monthly", 100, **scope)
    Threshold.objects.create(budget=account.budget, percent=50)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE budgets_account SET settled_nano = 60 WHERE id = %s", [account.pk])
    notice_crossings(at=NOW)
    return world


def test_a_recipient_is_told_once_with_the_budgets_name_and_amounts() -> None:
    _crossed()
    mailbox = Mailbox()
    assert [deliver_due(notifiers=_channels(mailbox), at=NOW) for _ in range(3)] == [1, 0, 0]
    ((destination, notice),) = mailbox.delivered
    assert destination == "box 0"
    assert notice.subject == "Budget Search monthly has passed 50 % of its limit"
    assert (notice.facts["settled_usd"], notice.facts["limit_usd"]) == ("0.00000006", "0.0000001")
    assert Delivery.objects.get().delivered_at == NOW


def test_a_failed_delivery_keeps_its_error_and_is_tried_again_after_a_wait_that_doubles() -> None:
    _crossed()
    mailbox = Mailbox(failures=2)
    assert deliver_due(notifiers=_channels(mailbox), at=NOW) == 0
    delivery = Delivery.objects.get()
    assert (delivery.attempts, delivery.last_error) == (1, "ConnectionError: The mailbox is full.")
    assert delivery.next_attempt_at == NOW + timedelta(minutes=1)

    assert deliver_due(notifiers=_channels(mailbox), at=NOW + timedelta(seconds=59)) == 0
    assert deliver_due(notifiers=_channels(mailbox), at=NOW + timedelta(minutes=1)) == 0
    assert Delivery.objects.get().next_attempt_at == NOW + timedelta(minutes=3)
    assert deliver_due(notifiers=_channels(mailbox), at=NOW + timedelta(minutes=3)) == 1
    assert Delivery.objects.get().last_error == ""


def test_it_gives_up_after_the_last_attempt_and_the_error_stays_to_be_read() -> None:
    _crossed()
    mailbox = Mailbox(failures=100)
    at = NOW
    for _ in range(Delivery.MAX_ATTEMPTS + 5):
        deliver_due(notifiers=_channels(mailbox), at=at)
        at += LONGEST_WAIT
    delivery = Delivery.objects.get()
    assert (delivery.attempts, delivery.delivered_at) == (Delivery.MAX_ATTEMPTS, None)
    assert "mailbox is full" in delivery.last_error


def test_one_recipient_that_fails_does_not_keep_the_others_from_being_told() -> None:
    _crossed(recipients=3)
    mailbox = Mailbox(failures=1)
    assert deliver_due(notifiers=_channels(mailbox), at=NOW) == 2
    assert [destination for destination, _ in mailbox.delivered] == ["box 1", "box 2"]


def test_what_has_not_failed_yet_goes_before_what_has() -> None:
    _crossed(recipients=2)
    Delivery.objects.filter(recipient__destination="box 0").update(attempts=3)
    mailbox = Mailbox()
    assert deliver_due(notifiers=_channels(mailbox), at=NOW) == 2
    assert [destination for destination, _ in mailbox.delivered] == ["box 1", "box 0"]


def test_a_channel_whose_plugin_is_gone_is_named_in_the_error() -> None:
    _crossed()
    assert deliver_due(notifiers={}, at=NOW) == 0
    assert Delivery.objects.get().last_error == (
        "No installed plugin offers a notifier named 'mailbox': the installed ones are none."
    )


@pytest.mark.django_db(transaction=True)
def test_several_deliverers_at_once_tell_each_recipient_once() -> None:
    _crossed(recipients=6)
    mailbox = Mailbox()

    def deliver(_: int) -> int:
        try:
            return deliver_due(notifiers=_channels(mailbox), at=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(deliver, range(8))) == 6
    assert sorted(destination for destination, _ in mailbox.delivered) == [f"box {number}" for number in range(6)]


def test_the_workers_rights_suffice_to_notice_and_to_tell(database_urls: dict[DatabaseRole, str]) -> None:
    person = User.objects.create(username="anna", email="anna@example.com")
    _crossed(user=person)
    mailbox = Mailbox()
    with connected_as(database_urls["worker"]):
        assert notice_crossings(at=NOW) == 0
        assert deliver_due(notifiers=_channels(mailbox), at=NOW) == 1
    assert "of person anna@example.com" in mailbox.delivered[0][1].text


def test_recipients_are_added_listed_and_removed_with_a_trail() -> None:
    organisation = make_world().organisation
    channels = _channels(Mailbox())
    recipient = add_recipient(
        organisation=organisation, notifier="mailbox", destination="x", notifiers=channels, actor=ACTOR
    )
    assert list(recipients_of(organisation=organisation)) == [recipient]
    with pytest.raises(RecipientExists, match="already told"):
        add_recipient(organisation=organisation, notifier="mailbox", destination="x", notifiers=channels, actor=ACTOR)
    with pytest.raises(NotifierUnknown, match="the installed ones are mailbox"):
        add_recipient(organisation=organisation, notifier="fax", destination="x", notifiers=channels, actor=ACTOR)
    remove_recipient(organisation=organisation, recipient_id=recipient.pk, actor=ACTOR)
    assert list(recipients_of(organisation=organisation)) == []
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "recipient.added",
        "recipient.removed",
    ]


def test_a_destination_that_the_channel_refuses_is_not_kept() -> None:
    organisation = make_world().organisation
    with pytest.raises(DestinationRefused, match="There is no such mailbox"):
        add_recipient(
            organisation=organisation,
            notifier="mailbox",
            destination="nowhere",
            notifiers=_channels(Mailbox()),
            actor=ACTOR,
        )
    assert not Recipient.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_test_message_reaches_all_or_one_at_once_and_says_what_failed() -> None:
    world = make_world()
    first, second = (
        Recipient.objects.create(organisation=world.organisation, notifier="mailbox", destination=destination)
        for destination in ("a", "b")
    )
    mailbox = Mailbox(failures=1)
    failed, told = send_test(organisation=world.organisation, notifiers=_channels(mailbox), at=NOW)
    assert (failed.recipient, failed.error) == (first, "ConnectionError: The mailbox is full.")
    assert (told.recipient, told.error) == (second, "")
    (alone,) = send_test(organisation=world.organisation, notifiers=_channels(mailbox), at=NOW, recipient_id=first.pk)
    assert alone.error == ""
    assert [destination for destination, _ in mailbox.delivered] == ["b", "a"]
    assert not Delivery.objects.exists()
    with pytest.raises(RecipientNotFound):
        send_test(organisation=make_world().organisation, notifiers=_channels(mailbox), at=NOW, recipient_id=first.pk)


def test_a_recipient_of_another_organisation_cannot_be_removed() -> None:
    mine, other = make_world().organisation, make_world().organisation
    recipient = Recipient.objects.create(organisation=other, notifier="mailbox", destination="x")
    with pytest.raises(RecipientNotFound):
        remove_recipient(organisation=mine, recipient_id=recipient.pk, actor=ACTOR)
