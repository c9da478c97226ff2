"""From a crossing to a system of the company's own, through the channels that ship."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from governance.alerts.models import Delivery
from governance.alerts.operations import add_recipient, deliver_due, notice_crossings
from governance.audit.operations import Actor
from governance.budgets.models import Threshold
from governance.budgets.thresholds import Measure
from governance.core.clock import utc_now
from governance.core.plugins import load_plugins
from governance.plugin.settings import Settings
from tests.support.broken_books import damage
from tests.support.finance_world import FinanceWorld, make_world

pytestmark = pytest.mark.django_db

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SETTINGS = {"BURSAR_WEBHOOK_SECRET": SECRET, "BURSAR_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32"}


class Receiver(ThreadingHTTPServer):
    """A system of the company's own that believes signed messages only."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.believed: list[dict[str, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/budgets"


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()).decode()
        is_ours = hmac.compare_digest(self.headers["webhook-signature"], f"v1,{signature}")
        if is_ours:
            server.believed.append(json.loads(body))
        self.send_response(204 if is_ours else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _crossed(world: FinanceWorld) -> None:
    account = world.account("Search monthly", 100)
    Threshold.objects.create(budget=account.budget, percent=90, measure=Measure.COMMITTED)
    damage("UPDATE budgets_account SET settled_nano = 60, held_nano = 30 WHERE id = %s", account.pk)
    notice_crossings(at=utc_now())


def test_a_crossing_reaches_the_webhook_signed_though_the_mail_server_is_away(receiver: Receiver) -> None:
    notifiers = load_plugins(
        settings=Settings(SETTINGS | {"BURSAR_EMAIL_HOST": "127.0.0.1", "BURSAR_EMAIL_PORT": "9"})
    ).notifiers
    world = make_world()
    for notifier, destination in (("mail", "finance@example.com"), ("webhook", receiver.url)):
        add_recipient(
            organisation=world.organisation,
            notifier=notifier,
            destination=destination,
            notifiers=notifiers,
            actor=Actor(name="test"),
        )
    _crossed(world)

    assert deliver_due(notifiers=notifiers, at=utc_now()) == 1

    (message,) = receiver.believed
    assert message["subject"] == "Budget Search monthly has passed 90 % of its limit"
    facts = message["facts"]
    assert isinstance(facts, dict)
    assert (facts["settled_usd"], facts["held_usd"], facts["threshold_measure"]) == (
        "0.00000006",
        "0.00000003",
        "committed",
    )
    mail, webhook = Delivery.objects.order_by("recipient__notifier")
    assert (mail.state, webhook.state) == ("waiting", "delivered")
    assert mail.last_error.startswith("The mail server 127.0.0.1 did not take the letter")


def test_an_administrator_sets_up_a_channel_tests_it_and_sees_what_failed(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    add = ("alerts", "recipients", "add", "--notifier", "webhook", "--destination", receiver.url)
    with pytest.raises(CommandError, match="BURSAR_WEBHOOK_SECRET must be whsec_"):
        call_command(*add)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    monkeypatch.setenv("BURSAR_WEBHOOK_SECRET_FILE", str(secret))
    call_command(*add)

    with pytest.raises(CommandError, match="1 of 1 recipients could not be told: the table says why"):
        call_command("alerts", "test")
    assert "not a public one" in capsys.readouterr().out
    assert receiver.believed == []

    monkeypatch.setenv("BURSAR_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")
    call_command("alerts", "test", "--json")
    (tested,) = json.loads(capsys.readouterr().out)
    assert (tested["state"], tested["error"]) == ("delivered", "")
    assert receiver.believed[0]["subject"] == "Test of Bursar's alerts"

    monkeypatch.delenv("BURSAR_WEBHOOK_ALLOWED_NETWORKS")
    _crossed(world)
    deliver_due(notifiers=load_plugins(settings=Settings({})).notifiers, at=utc_now())
    call_command("alerts", "deliveries", "--json")
    (delivery,) = json.loads(capsys.readouterr().out)
    assert (delivery["threshold"], delivery["state"], delivery["attempts"]) == ("90 % committed", "waiting", 1)
    assert "not a public one" in delivery["last_error"]
