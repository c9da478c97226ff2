"""People in the console: what they may do, keeping them out, their sessions and second factors."""

import html
import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.mail import EmailMessage
from django.test import Client

from governance.audit.models import AuditEvent
from governance.budgets.models import Budget
from governance.console.pages import people as pages
from governance.identity.people import change_sign_in_rules
from governance.identity.second_factor import SecondFactorAdapter
from governance.keys.models import VirtualKey
from governance.teams.access import access_of
from governance.teams.models import Membership, User
from tests.console.conftest import LogIn
from tests.console.demo import PASSWORD, Company
from tests.support.company import ACTOR


def path_of(company: Company, name: str, page: str = "") -> str:
    return f"/people/{company.person(name).pk}/{page}"


def log_in_really(company: Company, name: str) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Firefox on a laptop")
    client.post("/account/login/", {"login": company.person(name).email, "password": PASSWORD})
    return client


def confirm(client: Client) -> None:
    """Give the password once more, as sensitive pages ask."""
    assert client.post("/account/reauthenticate/?next=/account/2fa/", {"password": PASSWORD}).status_code == 302


def code_of(secret: str) -> str:
    """Return the code that an authenticator app shows at this moment."""
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def require_second_factor(company: Company) -> None:
    change_sign_in_rules(
        actor=ACTOR,
        organisation_id=company.organisation.pk,
        is_second_factor_required=True,
        are_personal_keys_kept=False,
    )


def test_roles_and_teams_change_together_and_hold_from_the_next_request_on(company: Company, log_in: LogIn) -> None:
    admin, theirs = log_in("admin"), log_in("developer")
    search, lab = company.teams["search"].pk, company.teams["research"].pk
    assert theirs.get("/statements/").status_code == 403
    answer = admin.post(
        path_of(company, "developer", "rights/"), {"roles": ["finance"], f"team_{search}": "", f"team_{lab}": "owner"}
    )
    assert answer.status_code == 302
    access = access_of(user=company.person("developer"))
    assert (access.parts, access.roles[company.organisation.pk]) == ({lab: "owner"}, {"finance"})
    assert theirs.get("/statements/").status_code == 200
    assert b"finance" in admin.get(path_of(company, "developer")).content


def test_an_owner_of_a_unit_sees_its_budget_and_manages_the_keys_of_its_teams(company: Company, log_in: LogIn) -> None:
    unit = company.teams["search"].unit
    budget = Budget.objects.get(name="Search")
    Budget.objects.filter(pk=budget.pk).update(team=None, unit=unit)
    theirs = log_in("outsider")
    assert theirs.get("/").status_code == 403
    log_in("admin").post(path_of(company, "outsider", "rights/"), {"units": [str(unit.pk)]})
    assert b"owner of Products" in log_in("admin").get("/people/").content
    assert theirs.get(f"/budgets/{budget.pk}/").status_code == 200
    assert theirs.get(f"/keys/{company.keys['lab'].pk}/revoke/").status_code == 200
    assert theirs.get("/statements/").status_code == 403
    log_in("admin").post(path_of(company, "outsider", "rights/"), {"units": []})
    assert theirs.get("/").status_code == 403


def test_the_last_administrator_keeps_the_role_and_stays(company: Company, log_in: LogIn) -> None:
    admin = log_in("admin")
    for page, form in (("rights/", {"roles": ["finance"]}), ("activity/", {"reason": ""})):
        answer = admin.post(path_of(company, "admin", page), form)
        assert b"the last administrator" in answer.content
    assert access_of(user=User.objects.get(pk=company.person("admin").pk)).may_administer(company.organisation.pk)
    assert not AuditEvent.objects.filter(action="role.given").exists()


def test_somebody_deactivated_is_logged_out_and_their_own_keys_stop(company: Company, log_in: LogIn) -> None:
    theirs = log_in_really(company, "developer")
    assert theirs.get("/").status_code == 200
    page = log_in("admin").get(path_of(company, "developer"))
    assert b"192.0.2.7" in page.content and b"Firefox on a laptop" in page.content
    answer = log_in("admin").post(path_of(company, "developer", "activity/"), {"reason": "left us"}, follow=True)
    assert b"kept out" in answer.content
    assert theirs.get("/").status_code == 302
    revoked = VirtualKey.objects.exclude(revoked_at=None)
    assert [key.name for key in revoked] == ["search-ada"]
    log_in("admin").post(path_of(company, "developer", "activity/"), {"reason": ""})
    assert theirs.get("/").status_code == 302, "letting somebody in again revives no session"
    assert log_in_really(company, "developer").get("/").status_code == 200


def test_keys_of_somebody_deactivated_go_on_where_the_rule_says_so(company: Company, log_in: LogIn) -> None:
    admin = log_in("admin")
    admin.post("/people/rules/", {"are_personal_keys_kept": "on"})
    assert b"go on working" in admin.get(path_of(company, "developer", "activity/")).content
    admin.post(path_of(company, "developer", "activity/"))
    assert not VirtualKey.objects.exclude(revoked_at=None).exists()


def test_somebody_of_two_organisations_is_not_one_administrators_to_keep_out(company: Company, log_in: LogIn) -> None:
    other = type(company.organisation).objects.create(name="Other")
    company.person("developer").organisation_roles.create(organisation=other, role="auditor")
    for page in ("activity/", "second-factor/"):
        answer = log_in("admin").post(path_of(company, "developer", page), {"reason": ""})
        assert b"belongs to another organisation too" in answer.content


