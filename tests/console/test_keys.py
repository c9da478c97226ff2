import html
import re

import pytest
from django.test import Client

from governance.audit.models import AuditEvent
from governance.keys.models import VirtualKey
from tests.console.conftest import LogIn
from tests.console.demo import Company, found_company


def _issue(client: Client, company: Company, **changes: object) -> str:
    form = {"name": "new-app", "team": company.teams["search"].pk, "holder": "team"} | changes
    return client.post("/keys/new/", form).content.decode()


def _text_of(page: str) -> str:
    found = re.search(r'<pre id="key-text">(bsr_\w+)</pre>', page)
    assert found is not None
    return found.group(1)


def test_an_issued_key_is_shown_once_with_a_call_ready_to_paste(company: Company, log_in: LogIn) -> None:
    client = log_in("admin")

    page = _issue(client, company)

    text = _text_of(page)
    assert f"Authorization: Bearer {text}" in html.unescape(page)
    assert f'api_key="{text}"' in html.unescape(page)
    key = VirtualKey.objects.get(name="new-app")
    for path in ("/keys/", f"/keys/{key.pk}/"):
        later = client.get(path).content.decode()
        assert text not in later
        assert text.split("_")[1] in later


def test_issuing_leaves_a_trail_that_names_the_person(company: Company, log_in: LogIn) -> None:
    _issue(log_in("owner"), company)

    event = AuditEvent.objects.get(action="key.issued")
    assert event.actor == company.person("owner").email
    assert event.origin == "127.0.0.1"


def test_a_developer_issues_a_key_of_their_own_only(company: Company, log_in: LogIn) -> None:
    client = log_in("developer")

    refused = _issue(client, company, name="for-all", holder="team")
    _issue(client, company, name="mine", holder="me")

    assert "Select a valid choice" in refused
    assert not VirtualKey.objects.filter(name="for-all").exists()
    assert VirtualKey.objects.get(name="mine").user == company.person("developer")


def test_a_foreign_team_is_refused(company: Company, log_in: LogIn) -> None:
    page = _issue(log_in("owner"), company, team=company.teams["research"].pk)
    foreign = _issue(log_in("admin"), company, team=found_company(name="Other").teams["search"].pk)

    assert "Select a valid choice" in page
    assert "Select a valid choice" in foreign
    assert not VirtualKey.objects.filter(name="new-app").exists()


def test_a_day_in_the_past_is_refused_with_a_sentence(company: Company, log_in: LogIn) -> None:
    page = _issue(log_in("admin"), company, expires_on="2026-11-23")

    assert "This day has passed: choose today or a later day." in page


def test_a_key_expires_at_the_end_of_the_day_in_the_organisations_zone(company: Company, log_in: LogIn) -> None:
    _issue(log_in("admin"), company, expires_on="2026-12-31")

    key = VirtualKey.objects.get(name="new-app")
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2026-12-31T23:00:00+00:00"


def test_a_key_is_revoked_after_asking(company: Company, log_in: LogIn) -> None:
    client, key = log_in("admin"), company.keys["chat-app"]

    question = client.get(f"/keys/{key.pk}/revoke/").content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None
    answer = client.post(f"/keys/{key.pk}/revoke/", {"reason": "leaked"}, follow=True).content.decode()

    key.refresh_from_db()
    assert "This cannot be undone" in question
    assert key.revoked_at is not None
    assert "The key chat-app is revoked." in answer
    assert AuditEvent.objects.get(action="key.revoked").reason == "leaked"


def test_rotating_shows_a_new_text_and_keeps_the_old_one_for_a_while(company: Company, log_in: LogIn) -> None:
    client, key = log_in("admin"), company.keys["chat-app"]

    page = client.post(f"/keys/{key.pk}/rotate/", {"grace_hours": "24"}).content.decode()

    assert _text_of(page).startswith("bsr_")
    endings = sorted(secret.expires_at is None for secret in key.secrets.all())
    assert endings == [False, True]


@pytest.mark.parametrize("action", ["rotate", "revoke"])
@pytest.mark.parametrize("role", ["finance", "auditor", "developer"])
def test_who_may_not_change_a_key_cannot_by_posting_either(
    company: Company, log_in: LogIn, action: str, role: str
) -> None:
    key = company.keys["search-production"]

    answer = log_in(role).post(f"/keys/{key.pk}/{action}/", {"grace_hours": "0", "reason": ""})

    key.refresh_from_db()
    assert answer.status_code in (403, 404)
    assert key.revoked_at is None
    assert key.secrets.count() == 1


def test_changes_need_the_forms_token(company: Company) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(company.person("admin"))

    answer = client.post(f"/keys/{company.keys['lab'].pk}/revoke/", {"reason": ""})

    assert answer.status_code == 403
    assert b"Please send it again" in answer.content


def test_ticked_keys_are_revoked_together_for_a_reason(company: Company, log_in: LogIn) -> None:
    client = log_in("owner")
    ids = [company.keys[name].pk for name in ("search-ada", "search-production")]
    query = "&".join(f"key={key_id}" for key_id in ids)

    asked = client.get(f"/keys/revoke/?{query}").content.decode()
    assert "cannot be undone" in asked and all(key.name in asked for key in VirtualKey.objects.filter(pk__in=ids))
    assert not VirtualKey.objects.filter(pk__in=ids).exclude(revoked_at=None)
    answer = client.post("/keys/revoke/", {"key": ids, "reason": "a laptop was lost"}, follow=True)

    assert f"{len(ids)} key" in answer.content.decode()
    assert not VirtualKey.objects.filter(pk__in=ids, revoked_at=None)
    events = AuditEvent.objects.filter(action="key.revoked", reason="a laptop was lost")
    assert {event.subject for event in events} == {f"key:{key_id}" for key_id in ids}


@pytest.mark.parametrize("others", ["foreign", "revoked", "none"])
def test_nothing_is_revoked_where_one_of_them_is_not_to_be(company: Company, log_in: LogIn, others: str) -> None:
    mine, foreign = company.keys["search-ada"], company.keys["lab"]
    if others == "revoked":
        log_in("admin").post(f"/keys/{foreign.pk}/revoke/", {"reason": ""})
    ids = [] if others == "none" else [mine.pk, foreign.pk]
    client = log_in("admin" if others == "revoked" else "owner")

    answer = client.post("/keys/revoke/", {"key": ids}, follow=True)

    assert "Nothing was revoked" in answer.content.decode()
    assert VirtualKey.objects.get(pk=mine.pk).revoked_at is None
