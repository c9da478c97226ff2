"""Alerts in the console: what was passed, what is ahead, and who is told."""

import pytest

from governance.alerts.models import Recipient
from governance.console.views import alerts
from governance.plugin.errors import PluginError
from governance.plugin.notifier import Notice
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Company, pass_thresholds


class Pigeons:
    """A channel that finds its way to some."""

    name = "mail"

    def check(self, *, destination: str) -> None:
        """Go anywhere."""

    def deliver(self, *, notice: Notice, destination: str) -> None:
        """Fail on the way to finance."""
        if destination.startswith("finance"):
            raise PluginError("The pigeon came back.")


def test_what_was_passed_what_is_ahead_and_what_went_apart(busy_company: Company, log_in: LogIn) -> None:
    pass_thresholds(busy_company, now=NOW)
    page = log_in("finance").get("/alerts/").content.decode()
    for words in ("Research, large models", "The mail server is away.", "waiting", "17 of 120", "runs out"):
        assert words.lower() in page.lower()


def test_recipients_are_added_tested_and_removed(
    busy_company: Company, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "installed_notifiers", lambda: {"mail": Pigeons()})
    client = log_in("admin")
    refused = client.post("/alerts/recipients/new/", {"notifier": "mail", "destination": "ops@acme.example"})
    wanted = {"notifier": "mail", "destination": "ops@acme.example", "changes": "key  budget.retired"}
    client.post("/alerts/recipients/new/", wanted)
    added = Recipient.objects.get(destination="ops@acme.example")

    worked = client.post(f"/alerts/recipients/{added.pk}/test/", follow=True).content.decode()
    failed = client.post(f"/alerts/recipients/{busy_company.recipient_id}/test/", follow=True).content.decode()
    client.post(f"/alerts/recipients/{added.pk}/remove/")

    assert "told of nothing" in refused.content.decode()
    assert (added.hears_alerts, added.changes) == (False, ["budget.retired", "key"])
    assert "was delivered" in worked
    assert "was not delivered: The pigeon came back." in failed
    assert list(Recipient.objects.values_list("pk", flat=True)) == [busy_company.recipient_id]