def test_sessions_end_for_one_person_everywhere(company: Company, log_in: LogIn) -> None:
    first, second = log_in_really(company, "developer"), log_in_really(company, "developer")
    stays = log_in_really(company, "owner")
    log_in("admin").post(path_of(company, "developer", "log-out/"), {"reason": "lost laptop"})
    assert [client.get("/").status_code for client in (first, second, stays)] == [302, 302, 200]
    event = AuditEvent.objects.get(action="person.sessions_ended")
    assert (event.after, event.reason) == ({"count": 2}, "lost laptop")


def test_people_see_their_own_sessions_and_end_the_others(company: Company) -> None:
    first, second = log_in_really(company, "developer"), log_in_really(company, "developer")
    assert first.get("/account/sessions/").content.count(b"Firefox on a laptop") == 2
    first.post("/account/sessions/")
    assert (first.get("/").status_code, second.get("/").status_code) == (200, 302)


def test_a_required_second_factor_closes_every_page_until_one_is_added(company: Company) -> None:
    require_second_factor(company)
    client = log_in_really(company, "developer")
    for path in ("/", "/keys/", "/keys/new/", "/account/email/", "/account/password/change/", "/account/sessions/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, "/account/2fa/"), path
    assert b"requires a second factor" in client.get("/account/2fa/").content
    confirm(client)
    secret = client.get("/account/2fa/totp/activate/").context["form"].secret
    client.post("/account/2fa/totp/activate/", {"code": code_of(secret)})
    assert client.get("/").status_code == 200
    stored = Authenticator.objects.get(user=company.person("developer"), type="totp")
    assert secret not in str(stored.data) and stored.data["secret"].startswith("sealed:")
    assert SecondFactorAdapter().decrypt(stored.data["secret"]) == secret


def test_whoever_has_a_second_factor_logs_in_with_both_and_an_administrator_removes_a_lost_one(
    company: Company, log_in: LogIn
) -> None:
    TOTP.activate(company.person("developer"), "A" * 32)
    client = Client()
    answer = client.post("/account/login/", {"login": company.person("developer").email, "password": PASSWORD})
    assert answer["Location"] == "/account/2fa/authenticate/"
    assert client.get("/").status_code == 302
    log_in("admin").post(path_of(company, "developer", "second-factor/"), {"reason": "lost phone"})
    assert log_in_really(company, "developer").get("/").status_code == 200
    assert AuditEvent.objects.get(action="person.second_factor_removed").before == {"types": ["totp"]}


def test_an_address_changes_only_when_its_letter_is_answered(company: Company, mailoutbox: list[EmailMessage]) -> None:
    client = log_in_really(company, "developer")
    developer = company.person("developer")
    former = developer.email
    confirm(client)
    client.post("/account/email/", {"action_add": "", "email": "dan@new.example"})
    client.post("/account/email/", {"action_primary": "", "email": "dan@new.example"})
    developer.refresh_from_db()
    assert developer.email == former
    letter = next(letter for letter in mailoutbox if letter.to == ["dan@new.example"])
    link = next(line for line in letter.body.split() if "/confirm-email/" in line)
    client.post(link.partition("testserver")[2])
    developer.refresh_from_db()
    assert (developer.email, developer.username) == ("dan@new.example", "dan@new.example")
    event = AuditEvent.objects.get(action="person.address_changed")
    assert (event.before, event.after) == ({"email": former}, {"email": "dan@new.example"})


def test_an_address_of_somebody_else_is_not_taken_over(company: Company, mailoutbox: list[EmailMessage]) -> None:
    client = log_in_really(company, "developer")
    confirm(client)
    client.post("/account/email/", {"action_add": "", "email": company.person("owner").email})
    for letter in mailoutbox:
        for link in (word for word in letter.body.split() if "/confirm-email/" in word):
            client.post(link.partition("testserver")[2])
    assert User.objects.filter(email=company.person("owner").email).get() == company.person("owner")


@pytest.mark.parametrize("role", ["finance", "auditor", "owner", "developer"])
def test_nobody_but_an_administrator_changes_people(company: Company, log_in: LogIn, role: str) -> None:
    client = log_in(role)
    before = Membership.objects.count()
    for page in ("rights/", "activity/", "log-out/", "second-factor/"):
        assert client.post(path_of(company, role, page), {"roles": ["admin"]}).status_code == 403
    assert client.post("/people/invite/", {"email": "x@acme.example", "roles": ["admin"]}).status_code == 403
    assert client.post("/people/rules/", {}).status_code == 403
    assert (Membership.objects.count(), User.objects.filter(is_active=False).count()) == (before, 0)


def test_many_people_come_in_pages_and_are_found_by_their_address(
    company: Company, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", 2)
    everybody = sorted(person.email for person in company.people.values())
    client, address, seen = log_in("admin"), "/people/", []
    while address:
        text = client.get(address).content.decode()
        seen += re.findall(r'<th scope="row"><a href="/people/\d+/">([^<]+)</a>', text)
        more = re.search(r'rel="next" href="([^"]+)"', text)
        address = f"/people/{html.unescape(more[1])}" if more else ""
    assert seen == everybody
    found = client.get("/people/?q=FINANCE").content.decode()
    assert company.person("finance").email in found
    assert company.person("auditor").email not in found
    assert "Nobody is found" in client.get("/people/?q=nobody-at-all").content.decode()
