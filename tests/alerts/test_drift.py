"""Vendors' costs that go apart from the books: a warning for each model, an alarm where it is worth one."""

from datetime import timedelta
from decimal import Decimal

import pytest
import structlog
from django.core.management import CommandError, call_command

from governance.alerts.drift import notice_drifts, set_drift_alarm
from governance.alerts.errors import ThresholdRefused
from governance.alerts.models import Delivery, Drift, Recipient
from governance.alerts.operations import deliver_due
from governance.alerts.tasks import compare_vendor_costs
from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.core.clock import utc_now
from governance.core.database_url import DatabaseRole
from tests.alerts.test_deliveries import Mailbox
from tests.support.finance_world import Call, FinanceWorld, make_world
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
CENT = 10_000_000


def lines(nano: str) -> dict[str, tuple[int, str]]:
    return {"input": (1000, nano)}


def world_of(*calls: tuple[str, str]) -> FinanceWorld:
    """Return a world whose calls of today cost so much in the books, and so much by their vendor's word."""
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    model = world.model("grok-4.5", provider="xai")
    at = utc_now() - DAY / 2
    world.book(*[Call(key, model, lines(ours), at=at, vendor_cost_nano=theirs) for ours, theirs in calls])
    return world


def test_the_hourly_look_warns_of_a_model_that_is_apart() -> None:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    model = world.model("grok-4.5", provider="xai")
    world.book(
        Call(key, model, lines("300000"), at=utc_now() - DAY / 2, vendor_cost_nano="500000"),
        Call(key, world.model("exact", provider="xai"), lines("7"), at=utc_now() - DAY / 2, vendor_cost_nano="7"),
    )
    with structlog.testing.capture_logs() as logs:
        compare_vendor_costs()
    (warning,) = [entry for entry in logs if entry["organisation"] == world.organisation.name]
    assert (warning["event"], warning["log_level"], warning["model"]) == (
        "vendor_cost_differs",
        "warning",
        "xai/grok-4.5",
    )
    assert (warning["calls_apart"], warning["cost_usd"], warning["vendor_cost_usd"]) == (1, "0.0003", "0.0005")


@pytest.mark.parametrize(
    ("ours", "theirs", "is_alarm"),
    [
        (100 * CENT, 102 * CENT, True),
        (100 * CENT, 99 * CENT, True),
        (1000 * CENT, 1009 * CENT, False),
        (CENT, 2 * CENT - 1, False),
        (CENT, 0, True),
        (100 * CENT, 100 * CENT, False),
    ],
)
def test_the_alarm_is_for_a_hundredth_and_a_cent(ours: int, theirs: int, is_alarm: bool) -> None:
    world_of((str(ours), str(theirs)))
    assert notice_drifts(at=utc_now()) == (1 if is_alarm else 0)


def test_the_recipients_are_told_once_a_day_with_what_both_say(database_urls: dict[DatabaseRole, str]) -> None:
    world = world_of((str(100 * CENT), str(150 * CENT)), (str(CENT), str(CENT)))
    Recipient.objects.create(organisation=world.organisation, notifier="mailbox", destination="box")
    at, mailbox = utc_now(), Mailbox()
    with connected_as(database_urls["worker"]):
        assert [notice_drifts(at=at), notice_drifts(at=at)] == [1, 0]
        assert [deliver_due(notifiers={"mailbox": mailbox}, at=at) for _ in range(2)] == [1, 0]
    ((_, notice),) = mailbox.delivered
    assert notice.subject == "xai/grok-4.5 costs more than its price says, by its vendor's own word"
    assert (notice.facts["cost_usd"], notice.facts["vendor_cost_usd"], notice.facts["calls_apart"]) == (
        "1.01",
        "1.51",
        "1",
    )
    assert notice.facts["furthest_attempt"] in notice.text
    drift = Drift.objects.get()
    assert (drift.cost_nano, Delivery.objects.get().drift) == (Decimal(101 * CENT), drift)


def test_an_organisation_sets_its_own_threshold_or_none() -> None:
    world = world_of((str(100 * CENT), str(103 * CENT)))
    for permille, expected in ((0, 0), (30, 0), (20, 1)):
        set_drift_alarm(actor=Actor(name="ada"), organisation=world.organisation, permille=permille)
        assert notice_drifts(at=utc_now()) == expected
    event = AuditEvent.objects.filter(action="organisation.drift_alarm_changed").latest("id")
    assert (event.before, event.after) == ({"permille": 30}, {"permille": 20})
    with pytest.raises(ThresholdRefused):
        set_drift_alarm(actor=Actor(name="ada"), organisation=world.organisation, permille=1001)


def test_the_command_line_sets_and_lists_them(
    database_urls: dict[DatabaseRole, str], capsys: pytest.CaptureFixture[str]
) -> None:
    world = world_of((str(100 * CENT), str(150 * CENT)))
    Recipient.objects.create(organisation=world.organisation, notifier="mailbox", destination="box")
    with connected_as(database_urls["console"]):
        call_command("alerts", "drift", "--percent", "2.5")
        assert "2.5 percent" in capsys.readouterr().out
        with pytest.raises(CommandError, match="to 100 percent"):
            call_command("alerts", "drift", "--percent", "101")
    notice_drifts(at=utc_now())
    with connected_as(database_urls["console"]):
        call_command("alerts", "drifts")
        listed = capsys.readouterr().out
        call_command("alerts", "deliveries")
        delivered = capsys.readouterr().out
        call_command("alerts", "drift", "--off")
        assert "no longer" in capsys.readouterr().out
    assert "xai/grok-4.5" in listed and "1.5" in listed
    assert "xai/grok-4.5 through vendor" in delivered
