"""Identity providers and what groups give, in the console."""

import re

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from governance.audit.models import AuditEvent
from governance.identity.models import GroupRule, IdentityProvider, ProviderSecret, ScimToken
from tests.console.conftest import LogIn
from tests.console.demo import Company, found_company
from tests.identity.saml_server import make_certificate

SECRET = "a client secret of sixteen"
FORM = {
    "name": "Acme Entra",
    "slug": "acme-entra",
    "issuer": "https://login.acme.example/tenant/v2.0",
    "client_id": "7c2d",
    "client_secret": SECRET,
    "domains": "Acme.example @sub.acme.example",
    "groups_claim": "groups",
    "is_open_to_new_people": "on",
}


def test_an_administrator_adds_one_and_is_told_what_it_must_know(company: Company, log_in: LogIn) -> None:
    answer = log_in("admin").post("/people/providers/new/oidc/", FORM, follow=True)
    assert "/account/oidc/acme-entra/login/callback/" in answer.content.decode()
    added = IdentityProvider.objects.get(slug="acme-entra")
    assert added.domains == ["acme.example", "sub.acme.example"] and added.is_open_to_new_people
    assert ProviderSecret.objects.filter(provider=added).exists()
    assert SECRET not in answer.content.decode() + str(list(AuditEvent.objects.values()))
    assert b"Log in with Acme Entra" in Client().get("/account/login/").content


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"issuer": "http://login.acme.example"}, "is no https:// address"),
        ({"issuer": "https://user:pass@login.acme.example"}, "is no https:// address"),
        ({"issuer": "file:///etc/passwd"}, "is no https:// address"),
        ({"slug": "acme/../x"}, "cannot stand in an address"),
        ({"slug": "taken"}, "choose others"),
        ({"name": "Acme Okta"}, "choose others"),
        ({"client_id": " "}, "This field is required"),
        ({"domains": "acme example@x"}, "is no mail domain"),
    ],
)
def test_an_impossible_one_is_refused_with_a_sentence(
    company: Company, log_in: LogIn, changes: dict[str, str], sentence: str
) -> None:
    if changes.get("slug") == "taken":
        changes = {"slug": IdentityProvider.objects.get().slug}
    text = log_in("admin").post("/people/providers/new/oidc/", FORM | changes).content.decode()
    assert sentence in text and SECRET not in text
    assert IdentityProvider.objects.count() == 1


def test_a_saml_provider_is_added_with_its_certificate(company: Company, log_in: LogIn) -> None:
    form = {
        "name": "Acme ADFS",
        "slug": "acme-adfs",
        "issuer": "http://adfs.acme.example/adfs/services/trust",
        "sso_url": "https://adfs.acme.example/adfs/ls/",
        "certificate": make_certificate()[1],
        "groups_claim": "groups",
    }
    page = log_in("admin").post("/people/providers/new/saml/", form, follow=True).content.decode()
    assert "/account/saml/acme-adfs/acs/" in page and "/account/saml/acme-adfs/metadata/" in page
    assert b"Log in with Acme ADFS" in Client().get("/account/login/").content
    bad = form | {"slug": "other", "name": "Other", "certificate": "AAAA"}
    assert "cannot be read" in log_in("admin").post("/people/providers/new/saml/", bad).content.decode()


def test_one_is_turned_off_and_gets_another_secret(company: Company, log_in: LogIn) -> None:
    path = f"/people/providers/{company.provider_id}/"
    log_in("admin").post(path, {"groups_claim": "roles", "client_secret": SECRET})
    provider = IdentityProvider.objects.get()
    assert (provider.is_enabled, provider.groups_claim, provider.domains) == (False, "roles", [])
    assert ProviderSecret.objects.filter(provider=provider).exists()
    assert b"Acme Okta" not in Client().get("/account/login/").content


def test_a_group_gives_a_role_or_a_part_until_the_rule_is_removed(company: Company, log_in: LogIn) -> None:
    admin, search = log_in("admin"), company.teams["search"]
    admin.post("/people/groups/new/", {"group": "llm-search", "gives": f"owner:{search.pk}"})
    rule = GroupRule.objects.get(group="llm-search")
    assert (rule.team, rule.part, rule.role) == (search, "owner", "")
    assert b"owner of search" in admin.get("/people/providers/").content
    admin.post(f"/people/groups/{rule.pk}/remove/")
    assert not GroupRule.objects.filter(group="llm-search").exists()
    assert b"Select a valid choice" in admin.post("/people/groups/new/", {"group": "x", "gives": "owner:0"}).content


def test_an_administrator_forgets_as_whom_somebody_is_known(company: Company, log_in: LogIn) -> None:
    developer = company.person("developer")
    SocialAccount.objects.create(user=developer, provider=IdentityProvider.objects.get().slug, uid="00u7")
    assert b"00u7" in log_in("admin").get(f"/people/{developer.pk}/").content
    log_in("admin").post(f"/people/{developer.pk}/unlink/", {"reason": "address was given to somebody else"})
    assert not SocialAccount.objects.exists()
    assert AuditEvent.objects.get(action="person.unlinked").reason == "address was given to somebody else"


def test_a_directorys_token_is_shown_once_works_and_is_revoked_by_its_own_administrators(
    company: Company, log_in: LogIn
) -> None:
    page = log_in("admin").post("/people/provisioning/", {"name": "Entra"}).content.decode()
    text = re.search(r"bscim_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", page)[0]
    assert text not in log_in("admin").get("/people/provisioning/").content.decode()
    asked = Client().get("/scim/v2/Users", headers={"Authorization": f"Bearer {text}"})
    assert asked.status_code == 200
    token = ScimToken.objects.get(name="Entra")
    other = found_company(name="Other")
    stranger = Client()
    stranger.force_login(other.person("admin"))
    stranger.post(f"/people/provisioning/{token.pk}/revoke/")
    assert Client().get("/scim/v2/Users", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    log_in("admin").post(f"/people/provisioning/{token.pk}/revoke/")
    assert Client().get("/scim/v2/Users", headers={"Authorization": f"Bearer {text}"}).status_code == 401
