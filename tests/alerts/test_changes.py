"""Telling recipients of what the audit trail holds."""

import json
import threading
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from governance.alerts.changes import clean_changes, notice_changes
from governance.alerts.errors import ChangesRefused
from governance.alerts.models import Delivery, Recipient
from governance.alerts.operations import add_recipient, deliver_due, notice_crossings
from governance.alerts.tasks import watch_trail
from governance.audit.operations import Actor, record
from governance.budgets.models import Threshold
from governance.core.database_url import DatabaseRole
from tests.alerts.test_deliveries import Mailbox
from tests.support.finance_world import FinanceWorld, make_world
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def listening(world: FinanceWorld, *changes: str, box: str = "box", hears_alerts: bool = True) -> Recipient:
    """Return a recipient of these changes from now on."""
    return add_recipient(
        organisation=world.organisation,
        notifier="mailbox",
        destination=box,
        notifiers={"mailbox": Mailbox()},
        actor=Actor(name="test", organisation_id=world.organisation.pk),
        hears_alerts=hears_alerts,
        changes=changes,
    )


def happened(world: FinanceWorld, action: str, *, organisation_id: int | None = None, **facts: object) -> None:
    """Put an event into the trail."""
    actor = Actor(name="ada@acme.example", organisation_id=organisation_id or world.organisation.pk)
    with transaction.atomic():
        record(actor=actor, action=action, subject="key:7", **facts)  # type: ignore[arg-type]


def told() -> list[str]:
    """Look at the trail, deliver, and return the subjects of what was told, with the destination."""
    mailbox = Mailbox()
    notice_changes(at=NOW)
    deliver_due(notifiers={"mailbox": mailbox}, at=NOW)
    return [f"{destination}: {notice.subject}" for destination, notice in mailbox.delivered]


def test_a_recipient_hears_what_it_asked_for_and_each_change_once() -> None:
    world = make_world()
    happened(world, "key.revoked")
    listening(world, "key", "budget.limit_changed")
    for action in ("key.issued", "budget.created", "budget.limit_changed", "key_ring.made", "team.created"):
        happened(world, action)
    assert told() == ["box: key.issued key:7", "box: budget.limit_changed key:7"]
    assert told() == []
    happened(world, "key.issued")
    assert told() == ["box: key.issued key:7"]


def test_everything_is_the_star_and_organisations_hear_of_themselves_alone() -> None:
    world = make_world()
    other = make_world()
    listening(world, "*", hears_alerts=False)
    happened(world, "team.created")
    happened(world, "team.archived", organisation_id=other.organisation.pk)
    with transaction.atomic():
        record(actor=Actor(name="bursar statements"), action="statement.written", subject="statement:1")
    assert [line.removesuffix(" key:7") for line in told()] == ["box: team.created"]


def test_commands_are_told_of_where_there_is_one_organisation() -> None:
    world = make_world()
    listening(world, "statement.written")
    with transaction.atomic():
        record(actor=Actor(name="bursar statements"), action="statement.written", subject="statement:1")
    assert told() == ["box: statement.written statement:1"]


def test_the_notice_says_who_what_and_why_and_holds_the_event() -> None:
    world = make_world()
    listening(world, "budget")
    happened(
        world, "budget.limit_changed", before={"limit_nano": "5", "name": "a"}, after={"limit_nano": "9", "name": "a"},
        reason="A new quarter.",
    )  # fmt: skip
    mailbox = Mailbox()
    notice_changes(at=NOW)
    deliver_due(notifiers={"mailbox": mailbox}, at=NOW)
    ((_, notice),) = mailbox.delivered
    event = Delivery.objects.get().event
    assert event is not None
    assert notice.key == f"bursar-change-{event.pk}"
    assert "ada@acme.example did this at" in notice.text
    assert notice.text.endswith('Reason: A new quarter. limit_nano "5" -> "9".')
    assert json.loads(notice.facts["before"]) == {"limit_nano": "5", "name": "a"}
    assert (notice.facts["action"], notice.facts["digest"]) == ("budget.limit_changed", bytes(event.digest).hex())
    assert "origin" not in notice.facts


def test_a_recipient_of_changes_alone_hears_no_alerts() -> None:
    world = make_world()
    listening(world, "key", box="changes", hears_alerts=False)
    listening(world, box="alerts")
    account = world.account("Search monthly", 100)
    Threshold.objects.create(budget=account.budget, percent=50)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE budgets_account SET settled_nano = 60 WHERE id = %s", [account.pk])
    notice_crossings(at=NOW)
    assert [each.recipient.destination for each in Delivery.objects.all()] == ["alerts"]


def test_two_that_look_at_once_record_each_telling_once() -> None:
    world = make_world()
    listening(world, "key")
    for _ in range(20):
        happened(world, "key.issued")

    def look() -> None:
        notice_changes(at=NOW)
        connection.close()

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert Delivery.objects.count() == 20


def test_the_worker_may_look_at_the_trail(database_urls: dict[DatabaseRole, str]) -> None:
    world = make_world()
    listening(world, "key")
    happened(world, "key.issued")
    with connected_as(database_urls["worker"]):
        watch_trail()
        assert deliver_due(notifiers={"mailbox": Mailbox()}, at=NOW.replace(year=2100)) == 1


@pytest.mark.parametrize("text", ["Key", "key.", "key.*", "key issued", "%", "key.issued.twice"])
def test_what_is_no_kind_of_change_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ChangesRefused, match=r"such as key\.issued"):
        clean_changes([text])


def test_who_would_be_told_of_nothing_is_refused() -> None:
    with pytest.raises(ChangesRefused, match="told of nothing"):
        listening(make_world(), hears_alerts=False)
    assert clean_changes([" key ", "", "key"]) == ["key"]
    with pytest.raises(ChangesRefused, match="too many"):
        clean_changes([f"a{'b' * number}" for number in range(51)])


def test_the_command_lists_what_a_recipient_hears(capsys: pytest.CaptureFixture[str]) -> None:
    world = make_world()
    listening(world, "key", "budget.retired", hears_alerts=False)
    happened(world, "key.issued")
    notice_changes(at=NOW)
    call_command("alerts", "recipients", "list", "--json", "--organisation", world.organisation.name)
    call_command("alerts", "deliveries", "--json", "--organisation", world.organisation.name)
    recipients, deliveries = (json.loads(line) for line in _documents(capsys.readouterr().out))
    assert (recipients[0]["alerts"], recipients[0]["changes"]) == ("no", "budget.retired key")
    assert deliveries[0]["threshold"] == "key.issued key:7"


def _documents(printed: str) -> list[str]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(printed.rstrip()):
        _, end = decoder.raw_decode(printed, at)
        found.append(printed[at:end])
        at = end + len(printed[end:]) - len(printed[end:].lstrip())
    return found
