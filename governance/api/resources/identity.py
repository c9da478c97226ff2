"""Identity providers, what their groups give, and the tokens by which a directory provisions people (SCIM)."""

from typing import Any

import msgspec
from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import IdField, NameField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.core.clock import utc_now
from governance.identity.group_rules import add_rule, remove_rule
from governance.identity.models import IdentityProvider
from governance.identity.optional import HAS_SAML
from governance.identity.providers import NewProvider, Trust, add_provider, change_provider, replace_secret
from governance.identity.queries import group_rules_of, providers_of
from governance.identity.scim import tokens
from governance.teams.people import Part, Role
from governance.viewing.viewer import Viewer

_READERS = "Only administrators and auditors see identity providers."
_ADMINISTRATORS = "Only administrators change how people log in. Ask one of them."
_KINDS = [kind for kind in IdentityProvider.Kind.values if HAS_SAML or kind != IdentityProvider.Kind.SAML]
_LONGEST_ADDRESS = 2000
_LONGEST_CERTIFICATE = 20_000
_LONGEST_SECRET = 1024


class TrustShape(Shape):
    """How far an identity provider is believed."""

    domains = serializers.ListField(child=serializers.CharField(), help_text="The mail domains it vouches for.")
    groups_claim = serializers.CharField(help_text="The claim or attribute that names somebody's groups.")
    are_addresses_trusted = serializers.BooleanField()
    is_open_to_new_people = serializers.BooleanField()
    is_second_factor_trusted = serializers.BooleanField()


class ProviderShape(TrustShape):
    """A company's own log-in: never its secret."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    slug = serializers.CharField()
    name = serializers.CharField()
    issuer = serializers.CharField()
    client_id = serializers.CharField()
    sso_url = serializers.CharField()
    certificate = serializers.CharField()
    is_enabled = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class TrustBody(Body):
    """How far it is to be believed. What is left out stays as it is, or as little as there is."""

    domains = serializers.ListField(child=serializers.CharField(max_length=253), required=False, max_length=200)
    groups_claim = serializers.CharField(required=False, max_length=200)
    are_addresses_trusted = serializers.BooleanField(required=False)
    is_open_to_new_people = serializers.BooleanField(required=False)
    is_second_factor_trusted = serializers.BooleanField(required=False)


class NewProviderBody(TrustBody):
    """An identity provider to be added: OIDC has a client id, SAML an address and a certificate (PEM)."""

    kind = serializers.ChoiceField(choices=_KINDS)
    slug = serializers.CharField(max_length=40, help_text="Stands in addresses, and never changes.")
    name = NameField(help_text="It stands on the page for logging in.")
    issuer = serializers.CharField(max_length=_LONGEST_ADDRESS, help_text="As it names itself; of SAML the entity id.")
    client_id = serializers.CharField(required=False, max_length=191, allow_blank=True)
    client_secret = serializers.CharField(
        required=False,
        max_length=_LONGEST_SECRET,
        allow_blank=True,
        help_text="Sealed, and nobody sees it again.",
    )
    sso_url = serializers.CharField(required=False, max_length=_LONGEST_ADDRESS, allow_blank=True)
    certificate = serializers.CharField(required=False, max_length=_LONGEST_CERTIFICATE, allow_blank=True)


class ProviderChangeBody(TrustBody):
    """What is to be different. What is left out stays."""

    is_enabled = serializers.BooleanField(required=False)


class SecretBody(Body):
    """Another client secret."""

    client_secret = serializers.CharField(max_length=_LONGEST_SECRET)


class GroupRuleShape(Shape):
    """What everybody in a group gets: a role in the organisation, or a part in a team."""

    id = serializers.IntegerField()
    group = serializers.CharField()
    role = serializers.CharField()
    team_id = serializers.IntegerField(allow_null=True)
    part = serializers.CharField()


class NewGroupRuleBody(Body):
    """What a group is to give: a role, or a part in a team."""

    group = serializers.CharField(max_length=256, help_text="Exactly as the identity provider sends it.")
    role = serializers.ChoiceField(choices=Role.values, required=False)
    team_id = IdField(required=False)
    part = serializers.ChoiceField(choices=Part.values, required=False)

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """A team is given with a part in it."""
        if ("team_id" in wanted) != ("part" in wanted):
            raise serializers.ValidationError("A team is given with a part in it: say both, or neither.")
        return wanted


class ScimTokenShape(Shape):
    """A directory's token: never its text."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    public_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewScimTokenBody(Body):
    """A token to be issued."""

    name = NameField(help_text="Which directory uses it.")


class IssuedScimTokenShape(Shape):
    """A token and its text, which is shown this once."""

    token = ScimTokenShape()
    text = serializers.CharField(help_text="Shown this once, and kept nowhere: bscim_...")


