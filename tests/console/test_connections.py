"""Accounts at vendors in the console: added by administrators, a team's own ones too, and no credential comes back."""

import pytest
from django.test import Client

from governance.audit.models import AuditEvent
from governance.connections.models import Connection, SealedCredential
from tests.console.conftest import LogIn
from tests.console.demo import Company

CANARY = "sk-canary-of-the-console-91"
FORM = {"name": "search-openai", "provider": "openai", "owner": "", "is_charged": "yes", "credential": CANARY}


def test_an_administrator_adds_a_teams_own_account_and_nobody_sees_its_credential(
    company: Company, log_in: LogIn
) -> None:
    client, team = log_in("admin"), company.teams["search"]
    wish = FORM | {"owner": f"team:{team.pk}", "is_charged": "no", "region": "eu"}
    answer = client.post("/connections/new/", wish, follow=True)
    connection = Connection.objects.get(name="search-openai")
    assert (connection.team, connection.is_charged, connection.region) == (team, False, "eu")
    assert SealedCredential.objects.filter(connection=connection).exists()
    for text in (answer.content.decode(), log_in("auditor").get("/connections/").content.decode()):
        assert "team search" in text and "not charged" in text and CANARY not in text
    event = AuditEvent.objects.get(action="connection.added")
    assert (event.actor, CANARY in str(event.after)) == (company.person("admin").email, False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"is_charged": "no"}, "is charged: say whose it is"),
        ({"credential": ""}, "needs a credential"),
        ({"name": "sandbox"}, "choose another name"),
        ({"base_url": "http://169.254.169.254/"}, "no vendor can be"),
        ({"owner": "team:999999"}, "Select a valid choice"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence_and_without_the_credential(
    company: Company, log_in: LogIn, changes: dict[str, str], sentence: str
) -> None:
    text = log_in("admin").post("/connections/new/", FORM | changes).content.decode()
    assert sentence in text and CANARY not in text
    assert Connection.objects.count() == 1


@pytest.mark.parametrize("role", ["finance", "auditor", "owner", "developer"])
def test_nobody_else_adds_one(company: Company, log_in: LogIn, role: str) -> None:
    client: Client = log_in(role)
    assert client.post("/connections/new/", FORM).status_code == 403
    assert Connection.objects.count() == 1
