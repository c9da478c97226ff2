"""`bursar token`: a token is shown once, listed without its text, and revoked."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from governance.teams.models import Organisation, OrganisationRole, User


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    call_command("token", *arguments, "--json")
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def ada(db: None) -> User:
    """An auditor of the only organisation."""
    ada = User.objects.create(username="ada@acme.example", email="ada@acme.example")
    OrganisationRole.objects.create(user=ada, organisation=Organisation.objects.create(name="Acme"), role="auditor")
    return ada


def test_a_token_is_issued_listed_and_revoked(ada: User, capsys: pytest.CaptureFixture[str]) -> None:
    issued = _run(capsys, "issue", "laptop", "--user", ada.email, "--scope", "keys:read")
    headers = {"Authorization": f"Bearer {issued['text']}"}
    assert Client().get("/api/v1/keys", headers=headers).status_code == 200

    [listed] = _run(capsys, "list")
    assert (listed["whose"], listed["scopes"], listed["state"]) == (ada.email, ["keys:read"], "active")
    assert issued["text"] not in json.dumps(listed)

    assert _run(capsys, "revoke", str(issued["id"]))["state"] == "revoked"
    assert Client().get("/api/v1/keys", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("issue", "x"), "A token without scopes"),
        (("issue", "x", "--scope", "keys"), "'keys' is no scope"),
        (("issue", "x", "--scope", "keys:read", "--days", "9999999999"), "A token expires in the future"),
        (("issue", "x", "--scope", "keys:read", "--user", "nobody@acme.example"), "There is nobody"),
        (("revoke", "7"), "There is no token with the id 7"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(ada: User, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("token", *arguments)
