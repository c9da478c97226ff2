"""What people type about identity providers and what groups give, validated with sentences."""

from typing import Any, cast

from django import forms

from governance.identity.models import IdentityProvider
from governance.identity.optional import HAS_SAML
from governance.identity.providers import NewProvider, Trust
from governance.teams.models import Team
from governance.teams.people import Part, Role
from governance.viewing.viewer import Viewer

_HIDDEN = {"autocomplete": "off"}


class TrustForm(forms.Form):
    """How far an identity provider is believed."""

    domains = forms.CharField(
        required=False,
        max_length=2000,
        label="Mail domains it vouches for",
        help_text="Separated by blanks. Only people with such an address are joined to accounts that are there.",
    )
    groups_claim = forms.CharField(
        max_length=200,
        initial="groups",
        label="Claim or attribute with somebody's groups",
        help_text="What groups give is on the page of identity providers.",
    )
    is_open_to_new_people = forms.BooleanField(
        required=False,
        label="Whoever it sends gets an account",
        help_text="Unless this is ticked, only people who were invited or provisioned come in.",
    )
    are_addresses_trusted = forms.BooleanField(
        required=False,
        label="Its addresses are trusted",
        help_text="Tick it where only your own people can have an address there, and it does not say that it was "
        "verified: SAML never says so.",
    )
    is_second_factor_trusted = forms.BooleanField(
        required=False,
        label="It asks for a second factor itself",
        help_text="Then nobody who comes through it needs another one here.",
    )

    def trust(self) -> Trust:
        """Return what was chosen."""
        found = self.cleaned_data
        return Trust(
            domains=tuple(found["domains"].split()),
            groups_claim=found["groups_claim"],
            is_open_to_new_people=found["is_open_to_new_people"],
            are_addresses_trusted=found["are_addresses_trusted"],
            is_second_factor_trusted=found["is_second_factor_trusted"],
        )


class NewProviderForm(TrustForm):
    """An identity provider, before what its protocol asks."""

    kind: IdentityProvider.Kind
    field_order = ("name", "slug", "issuer", "client_id", "client_secret", "sso_url", "certificate")

    name = forms.CharField(max_length=100, help_text="What people know it by: it stands on the log-in page.")
    slug = forms.CharField(
        max_length=40,
        label="Short name",
        help_text="Stands in addresses, such as acme-okta. It never changes.",
    )

    def new_provider(self, viewer: Viewer) -> NewProvider:
        """Return what was asked for."""
        found = self.cleaned_data
        own = ("name", "slug", "issuer", "client_id", "client_secret", "sso_url", "certificate")
        return NewProvider(
            organisation_id=viewer.organisation.pk,
            kind=self.kind,
            trust=self.trust(),
            **{name: found[name] for name in own if name in found},
        )


class NewOidcForm(NewProviderForm):
    """An OpenID provider."""

    kind = IdentityProvider.Kind.OIDC

    issuer = forms.CharField(max_length=2000, help_text="Exactly as it names itself, such as https://acme.okta.com.")
    client_id = forms.CharField(max_length=191, label="Client id", help_text="The one it made for Bursar.")
    client_secret = forms.CharField(
        required=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs=_HIDDEN),
        label="Client secret",
        help_text="It is sealed, and nobody sees it again.",
    )


class NewSamlForm(NewProviderForm):
    """A SAML provider."""

    kind = IdentityProvider.Kind.SAML

    issuer = forms.CharField(max_length=2000, label="Entity id", help_text="Of the provider, as its metadata says it.")
    sso_url = forms.CharField(
        max_length=2000,
        label="Address for logging in",
        help_text="Its SingleSignOnService with the binding HTTP-Redirect.",
    )
    certificate = forms.CharField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        label="Certificate",
        help_text="With which it signs, from BEGIN CERTIFICATE to END CERTIFICATE.",
    )


class ChangeProviderForm(TrustForm):
    """What can change of an identity provider."""

    client_secret = forms.CharField(
        required=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs=_HIDDEN),
        label="Another client secret",
        help_text="Leave it empty to keep the one that is there.",
    )
    is_enabled = forms.BooleanField(required=False, label="People log in through it")

    def __init__(self, *args: Any, provider: IdentityProvider) -> None:
        super().__init__(*args)
        self.initial = {
            "domains": " ".join(provider.domains),
            "groups_claim": provider.groups_claim,
            "is_open_to_new_people": provider.is_open_to_new_people,
            "are_addresses_trusted": provider.are_addresses_trusted,
            "is_second_factor_trusted": provider.is_second_factor_trusted,
            "is_enabled": provider.is_enabled,
        }
        if provider.kind != IdentityProvider.Kind.OIDC:
            del self.fields["client_secret"]


class GroupRuleForm(forms.Form):
    """What a group gives."""

    group = forms.CharField(max_length=256, help_text="Its name or id, exactly as the identity provider sends it.")
    gives = forms.ChoiceField(label="Gives")

    def __init__(self, *args: Any, viewer: Viewer) -> None:
        super().__init__(*args)
        teams = list(Team.objects.filter(organisation=viewer.organisation, archived_at=None))
        cast("forms.ChoiceField", self.fields["gives"]).choices = [
            *[(f"role:{role}", f"the role {role}") for role in Role.values],
            *[(f"{part}:{team.pk}", f"{part} of {team.name}") for team in teams for part in reversed(Part.values)],
        ]

    def given(self) -> tuple[Role | None, int | None, Part | None]:
        """Return the role, or the team and the part in it."""
        kind, _, value = self.cleaned_data["gives"].partition(":")
        if kind == "role":
            return Role(value), None, None
        return None, int(value), Part(kind)


FORMS: dict[str, type[NewProviderForm]] = {"oidc": NewOidcForm} | ({"saml": NewSamlForm} if HAS_SAML else {})
