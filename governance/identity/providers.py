"""Identity providers: adding and changing them. Their secrets lie sealed; slugs and issuers never change."""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.connections.sealing import Sealed, seal_secret, unseal_secret
from governance.core.environment import SealingKey
from governance.identity.errors import ProviderNotFound, ProviderRefused, ProviderTaken
from governance.identity.models import IdentityProvider, ProviderSecret
from governance.teams import queries as teams
from governance.teams.names import clean_name
from governance.teams.taken import refusing_taken

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_SLUG = 40
_MAX_SECRET = 1024


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How far an identity provider is believed.

    `domains`: the mail domains it vouches for. `are_addresses_trusted`: what it calls somebody's address is theirs,
    even where it does not say that it was verified. `is_open_to_new_people`: who is not there yet gets an account.
    """

    domains: tuple[str, ...] = ()
    groups_claim: str = "groups"
    are_addresses_trusted: bool = False
    is_open_to_new_people: bool = False
    is_second_factor_trusted: bool = False


class NewProvider(msgspec.Struct, frozen=True, kw_only=True):
    """An identity provider to be added. OIDC has a client id and secret, SAML an address and a certificate (PEM)."""

    organisation_id: int
    kind: IdentityProvider.Kind
    slug: str
    name: str
    issuer: str
    client_id: str = ""
    client_secret: str = ""
    sso_url: str = ""
    certificate: str = ""
    trust: Trust = Trust()

    def __repr__(self) -> str:
        return f"NewProvider(slug={self.slug!r}, kind={self.kind!r})"


@transaction.atomic
def add_provider(*, actor: Actor, new: NewProvider, sealing_keys: Sequence[SealingKey]) -> IdentityProvider:
    """Add an identity provider. Raises ProviderRefused, ProviderTaken, NameRefused."""
    organisation = teams.organisation(organisation_id=new.organisation_id)
    if len(new.slug) > _MAX_SLUG or not _SLUG.fullmatch(new.slug):
        raise ProviderRefused(f"{new.slug!r} cannot stand in an address: use small letters, digits and hyphens.")
    provider = IdentityProvider(
        organisation=organisation,
        kind=new.kind,
        slug=new.slug,
        name=clean_name(new.name, what="identity provider's name"),
        **(_oidc_fields(new) if new.kind == IdentityProvider.Kind.OIDC else _saml_fields(new)),
    )
    _set_trust(provider, new.trust)
    with refusing_taken(ProviderTaken(f"There is an identity provider {new.slug!r} or {new.name!r}: choose others.")):
        provider.save(force_insert=True)
    if new.client_secret:
        _write_secret(provider, new.client_secret, sealing_keys=sealing_keys)
    audit.record(
        actor=actor,
        action="identity_provider.added",
        subject=f"identity_provider:{provider.pk}",
        after=_facts(provider) | {"kind": provider.kind, "issuer": provider.issuer, "client_id": provider.client_id},
    )
    return provider


@transaction.atomic
def change_provider(*, actor: Actor, provider_id: int, is_enabled: bool, trust: Trust) -> IdentityProvider:
    """Set how far it is believed, and whether anybody comes through it. Raises ProviderNotFound, ProviderRefused."""
    provider = provider_of(provider_id=provider_id)
    before = _facts(provider)
    provider.is_enabled = is_enabled
    _set_trust(provider, trust)
    if _facts(provider) == before:
        return provider
    provider.save()
    audit.record(
        actor=actor,
        action="identity_provider.changed",
        subject=f"identity_provider:{provider.pk}",
        before=before,
        after=_facts(provider),
    )
    return provider


@transaction.atomic
def replace_secret(*, actor: Actor, provider_id: int, client_secret: str, sealing_keys: Sequence[SealingKey]) -> None:
    """Seal another client secret over the former one. Raises ProviderNotFound, ProviderRefused."""
    provider = provider_of(provider_id=provider_id)
    _write_secret(provider, client_secret, sealing_keys=sealing_keys)
    audit.record(
        actor=actor,
        action="identity_provider.secret_replaced",
        subject=f"identity_provider:{provider.pk}",
        after={"sealing_key": sealing_keys[0].key_id},
    )


def provider_of(*, provider_id: int) -> IdentityProvider:
    """Return the identity provider, locked for a change. Raises ProviderNotFound."""
    found = IdentityProvider.objects.select_for_update(no_key=True).filter(pk=provider_id).first()
    if found is None:
        raise ProviderNotFound(f"There is no identity provider with the id {provider_id}.")
    return found


def client_secret_of(provider: IdentityProvider, *, sealing_keys: Sequence[SealingKey]) -> str:
    """Return what we prove ourselves with there; empty where there is none. Raises SealBroken."""
    row = ProviderSecret.objects.filter(provider=provider).first()
    if row is None:
        return ""
    sealed = Sealed(row.sealing_key, bytes(row.nonce), bytes(row.ciphertext))
    return unseal_secret(sealed, owner=_owner(provider), keys=sealing_keys).decode()


def clean_domains(texts: Iterable[str]) -> list[str]:
    """Return mail domains, each once, sorted. Raises ProviderRefused."""
    domains = sorted({text.strip().lower().removeprefix("@") for text in texts if text.strip()})
    for domain in domains:
        if not _DOMAIN.fullmatch(domain):
            raise ProviderRefused(f"{domain!r} is no mail domain: give one such as acme.example.")
    return domains


def _oidc_fields(new: NewProvider) -> dict[str, str]:
    if not new.client_id.strip():
        raise ProviderRefused("The identity provider knows us by a client id: give the one it made for Bursar.")
    return {"issuer": _clean_url(new.issuer, what="issuer"), "client_id": new.client_id.strip()}


def _saml_fields(new: NewProvider) -> dict[str, str]:
    if not new.issuer.strip():
        raise ProviderRefused("The identity provider signs as an entity: give its entity id.")
    try:
        x509.load_pem_x509_certificate(new.certificate.strip().encode())
    except ValueError as error:
        raise ProviderRefused(
            "The certificate cannot be read: paste it whole, from BEGIN CERTIFICATE to END CERTIFICATE."
        ) from error
    return {
        "issuer": new.issuer.strip(),
        "sso_url": _clean_url(new.sso_url, what="address for logging in"),
        "certificate": new.certificate.strip(),
    }


def _clean_url(text: str, *, what: str) -> str:
    parts = urlsplit(text.strip())
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname or parts.username or parts.fragment:
        raise ProviderRefused(f"The {what} is no https:// address: copy it from the identity provider.")
    return text.strip()


def _set_trust(provider: IdentityProvider, trust: Trust) -> None:
    if not trust.groups_claim.strip():
        raise ProviderRefused('Groups stand in a claim: name it, such as "groups".')
    provider.domains = clean_domains(trust.domains)
    provider.groups_claim = trust.groups_claim.strip()
    provider.are_addresses_trusted = trust.are_addresses_trusted
    provider.is_open_to_new_people = trust.is_open_to_new_people
    provider.is_second_factor_trusted = trust.is_second_factor_trusted


def _write_secret(provider: IdentityProvider, secret: str, *, sealing_keys: Sequence[SealingKey]) -> None:
    if not secret.strip() or len(secret) > _MAX_SECRET:
        raise ProviderRefused(f"A client secret has 1 to {_MAX_SECRET} characters: copy it from the identity provider.")
    sealed = seal_secret(secret.strip().encode(), owner=_owner(provider), keys=sealing_keys)
    ProviderSecret.objects.update_or_create(
        provider=provider,
        defaults={"sealing_key": sealed.key_id, "nonce": sealed.nonce, "ciphertext": sealed.ciphertext},
    )


def _owner(provider: IdentityProvider) -> str:
    return f"bursar.identity-provider:{provider.pk}"


def _facts(provider: IdentityProvider) -> dict[str, object]:
    return {
        "name": provider.name,
        "is_enabled": provider.is_enabled,
        "domains": provider.domains,
        "groups_claim": provider.groups_claim,
        "are_addresses_trusted": provider.are_addresses_trusted,
        "is_open_to_new_people": provider.is_open_to_new_people,
        "is_second_factor_trusted": provider.is_second_factor_trusted,
    }
