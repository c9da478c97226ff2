"""Coming in by an invitation."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.test import Client

from governance.audit.models import AuditEvent
from governance.identity.models import Invitation
from governance.teams.access import access_of
from governance.teams.models import User
from tests.console.conftest import LogIn
from tests.console.demo import NOW, PASSWORD, Company, found_company

NEW = "grace@acme.example"


def form(company: Company, **changes: object) -> dict[str, object]:
    return {"email": NEW, "roles": ["auditor"], f"team_{company.teams['search'].pk}": "owner"} | changes


def invite(company: Company, log_in: LogIn, **changes: object) -> str:
    """Invite as the administrator, and return the path of the link on the page."""
    answer = log_in("admin").post("/people/invite/", form(company, **changes))
    return re.search(r"(/invitations/[^<\s]+)", answer.content.decode())[1]


def come_in(path: str, password: str = PASSWORD, **extra: str) -> object:
    return Client().post(path, {"password": password, "again": password} | extra)


def test_somebody_new_comes_in_by_the_letter_with_what_was_chosen(
    company: Company, log_in: LogIn, mailoutbox: list[EmailMessage]
) -> None:
    path = invite(company, log_in)
    assert mailoutbox[0].to == [NEW] and path in mailoutbox[0].body
    assert NEW in Client().get(path).content.decode()
    assert come_in(path)["Location"] == "/"
    client = Client()
    client.post("/account/login/", {"login": NEW, "password": PASSWORD})
    assert client.get("/").status_code == 200
    access = access_of(user=User.objects.get(email=NEW))
    assert access.roles[company.organisation.pk] == {"auditor"}
    assert access.parts == {company.teams["search"].pk: "owner"}
    event = AuditEvent.objects.get(action="invitation.accepted")
    assert (event.actor, event.after["invited_by"]) == (NEW, company.person("admin").email)


def test_a_link_works_once(company: Company, log_in: LogIn) -> None:
    path = invite(company, log_in)
    come_in(path)
    for answer in (Client().get(path), come_in(path, "another password, twelve")):
        assert answer.status_code == 404 and b"was used" in answer.content
    assert User.objects.get(email=NEW).check_password(PASSWORD)


def test_a_link_that_expired_was_renewed_withdrawn_or_made_up_does_not_work(company: Company, log_in: LogIn) -> None:
    path = invite(company, log_in)
    with time_machine.travel(NOW + timedelta(days=7, seconds=1), tick=False):
        assert come_in(path).status_code == 404
    number = Invitation.objects.get(email=NEW).pk
    again = log_in("admin").post(f"/people/invitations/{number}/renew/").content.decode()
    newer = re.search(r"(/invitations/[^<\s]+)", again)[1]
    assert come_in(path).status_code == 404 and Client().get(newer).status_code == 200
    forged = newer.replace(f"{number}.", f"{company.invitation_id}.")
    assert come_in(forged).status_code == 404
    log_in("admin").post(f"/people/invitations/{number}/withdraw/")
    assert come_in(newer).status_code == 404
    assert not User.objects.filter(email=NEW).exists()


def test_nothing_stored_makes_the_link_again_without_the_secret_key(company: Company, log_in: LogIn) -> None:
    path = invite(company, log_in)
    signature = path.strip("/").rpartition(":")[2]
    stored = str(list(Invitation.objects.values())) + str(list(AuditEvent.objects.values()))
    assert signature not in stored


def test_the_password_of_somebody_new_is_a_good_one(company: Company, log_in: LogIn) -> None:
    path = invite(company, log_in)
    for password, again, sentence in (
        ("short", "short", "too short"),
        (PASSWORD, PASSWORD + "!", "not the same"),
        (NEW, NEW, "too similar"),
    ):
        answer = Client().post(path, {"password": password, "again": again})
        assert sentence in answer.content.decode()
    assert not User.objects.filter(email=NEW).exists()


def test_somebody_with_an_account_accepts_as_themselves_alone(company: Company, log_in: LogIn) -> None:
    outsider = company.person("outsider")
    path = invite(company, log_in, email=outsider.email)
    assert b"log in as" in Client().get(path).content
    assert Client().post(path).status_code == 302
    assert "log in with that address" in log_in("owner").post(path).content.decode()
    assert log_in("outsider").post(path, follow=True).status_code == 200
    assert access_of(user=outsider).parts == {company.teams["search"].pk: "owner"}
    assert outsider.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"email": "nobody"}, "is no e-mail address"),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, "is no e-mail address"),
        ({"roles": [], "team": None}, "gives a role or a team"),
        ({"roles": ["superuser"]}, "superuser is not one of the available choices"),
        ({"email": "there"}, "is there already"),
    ],
)
def test_an_impossible_invitation_is_refused_with_a_sentence(
    company: Company, log_in: LogIn, changes: dict[str, object], sentence: str
) -> None:
    found = form(company, **changes)
    if "team" in changes:
        found = {"email": NEW}
    if changes.get("email") == "there":
        found["email"] = company.person("developer").email.upper()
    assert sentence in log_in("admin").post("/people/invite/", found).content.decode()
    assert Invitation.objects.count() == 1


def test_inviting_again_replaces_the_first_letter(company: Company, log_in: LogIn) -> None:
    first, second = invite(company, log_in), invite(company, log_in, roles=["finance"])
    assert come_in(first).status_code == 404
    come_in(second)
    assert access_of(user=User.objects.get(email=NEW)).roles[company.organisation.pk] == {"finance"}


def test_a_team_of_another_organisation_cannot_be_given(company: Company, log_in: LogIn) -> None:
    other = found_company(name="Other")
    invite(company, log_in, **{f"team_{other.teams['search'].pk}": "owner"})
    teams = Invitation.objects.get(email=NEW).memberships.values_list("team_id", flat=True)
    assert list(teams) == [company.teams["search"].pk]


def test_a_mail_server_that_is_away_leaves_the_link_to_hand_over(
    company: Company, log_in: LogIn, settings: object
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    answer = log_in("admin").post("/people/invite/", form(company)).content.decode()
    assert "did not take the letter" in answer and "/invitations/" in answer