class Providers(ApiView):
    """All identity providers."""

    area = "people"

    @described(answer=paged(ProviderShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the identity providers, the newest first."""
        rows = providers_of(organisation_id=_reader(self.caller.viewer).organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), ProviderShape)

    @described(
        answer=ProviderShape,
        body=NewProviderBody,
        status=201,
        example={
            "kind": "oidc",
            "slug": "acme-okta",
            "name": "Acme",
            "issuer": "https://acme.okta.com",
            "client_id": "0oa1",
            "client_secret": "what it made for Bursar",
            "domains": ["acme.example"],
        },
    )
    @changes
    def post(self, request: Request) -> Response:
        """Add an identity provider, and seal its secret."""
        wanted, viewer = read_body(NewProviderBody, request), _administrator(self.caller.viewer)
        own = {name: wanted[name] for name in NewProvider.__struct_fields__ if name in wanted}
        new = NewProvider(
            **own | {"kind": IdentityProvider.Kind(wanted["kind"])},
            organisation_id=viewer.organisation.pk,
            trust=_trust(Trust(), wanted),
        )
        added = add_provider(actor=viewer.actor, new=new, sealing_keys=settings.ENVIRONMENT.sealing_keys)
        return Response(ProviderShape(added).data, status=201)


class OneProvider(ApiView):
    """One identity provider."""

    area = "people"

    @described(answer=ProviderShape)
    def get(self, request: Request, provider_id: int) -> Response:
        """Show one identity provider."""
        return Response(ProviderShape(_provider(_reader(self.caller.viewer), provider_id)).data)

    @described(answer=ProviderShape, body=ProviderChangeBody, example={"is_enabled": False})
    @changes
    def patch(self, request: Request, provider_id: int) -> Response:
        """Change how far it is believed, and whether anybody comes through it."""
        wanted, viewer = read_body(ProviderChangeBody, request), _administrator(self.caller.viewer)
        provider = _provider(viewer, provider_id)
        present = Trust(**{name: getattr(provider, name) for name in Trust.__struct_fields__})
        changed = change_provider(
            actor=viewer.actor,
            provider_id=provider_id,
            is_enabled=wanted.get("is_enabled", provider.is_enabled),
            trust=_trust(present, wanted),
        )
        return Response(ProviderShape(changed).data)


class ProviderSecret(ApiView):
    """What we prove ourselves with there."""

    area = "people"

    @described(body=SecretBody, status=204, example={"client_secret": "another one"})
    @changes
    def put(self, request: Request, provider_id: int) -> Response:
        """Seal another client secret over the former one."""
        wanted, viewer = read_body(SecretBody, request), _administrator(self.caller.viewer)
        _provider(viewer, provider_id)
        replace_secret(
            actor=viewer.actor,
            provider_id=provider_id,
            client_secret=wanted["client_secret"],
            sealing_keys=settings.ENVIRONMENT.sealing_keys,
        )
        return Response(status=204)


class GroupRules(ApiView):
    """All of what groups give."""

    area = "people"

    @described(answer=paged(GroupRuleShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List what groups of identity providers give, the newest first."""
        rows = group_rules_of(organisation_id=_reader(self.caller.viewer).organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), GroupRuleShape)

    @described(
        answer=GroupRuleShape,
        body=NewGroupRuleBody,
        status=201,
        example={"group": "engineering", "team_id": 7, "part": "developer"},
    )
    @changes
    def post(self, request: Request) -> Response:
        """Let a group give a role, or a part in a team: to whoever is known to be in it, and to all who come."""
        wanted, viewer = read_body(NewGroupRuleBody, request), _administrator(self.caller.viewer)
        rule = add_rule(
            actor=viewer.actor,
            organisation_id=viewer.organisation.pk,
            group=wanted["group"],
            role=Role(wanted["role"]) if "role" in wanted else None,
            team_id=wanted.get("team_id"),
            part=Part(wanted["part"]) if "part" in wanted else None,
        )
        return Response(GroupRuleShape(rule).data, status=201)


class OneGroupRule(ApiView):
    """What one group gives."""

    area = "people"

    @described(status=204)
    @changes
    def delete(self, request: Request, group_rule_id: int) -> Response:
        """Take back what a group gives, from everybody who has it by the group."""
        viewer = _administrator(self.caller.viewer)
        found(group_rules_of(organisation_id=viewer.organisation.pk), group_rule_id, what="rule of a group")
        remove_rule(actor=viewer.actor, organisation_id=viewer.organisation.pk, rule_id=group_rule_id)
        return Response(status=204)


class ScimTokens(ApiView):
    """All tokens of directories."""

    area = "people"

    @described(answer=paged(ScimTokenShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the tokens of directories that work, the newest first."""
        rows = tokens.tokens_of(organisation_id=_administrator(self.caller.viewer).organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), ScimTokenShape)

    @described(answer=IssuedScimTokenShape, body=NewScimTokenBody, status=201, example={"name": "Okta"})
    @changes
    def post(self, request: Request) -> Response:
        """Issue a token for a directory, which provisions people and groups at `/scim/v2`. The text is shown once."""
        wanted, viewer = read_body(NewScimTokenBody, request), _administrator(self.caller.viewer)
        issued = tokens.issue_token(
            actor=viewer.actor,
            organisation_id=viewer.organisation.pk,
            name=wanted["name"],
            pepper=settings.ENVIRONMENT.key_pepper,
        )
        return Response(IssuedScimTokenShape({"token": issued.token, "text": issued.text}).data, status=201)


class ScimTokenRevocation(ApiView):
    """An end."""

    area = "people"

    @described(answer=ScimTokenShape)
    @changes
    def post(self, request: Request, scim_token_id: int) -> Response:
        """Stop a directory's token for good, from its next request on."""
        viewer = _administrator(self.caller.viewer)
        token = tokens.revoke_token(
            actor=viewer.actor, at=utc_now(), organisation_id=viewer.organisation.pk, token_id=scim_token_id
        )
        return Response(ScimTokenShape(token).data)


def _trust(present: Trust, wanted: dict[str, Any]) -> Trust:
    given = {name: wanted[name] for name in Trust.__struct_fields__ if name in wanted}
    return msgspec.structs.replace(present, **given | {"domains": tuple(given.get("domains", present.domains))})


def _reader(viewer: Viewer) -> Viewer:
    ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)
    return viewer


def _administrator(viewer: Viewer) -> Viewer:
    ensure(viewer.may_administer, _ADMINISTRATORS)
    return viewer


def _provider(viewer: Viewer, provider_id: int) -> IdentityProvider:
    return found(providers_of(organisation_id=viewer.organisation.pk), provider_id, what="identity provider")
