"""Letting people and directories in by the API."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from governance.identity.models import IdentityProvider
from governance.identity.people import sign_in_rules
from governance.identity.providers import client_secret_of
from governance.teams.models import Membership, OrganisationRole, User
from tests.api.asking import SERVICE
from tests.api.conftest import Ask
from tests.console.demo import PASSWORD as DEMO_PASSWORD
from tests.console.demo import Company

if TYPE_CHECKING:
    from collections.abc import Callable

PASSWORD = "a long password of words"


def test_somebody_comes_in_by_an_invitation_of_the_api(
    company: Company,
    api: Ask,
    mailoutbox: list[Any],
    django_capture_on_commit_callbacks: "Callable[..., Any]",
) -> None:
    team_id = company.teams["search"].pk
    wish = {"email": "grace@acme.example", "roles": ["auditor"], "teams": [{"team_id": team_id, "part": "owner"}]}
    with django_capture_on_commit_callbacks(execute=True):
        sent = api(SERVICE)("POST", "invitations", wish)
    assert (sent.status, sent["invitation"]["teams"]) == (201, [{"team_id": team_id, "part": "owner"}])
    assert sent["link"] in mailoutbox[0].body
    listed = api("auditor", "all:read")("GET", "invitations").body["data"]
    assert [each["email"] for each in listed][:1] == ["grace@acme.example"]
    assert "link" not in listed[0]

    Client().post(urlsplit(sent["link"]).path, {"password": PASSWORD, "again": PASSWORD})

    grace = User.objects.get(email="grace@acme.example")
    assert OrganisationRole.objects.get(user=grace).role == "auditor"
    assert Membership.objects.get(user=grace).part == "owner"


def test_a_renewed_invitation_has_another_link_and_a_withdrawn_one_none(company: Company, api: Ask) -> None:
    admin = api("admin")
    first = admin("POST", "invitations", {"email": "grace@acme.example", "roles": ["auditor"]})
    address = f"invitations/{first['invitation']['id']}"
    second = admin("POST", f"{address}/renew")
    assert second["link"] != first["link"]
    assert Client().get(urlsplit(first["link"]).path).status_code == 404
    assert Client().get(urlsplit(second["link"]).path).status_code == 200
    assert admin("POST", f"{address}/withdraw").status == 200
    assert Client().get(urlsplit(second["link"]).path).status_code == 404
    assert admin("POST", f"{address}/withdraw").status == 409
    assert "gives a role or a team" in admin("POST", "invitations", {"email": "grace@acme.example"})["detail"]


def test_the_rules_for_logging_in_change_one_by_one(company: Company, api: Ask) -> None:
    admin = api("admin")
    admin("PATCH", "sign-in-rules", {"is_second_factor_required": True})
    admin("PATCH", "sign-in-rules", {"are_personal_keys_kept": True})
    rules = sign_in_rules(organisation_id=company.organisation.pk)
    assert (rules.is_second_factor_required, rules.are_personal_keys_kept) == (True, True)
    assert admin("GET", "sign-in-rules").body == {"is_second_factor_required": True, "are_personal_keys_kept": True}


def test_an_identity_provider_is_added_changed_and_given_another_secret(company: Company, api: Ask) -> None:
    admin = api("admin")
    added = admin(
        "POST",
        "identity-providers",
        {
            "kind": "oidc",
            "slug": "acme-login",
            "name": "Acme login",
            "issuer": "https://login.acme.example",
            "client_id": "bursar",
            "client_secret": "the first secret",
            "domains": ["acme.example"],
        },
    )
    assert (added.status, added["domains"], added["is_open_to_new_people"]) == (201, ["acme.example"], False)
    assert b"the first secret" not in added.content
    address = f"identity-providers/{added['id']}"
    changed = admin("PATCH", address, {"is_open_to_new_people": True})
    assert (changed["domains"], changed["is_open_to_new_people"], changed["is_enabled"]) == (
        ["acme.example"],
        True,
        True,
    )
    assert admin("PUT", f"{address}/secret", {"client_secret": "the second secret"}).status == 204
    row = IdentityProvider.objects.get(pk=added["id"])
    assert client_secret_of(row, sealing_keys=settings.ENVIRONMENT.sealing_keys) == "the second secret"
    assert admin("PATCH", address, {"domains": ["not a domain"]}).status == 400


def test_a_group_gives_a_role_or_a_part_and_says_which(company: Company, api: Ask) -> None:
    admin = api("admin")
    role = admin("POST", "group-rules", {"group": "finance-people", "role": "finance"})
    part = admin("POST", "group-rules", {"group": "dev", "team_id": company.teams["search"].pk, "part": "developer"})
    assert (role["role"], role["team_id"]) == ("finance", None)
    assert (part["role"], part["part"]) == ("", "developer")
    for wrong in ({"group": "x", "team_id": 1}, {"group": "x"}, {"group": "x", "role": "admin", "part": "owner"}):
        assert admin("POST", "group-rules", wrong).status == 400
    assert admin("DELETE", f"group-rules/{role['id']}").status == 204
    assert role["id"] not in [each["id"] for each in admin("GET", "group-rules").body["data"]]


def test_a_directorys_token_works_until_it_is_revoked(company: Company, api: Ask) -> None:
    admin = api("admin")
    issued = admin("POST", "scim-tokens", {"name": "Okta"})
    headers = {"Authorization": f"Bearer {issued['text']}"}
    assert Client(headers=headers).get("/scim/v2/Users").status_code == 200
    assert issued["text"] not in admin("GET", "scim-tokens").content.decode()
    assert admin("POST", f"scim-tokens/{issued['token']['id']}/revoke")["revoked_at"] is not None
    assert Client(headers=headers).get("/scim/v2/Users").status_code == 401


def test_somebody_is_logged_out_everywhere(company: Company, api: Ask) -> None:
    person = company.person("developer")
    client = Client()
    client.post("/account/login/", {"login": person.email, "password": DEMO_PASSWORD})
    assert client.get("/").status_code == 200
    ended = api("admin")("POST", f"people/{person.pk}/log-out", {"reason": "A laptop was lost."})
    assert (ended.status, ended["sessions"]) == (200, 1)
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("what", ["second-factor/remove", "unlink", "log-out"])
def test_nobody_is_touched_who_is_not_there(company: Company, api: Ask, what: str) -> None:
    assert api("admin")("POST", f"people/{10**9}/{what}", {}).status == 404
