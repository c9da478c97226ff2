"""Logging in through OpenID providers: a real one on this machine, and what attackers make of its answers."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core.mail import EmailMessage
from django.test import Client

from governance.audit.models import AuditEvent
from governance.identity.group_rules import add_rule, remove_rule
from governance.identity.models import GroupRule, IdentityProvider, PersonGroups, ProviderSecret
from governance.identity.people import change_sign_in_rules
from governance.identity.providers import NewProvider, Trust, add_provider, change_provider
from governance.teams import people
from governance.teams.access import access_of
from governance.teams.models import User
from governance.teams.people import Part, Role
from tests.identity.openid import OpenIdProvider, path_of, query_of, running_provider
from tests.support.company import ACTOR, PASSWORD, Company, found

pytestmark = pytest.mark.django_db
SECRET = "a secret that the provider made"
OPEN = Trust(domains=("acme.example",), is_open_to_new_people=True)


@pytest.fixture
def company() -> Company:
    made = found()
    admin = people.create_person(actor=ACTOR, email="ada@acme.example", password=PASSWORD)
    people.give_role(actor=ACTOR, user_id=admin.pk, organisation_id=made.organisation.pk, role=Role.ADMIN)
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[OpenIdProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def openid(server: OpenIdProvider) -> OpenIdProvider:
    server.spoil, server.metadata = None, None
    return server


def add(
    company: Company, openid: OpenIdProvider, settings: Any, slug: str = "acme", trust: Trust = OPEN
) -> IdentityProvider:
    return add_provider(
        actor=ACTOR,
        new=NewProvider(
            organisation_id=company.organisation.pk,
            kind=IdentityProvider.Kind.OIDC,
            slug=slug,
            name=slug.title(),
            issuer=openid.issuer,
            client_id="bursar",
            client_secret=SECRET,
            trust=trust,
        ),
        sealing_keys=settings.ENVIRONMENT.sealing_keys,
    )


def is_in(client: Client) -> bool:
    """Whether somebody is logged in there (the page of sessions asks for no role)."""
    return client.get("/account/sessions/").status_code == 200


def test_somebody_new_comes_in_with_what_their_groups_give_and_loses_it_with_them(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    add(company, openid, settings)
    here = company.organisation.pk
    add_rule(actor=ACTOR, organisation_id=here, group="finance-people", role=Role.FINANCE)
    add_rule(actor=ACTOR, organisation_id=here, group="searchers", team_id=company.team.pk, part=Part.OWNER)
    openid.set_user("7", email="Grace@Acme.Example", email_verified=True, groups=["finance-people", "searchers"])
    client = Client()
    assert b"Log in with Acme" in client.get("/account/login/").content
    assert openid.log_in(client, "acme", "7")["Location"] == "/"
    assert client.get("/statements/").status_code == 200
    grace = User.objects.get(email="grace@acme.example")
    assert not grace.has_usable_password()
    assert access_of(user=grace).parts == {company.team.pk: "owner"}
    openid.set_user("7", email="somebody-else@acme.example", email_verified=True, groups=["searchers"])
    openid.log_in(Client(), "acme", "7")
    access = access_of(user=grace)
    assert (access.roles, access.parts) == ({}, {company.team.pk: "owner"})
    rule = GroupRule.objects.get(group="searchers")
    remove_rule(actor=ACTOR, organisation_id=here, rule_id=rule.pk)
    assert access_of(user=grace).home_ids == frozenset()
    assert User.objects.count() == 2
    assert not SocialToken.objects.exists()


def test_what_was_given_by_hand_is_not_taken_with_a_group(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    add(company, openid, settings)
    here = company.organisation.pk
    ada = User.objects.get(email="ada@acme.example")
    people.set_membership(actor=ACTOR, user_id=ada.pk, team_id=company.team.pk, part=Part.DEVELOPER)
    add_rule(actor=ACTOR, organisation_id=here, group="admins", role=Role.ADMIN)
    add_rule(actor=ACTOR, organisation_id=here, group="admins", team_id=company.team.pk, part=Part.OWNER)
    openid.set_user("1", email="ada@acme.example", email_verified=True, groups=["admins"])
    openid.log_in(Client(), "acme", "1")
    assert access_of(user=ada).parts == {company.team.pk: "owner"}
    openid.set_user("1", email="ada@acme.example", email_verified=True, groups=[])
    openid.log_in(Client(), "acme", "1")
    access = access_of(user=ada)
    assert access.may_administer(here) and access.parts == {company.team.pk: "developer"}


def test_the_last_administrator_by_a_group_stays_one(company: Company, openid: OpenIdProvider, settings: Any) -> None:
    add(company, openid, settings)
    here = company.organisation.pk
    add_rule(actor=ACTOR, organisation_id=here, group="admins", role=Role.ADMIN)
    openid.set_user("9", email="new@acme.example", email_verified=True, groups="admins")
    openid.log_in(Client(), "acme", "9")
    ada, new = User.objects.get(email="ada@acme.example"), User.objects.get(email="new@acme.example")
    people.take_role(actor=ACTOR, user_id=ada.pk, organisation_id=here, role=Role.ADMIN)
    openid.set_user("9", email="new@acme.example", email_verified=True, groups=["others"])
    assert openid.log_in(Client(), "acme", "9").status_code == 302
    assert access_of(user=new).may_administer(here)


@pytest.mark.parametrize(
    ("trust", "claims", "sentence"),
    [
        (OPEN, {"email": "ada@acme.example"}, "not known to be yours"),
        (OPEN, {"email": "ada@acme.example", "email_verified": False}, "not known to be yours"),
        (OPEN, {"email": "ada@acme.example", "email_verified": "yes"}, "not known to be yours"),
        (
            Trust(is_open_to_new_people=True),
            {"email": "ada@acme.example", "email_verified": True},
            "not known to be yours",
        ),
        (OPEN, {"email": "new@acme.example"}, "does not vouch for"),
        (OPEN, {"email": "new@evil.example", "email_verified": True}, "does not vouch for"),
        (OPEN, {"email": "new@acme.example.evil.example", "email_verified": True}, "does not vouch for"),
        (OPEN, {"email_verified": True}, "does not say your address"),
        (OPEN, {"email": ["ada@acme.example"], "email_verified": True}, "does not say your address"),
        (Trust(domains=("acme.example",)), {"email": "new@acme.example", "email_verified": True}, "no account for"),
    ],
)
def test_an_address_that_is_not_proved_opens_no_account(
    company: Company, openid: OpenIdProvider, settings: Any, trust: Trust, claims: dict[str, Any], sentence: str
) -> None:
    add(company, openid, settings, trust=trust)
    openid.set_user("66", **claims)
    client = Client()
    answer = openid.log_in(client, "acme", "66")
    assert (answer.status_code, sentence in answer.content.decode()) == (403, True)
    assert not is_in(client)
    assert User.objects.count() == 1 and not SocialAccount.objects.exists()


def test_an_address_given_to_another_subject_does_not_give_the_account_too(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    add(company, openid, settings)
    openid.set_user("1", email="ada@acme.example", email_verified=True)
    openid.log_in(Client(), "acme", "1")
    openid.set_user("2", email="ada@acme.example", email_verified=True)
    assert openid.log_in(Client(), "acme", "2").status_code == 403


def test_a_provider_speaks_for_its_own_organisation_alone(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    other = found("Other")
    add(other, openid, settings, slug="other", trust=OPEN)
    openid.set_user("1", email="ada@acme.example", email_verified=True)
    assert openid.log_in(Client(), "other", "1").status_code == 403
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    assert openid.log_in(Client(), "other", "3").status_code == 302
    eve = User.objects.get(email="eve@acme.example")
    people.give_role(actor=ACTOR, user_id=eve.pk, organisation_id=company.organisation.pk, role=Role.AUDITOR)
    client = Client()
    assert openid.log_in(client, "other", "3").status_code == 403 and not is_in(client)


def test_somebody_deactivated_and_a_provider_that_is_off_let_nobody_in(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    provider = add(company, openid, settings)
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    openid.log_in(Client(), "acme", "3")
    eve = User.objects.get(email="eve@acme.example")
    people.change_activity(actor=ACTOR, user_id=eve.pk, is_active=False)
    client = Client()
    assert b"was deactivated" in openid.log_in(client, "acme", "3").content and not is_in(client)
    back = openid.answer(client, "acme", "3")
    change_provider(actor=ACTOR, provider_id=provider.pk, is_enabled=False, trust=OPEN)
    assert client.get(path_of(back)).status_code == 404
    assert client.get("/account/oidc/acme/login/").status_code == 404


def test_what_is_asked_for_carries_state_nonce_and_a_challenge_and_nothing_of_the_requests_own(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    add(company, openid, settings)
    own = {"auth_params": "redirect_uri=https://evil.example&nonce=1", "scope": "admin", "process": "connect"}
    asked = query_of(Client().get("/account/oidc/acme/login/", own)["Location"])
    assert asked["redirect_uri"].endswith("/account/oidc/acme/login/callback/")
    assert "evil" not in asked["redirect_uri"] and len(asked["nonce"]) > 20
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert asked["code_challenge_method"] == "S256" and asked["code_challenge"] and asked["state"]
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    openid.log_in(Client(), "acme", "3")
    assert openid.last_exchange is not None and len(openid.last_exchange["code_verifier"]) >= 43


def _unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, key=None, algorithm="none")


def _signed_by_another(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "x" * 64, algorithm="HS256")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda claims: claims | {"nonce": "of another log-in"},
        lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
        lambda claims: claims | {"aud": "another client"},
        lambda claims: claims | {"aud": ["bursar", "another"], "azp": "another"},
        lambda claims: claims | {"iss": "https://evil.example"},
        lambda claims: claims | {"exp": claims["iat"] - 3600},
        lambda claims: {name: value for name, value in claims.items() if name != "exp"},
        lambda claims: claims | {"sub": ""},
        lambda claims: claims | {"email": 7},
        _unsigned,
        _signed_by_another,
        lambda _: "no token at all",
    ],
)
def test_a_token_that_is_not_whole_lets_nobody_in(
    company: Company, openid: OpenIdProvider, settings: Any, spoil: Any
) -> None:
    add(company, openid, settings)
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    openid.spoil = spoil
    client = Client()
    assert openid.log_in(client, "acme", "3").status_code == 403
    assert not is_in(client) and User.objects.count() == 1


def test_an_answer_counts_once_in_the_browser_that_asked_and_for_the_provider_that_was_asked(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    add(company, openid, settings)
    add(company, openid, settings, slug="second")
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    client, victim = Client(), Client()
    back = path_of(openid.answer(client, "acme", "3"))
    assert victim.get(back).status_code == 403 and not is_in(victim), "a log-in forced upon somebody"
    mixed_up = back.replace("/acme/", "/second/")
    assert client.get(mixed_up).status_code == 403 and not is_in(client), "an answer to another provider's question"
    assert client.get(back).status_code == 302 and is_in(client)
    again = Client()
    again.cookies = client.cookies
    assert client.get(back).status_code == 403, "a replay"


@pytest.mark.parametrize("named", ["https://evil.example", None])
def test_an_answer_that_another_issuer_sent_is_refused(
    company: Company, openid: OpenIdProvider, settings: Any, named: str | None
) -> None:
    add(company, openid, settings)
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    openid.metadata = {"authorization_response_iss_parameter_supported": True}
    client = Client()
    back = path_of(openid.answer(client, "acme", "3"))
    assert client.get(back + (f"&iss={named}" if named else "")).status_code == 403
    assert openid.last_exchange is None or query_of(back)["code"] != openid.last_exchange.get("code")
    back = path_of(openid.answer(client, "acme", "3"))
    assert client.get(f"{back}&iss={openid.issuer}").status_code == 302


def test_an_issuer_that_names_itself_otherwise_or_is_away_is_refused_with_a_sentence(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    add(company, openid, settings)
    openid.metadata = {"issuer": "https://evil.example"}
    answer = Client().get("/account/oidc/acme/login/")
    assert answer.status_code == 403 and b"gave no answer that can be trusted" in answer.content
    IdentityProvider.objects.update(issuer="http://localhost:9")
    answer = Client().get("/account/oidc/acme/login/")
    assert answer.status_code == 403 and b"gave no answer that can be trusted" in answer.content


def test_the_client_secret_lies_sealed_and_is_nowhere_in_the_trail(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    add(company, openid, settings)
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    openid.log_in(Client(), "acme", "3")
    assert openid.last_exchange is not None and openid.last_exchange.get("client_secret", SECRET) == SECRET
    row = ProviderSecret.objects.get()
    stored = str(list(IdentityProvider.objects.values())) + str(list(AuditEvent.objects.values()))
    assert SECRET.encode() not in bytes(row.ciphertext) and SECRET not in stored


def test_nobody_without_a_password_gets_one_by_a_letter_or_a_page(
    company: Company, openid: OpenIdProvider, settings: Any, mailoutbox: list[EmailMessage]
) -> None:
    add(company, openid, settings)
    openid.set_user("3", email="eve@acme.example", email_verified=True)
    client = Client()
    openid.log_in(client, "acme", "3")
    Client().post("/account/password/reset/", {"email": "eve@acme.example"})
    assert "/password/reset/key/" not in "".join(str(letter.body) for letter in mailoutbox)
    client.post("/account/password/set/", {"password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.get(email="eve@acme.example").has_usable_password()
    Client().post("/account/password/reset/", {"email": "ada@acme.example"})
    assert "/password/reset/key/" in str(mailoutbox[-1].body)


def test_a_second_factor_is_asked_for_unless_the_provider_is_trusted_to_have_asked(
    company: Company, openid: OpenIdProvider, settings: Any
) -> None:
    provider = add(company, openid, settings)
    here = company.organisation.pk
    add_rule(actor=ACTOR, organisation_id=here, group="all", role=Role.AUDITOR)
    change_sign_in_rules(
        actor=ACTOR, organisation_id=here, is_second_factor_required=True, are_personal_keys_kept=False
    )
    openid.set_user("3", email="eve@acme.example", email_verified=True, groups=["all"])
    client = Client()
    openid.log_in(client, "acme", "3")
    assert client.get("/")["Location"] == "/account/2fa/"
    trusted = Trust(domains=OPEN.domains, is_open_to_new_people=True, is_second_factor_trusted=True)
    change_provider(actor=ACTOR, provider_id=provider.pk, is_enabled=True, trust=trusted)
    assert client.get("/").status_code == 200
    TOTP.activate(User.objects.get(email="eve@acme.example"), "A" * 32)
    assert openid.log_in(Client(), "acme", "3")["Location"] == "/account/2fa/authenticate/"


def test_groups_that_are_no_list_of_names_say_nothing(company: Company, openid: OpenIdProvider, settings: Any) -> None:
    add(company, openid, settings)
    add_rule(actor=ACTOR, organisation_id=company.organisation.pk, group="admins", role=Role.ADMIN)
    for number, groups in enumerate(({"admins": True}, [["admins"], 7, None], "admins,others", 7)):
        openid.set_user(f"{number}", email=f"p{number}@acme.example", email_verified=True, groups=groups)
        assert openid.log_in(Client(), "acme", f"{number}").status_code == 302
    assert not access_of(user=User.objects.get(email="p0@acme.example")).home_ids
    assert User.objects.filter(organisation_roles__role="admin").count() == 1
    assert not PersonGroups.objects.filter(names__contains=["admins"]).exists()
