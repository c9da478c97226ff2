import html
import re

from django.test import Client

from governance.audit.models import AuditEvent
from governance.tokens.models import Token
from tests.console.conftest import LogIn
from tests.console.demo import Company


def _issue(client: Client, **changes: object) -> str:
    form = {"name": "deploy", "holder": "me", "scopes": "keys:read, budgets:write", "days": 30} | changes
    return client.post("/tokens/new/", form).content.decode()


def _text_of(page: str) -> str:
    found = re.search(r'<pre id="token-text">(bst_\w+)</pre>', page)
    assert found is not None
    return found.group(1)


def test_somebody_issues_a_token_of_their_own_that_the_api_takes(company: Company, log_in: LogIn) -> None:
    client = log_in("developer")
    text = _text_of(_issue(client))

    me = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {text}"}).json()

    assert (me["email"], me["token"]["scopes"]) == (company.person("developer").email, ["budgets:write", "keys:read"])
    later = client.get("/tokens/").content.decode()
    assert text not in later
    assert text.split("_")[1] in later
    assert AuditEvent.objects.get(action="token.issued").actor == company.person("developer").email


def test_only_administrators_issue_tokens_of_services(company: Company, log_in: LogIn) -> None:
    assert "bst_" not in _issue(log_in("owner"), holder="service")
    _text_of(_issue(log_in("admin"), holder="service"))
    assert [(token.user, token.name) for token in Token.objects.all()] == [(None, "deploy")]


def test_a_scope_that_does_not_exist_is_named(company: Company, log_in: LogIn) -> None:
    page = html.unescape(_issue(log_in("admin"), scopes="keys:rite"))
    assert "'keys:rite' is no scope." in page
    assert not Token.objects.exists()


def test_a_token_is_revoked_by_whose_it_is_and_by_administrators(company: Company, log_in: LogIn) -> None:
    client = log_in("developer")
    text = _text_of(_issue(client))
    token = Token.objects.get()

    assert log_in("owner").post(f"/tokens/{token.pk}/revoke/").status_code == 404
    assert client.post(f"/tokens/{token.pk}/revoke/", {"reason": "lost"}).status_code == 302

    assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert AuditEvent.objects.get(action="token.revoked").reason == "lost"
