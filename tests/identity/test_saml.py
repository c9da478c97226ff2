"""Logging in through SAML providers: a real one, and what attackers make of its answers."""

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client
from lxml import etree
from saml2.saml import NAMEID_FORMAT_TRANSIENT
from saml2.xmldsig import DIGEST_SHA1, SIG_RSA_SHA1

from governance.core.clock import utc_now
from governance.identity.errors import ProviderRefused
from governance.identity.group_rules import add_rule
from governance.identity.models import IdentityProvider
from governance.identity.providers import NewProvider, Trust, add_provider
from governance.teams.access import access_of
from governance.teams.models import User
from governance.teams.people import Role
from tests.identity.saml_server import (
    ENTITY,
    NAMESPACES,
    SSO,
    SamlProvider,
    coded,
    make_certificate,
    make_provider,
    sign,
)
from tests.support.company import ACTOR, Company, found

pytestmark = pytest.mark.django_db
OPEN = Trust(
    domains=("acme.example",),
    groups_claim="urn:oid:1.3.6.1.4.1.5923.1.5.1.1",
    is_open_to_new_people=True,
    are_addresses_trusted=True,
)
Change = Callable[[etree._Element], None]


@pytest.fixture
def company() -> Company:
    return found()


def add(company: Company, settings: Any, certificate: str, slug: str = "acme") -> IdentityProvider:
    new = NewProvider(
        organisation_id=company.organisation.pk,
        kind=IdentityProvider.Kind.SAML,
        slug=slug,
        name=slug.title(),
        issuer=ENTITY,
        sso_url=SSO,
        certificate=certificate,
        trust=OPEN,
    )
    return add_provider(actor=ACTOR, new=new, sealing_keys=settings.ENVIRONMENT.sealing_keys)


@pytest.fixture
def saml(company: Company, settings: Any, tmp_path: Path) -> SamlProvider:
    """A provider that the company added, and which read our metadata."""
    key, certificate = make_certificate()
    add(company, settings, certificate)
    metadata = browser().get("/account/saml/acme/metadata/")
    assert metadata.status_code == 200
    return make_provider(tmp_path, key=key, certificate=certificate, metadata=metadata.content.decode())


def browser() -> Client:
    return Client(HTTP_HOST="localhost:8000")


def ask(client: Client, slug: str = "acme") -> str:
    """Begin to log in; return where the browser is sent."""
    return client.get(f"/account/saml/{slug}/login/")["Location"]


def bring(client: Client, document: str, slug: str = "acme") -> Any:
    """Bring an answer back as the provider's page posts it; return what the console says in the end."""
    posted = client.post(f"/account/saml/{slug}/acs/", {"SAMLResponse": coded(document)})
    assert posted.status_code == 302, posted.content
    return client.get(posted["Location"])


def is_in(client: Client) -> bool:
    return client.get("/account/sessions/").status_code == 200


def test_somebody_comes_in_by_a_signed_assertion_with_what_their_groups_give(
    company: Company, saml: SamlProvider
) -> None:
    add_rule(actor=ACTOR, organisation_id=company.organisation.pk, group="llm-auditors", role=Role.AUDITOR)
    client = browser()
    assert b"Log in with Acme" in client.get("/account/login/").content
    assert bring(client, saml.answer(ask(client)))["Location"] == "/"
    assert client.get("/people/").status_code == 200
    grace = User.objects.get(email="grace@acme.example")
    assert access_of(user=grace).roles == {company.organisation.pk: {"auditor"}}
    again = browser()
    bring(again, saml.answer(ask(again), email="other@acme.example"))
    assert is_in(again) and User.objects.count() == 1, "known by the subject, not by the address"


def _tree(document: str) -> etree._Element:
    return etree.fromstring(document.encode())


def _assertion(tree: etree._Element) -> etree._Element:
    return tree.find("saml:Assertion", NAMESPACES)


def _another_address(tree: etree._Element) -> None:
    value = tree.find(".//saml:AttributeValue", NAMESPACES)
    value.text = "boss@acme.example"


def _no_signature(tree: etree._Element) -> None:
    for signature in tree.findall(".//ds:Signature", NAMESPACES):
        signature.getparent().remove(signature)


def _wrapped(tree: etree._Element, place: Callable[[etree._Element, etree._Element], None]) -> None:
    """Put a forged assertion where it is read, and the signed one where it is only verified."""
    signed = _assertion(tree)
    forged = deepcopy(signed)
    _another_address(forged)
    forged.set("ID", "id-forged")
    forged.remove(forged.find("ds:Signature", NAMESPACES))
    tree.replace(signed, forged)
    place(forged, signed)


def _inside_the_forged(tree: etree._Element) -> None:
    _wrapped(tree, lambda forged, signed: forged.append(signed))


def _before_the_forged(tree: etree._Element) -> None:
    _wrapped(tree, lambda forged, signed: forged.addprevious(signed))


