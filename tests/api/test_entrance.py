"""Who gets in: a token in the header and nothing else, as long as it and its person may."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from governance.api.caller import CALLS_PER_MINUTE
from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.core.clock import utc_now
from governance.keys.operations import NewKey
from governance.keys.operations import issue as issue_key
from governance.teams.people import change_activity
from governance.tokens.models import Token, TokenUse
from governance.tokens.operations import revoke
from tests.api.asking import SERVICE, Api
from tests.api.conftest import Ask
from tests.console.demo import Company

ACTOR = Actor(name="test")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "bst_",
        "bst_" + "a" * 63,
        "' OR 1=1 --",
        "\u00e9\u00e8",
        "bst_" + "a" * 100_000,
        "Basic dXNlcjpwYXNz",
        "\x7f",
    ],
)
def test_what_is_no_token_is_refused_with_a_sentence(db: None, text: str) -> None:
    found = Api(text.encode().decode("latin-1"))("GET", "keys")

    assert (found.status, found["code"]) == (401, "token_invalid")
    assert found.headers["Content-Type"] == "application/problem+json"
    assert found.headers["WWW-Authenticate"] == 'Bearer realm="Bursar"'
    assert len(text) < 8 or text not in found["detail"]


def test_a_session_or_a_virtual_key_is_no_token(company: Company) -> None:
    client = Client()
    client.force_login(company.person("admin"))
    key = issue_key(
        actor=ACTOR,
        at=utc_now(),
        pepper=settings.ENVIRONMENT.key_pepper,
        new=NewKey(team_id=company.teams["search"].pk, name="key"),
    )

    assert client.get("/api/v1/keys").status_code == 401
    refused = Api(key.text)("GET", "keys")
    assert (refused.status, "virtual key" in refused["detail"]) == (401, True)
    assert Api("")("GET", f"keys?token={key.text}").status == 401


def test_a_token_ends_when_it_is_revoked_or_expires_or_its_person_is_out(company: Company, api: Ask) -> None:
    admin, finance, auditor = api("admin"), api("finance"), api("auditor")
    assert {each("GET", "me").status for each in (admin, finance, auditor)} == {200}
    assert admin.token is not None and finance.token is not None

    revoke(actor=ACTOR, at=utc_now(), token_id=admin.token.pk)
    Token.objects.filter(pk=finance.token.pk).update(expires_at=utc_now() - timedelta(seconds=1))
    change_activity(actor=ACTOR, user_id=company.person("auditor").pk, is_active=False)

    assert {each("GET", "me").status for each in (admin, finance, auditor)} == {401}


def test_a_wrong_secret_behind_a_right_beginning_is_refused(company: Company, api: Ask) -> None:
    first, second = api("admin"), api("admin")
    beginning, public_id, *_ = first.text.split("_")
    # A forged text whose checksum fits, so that the digest must tell.
    from_other = Token.objects.get(pk=second.token.pk if second.token else 0)
    Token.objects.filter(pk=first.token.pk if first.token else 0).update(digest=from_other.digest)

    assert (beginning, len(public_id)) == ("bst", 12)
    assert first("GET", "me").status == 401


def test_a_token_tells_what_it_is_whatever_its_scopes(company: Company, api: Ask) -> None:
    me = api("owner", "alerts:read")("GET", "me")
    assert (me["email"], me["owned_team_ids"]) == (
        company.person("owner").email,
        [company.teams["search"].pk],
    )
    assert me["token"]["scopes"] == ["alerts:read"]
    service = api(SERVICE, "keys:read")("GET", "me")
    assert (service["user_id"], service["email"], service["roles"]) == (None, "", [])


def test_the_calls_of_a_minute_are_counted(company: Company, api: Ask) -> None:
    admin, finance = api("admin"), api("finance")
    assert admin("GET", "me").status == 200
    TokenUse.objects.filter(token=admin.token).update(calls=CALLS_PER_MINUTE)

    refused = admin("GET", "me")

    assert (refused.status, refused["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert finance("GET", "me").status == 200
    TokenUse.objects.filter(token=admin.token).update(last_used_at=utc_now() - timedelta(minutes=2))
    assert admin("GET", "me").status == 200


def test_what_is_changed_with_a_token_is_in_the_trail_by_name(company: Company, api: Ask) -> None:
    service = api(SERVICE, "teams:write")
    service("POST", "units", {"name": "By a service"})
    api("admin")("POST", "units", {"name": "By somebody"})

    somebody, something = AuditEvent.objects.filter(action="unit.created")[:2]

    assert somebody.actor == company.person("admin").email
    assert service.token is not None
    assert something.actor == f"service token: service ({service.token.pk})"
    assert something.origin == "127.0.0.1"


def test_the_database_holds_no_text_of_a_token(company: Company, api: Ask) -> None:
    secret = api("admin").text.split("_")[2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM tokens_token t UNION ALL SELECT e::text FROM audit_auditevent e")
        rows = [row for (row,) in cursor.fetchall()]
    assert len(rows) >= 2
    assert not any(secret in row for row in rows)