def _in_an_extension(tree: etree._Element) -> None:
    def hide(forged: etree._Element, signed: etree._Element) -> None:
        holder = etree.SubElement(forged.getparent(), f"{{{NAMESPACES['samlp']}}}Extensions")
        holder.append(signed)

    _wrapped(tree, hide)


def _in_its_own_signature(tree: etree._Element) -> None:
    def hide(forged: etree._Element, signed: etree._Element) -> None:
        signature = deepcopy(signed.find("ds:Signature", NAMESPACES))
        forged.insert(1, signature)
        holder = etree.SubElement(signature, f"{{{NAMESPACES['ds']}}}Object")
        holder.append(signed)

    _wrapped(tree, hide)


def _same_id(tree: etree._Element) -> None:
    signed = _assertion(tree)
    forged = deepcopy(signed)
    _another_address(forged)
    signed.addprevious(forged)


def _comment_in_the_subject(tree: etree._Element) -> None:
    """A comment does not break the signature; what is read must not be cut at it."""
    name = tree.find(".//saml:NameID", NAMESPACES)
    name.text = "subject-7"
    comment = etree.Comment("x")
    comment.tail = ".evil"
    name.append(comment)


@pytest.mark.parametrize(
    "change",
    [
        _another_address,
        _no_signature,
        _inside_the_forged,
        _before_the_forged,
        _in_an_extension,
        _in_its_own_signature,
        _same_id,
        _comment_in_the_subject,
    ],
)
def test_an_answer_that_was_changed_or_wrapped_lets_nobody_in(saml: SamlProvider, change: Change) -> None:
    client = browser()
    tree = _tree(saml.answer(ask(client)))
    change(tree)
    assert bring(client, etree.tostring(tree).decode()).status_code == 403
    assert not is_in(client) and not User.objects.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"sp_entity_id": "https://another.example/metadata"},
        {"destination": "https://another.example/acs"},
        {"in_response_to": "id-of-nobodys-question"},
        {"name_format": NAMEID_FORMAT_TRANSIENT},
        {"issuer": "https://evil.example"},
        {"sign_alg": SIG_RSA_SHA1, "digest_alg": DIGEST_SHA1},
    ],
)
def test_an_answer_for_somebody_else_lets_nobody_in(saml: SamlProvider, options: dict[str, Any]) -> None:
    client = browser()
    assert bring(client, saml.answer(ask(client), **options)).status_code == 403
    assert not is_in(client) and not User.objects.exists()


def test_an_answer_counts_once_and_for_whoever_asked(saml: SamlProvider) -> None:
    client, victim, thief = browser(), browser(), browser()
    answer = saml.answer(ask(client))
    assert bring(victim, answer).status_code == 403 and not is_in(victim), "a log-in forced upon somebody"
    ask(thief)
    own = re.search(r'InResponseTo="([^"]+)"', saml.answer(ask(thief)))
    assert own is not None
    theirs = _tree(answer)
    theirs.set("InResponseTo", own[1])
    assert bring(thief, etree.tostring(theirs).decode()).status_code == 403 and not is_in(thief), (
        "an assertion that was stolen, in an envelope of the thief's own"
    )
    assert bring(client, answer).status_code == 302 and is_in(client)
    assert bring(client, answer).status_code == 403, "a replay"


def test_an_answer_that_nobody_asked_for_that_expired_or_is_no_answer_lets_nobody_in(saml: SamlProvider) -> None:
    client = browser()
    unasked = _tree(saml.answer(ask(client)))
    for element in (unasked, *unasked.iterfind(".//saml:SubjectConfirmationData", NAMESPACES)):
        element.attrib.pop("InResponseTo", None)
    _assertion(unasked).find(".//ds:SignatureValue", NAMESPACES).text = ""
    _assertion(unasked).find(".//ds:DigestValue", NAMESPACES).text = ""
    signed = sign(etree.tostring(unasked).decode(), str(_assertion(unasked).get("ID")), saml.key)
    assert bring(client, signed).status_code == 403
    late = saml.answer(ask(client))
    with time_machine.travel(utc_now() + timedelta(minutes=9), tick=False):
        assert bring(client, late).status_code == 403
    entity = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + saml.answer(ask(client))
    for nonsense in (entity, "<x/>", "no xml", ""):
        assert bring(client, nonsense).status_code == 403
    assert client.post("/account/saml/acme/acs/", {"SAMLResponse": "A" * 300_000}).status_code == 400
    assert client.get("/account/saml/acme/acs/").status_code == 400
    assert client.get("/account/saml/nobody/login/").status_code == 404
    assert not is_in(client) and not User.objects.exists()


def test_a_certificate_that_cannot_be_read_is_refused(company: Company, settings: Any) -> None:
    with pytest.raises(ProviderRefused, match="paste it whole"):
        add(company, settings, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
