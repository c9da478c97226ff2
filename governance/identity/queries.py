"""Reading who belongs to an organisation, also by what lets them in."""

from allauth.socialaccount.models import SocialAccount
from django.db.models import Q, QuerySet

from governance.identity.models import GroupRule, IdentityProvider, ScimPerson
from governance.identity.optional import HAS_SAML
from governance.teams import queries as teams
from governance.teams.models import User


def people_of(*, organisation_id: int) -> QuerySet[User]:
    """Return everybody of the organisation by address, those included who have no right yet.

    They came by its identity providers and belong to nobody else, or its directory made them.
    """
    by_rights = teams.people_of(organisation_id=organisation_id)
    slugs = providers_of(organisation_id=organisation_id).values_list("slug", flat=True)
    arrived = SocialAccount.objects.filter(provider__in=list(slugs)).values("user_id")
    provisioned = ScimPerson.objects.filter(organisation_id=organisation_id, removed_at=None).values("user_id")
    homeless = Q(pk__in=arrived, organisation_roles=None, memberships=None) | Q(pk__in=provisioned)
    return (
        User.objects.filter(Q(pk__in=by_rights.values("pk")) | homeless)
        .distinct()
        .order_by("email")
        .prefetch_related("organisation_roles", "memberships__team")
    )


def providers_of(*, organisation_id: int) -> QuerySet[IdentityProvider]:
    """Return the organisation's identity providers, by name."""
    return IdentityProvider.objects.filter(organisation_id=organisation_id)


def enabled_providers() -> QuerySet[IdentityProvider]:
    """Return the identity providers through which people log in, by name."""
    providers = IdentityProvider.objects.filter(is_enabled=True)
    return providers if HAS_SAML else providers.exclude(kind=IdentityProvider.Kind.SAML)


def group_rules_of(*, organisation_id: int) -> QuerySet[GroupRule]:
    """Return what groups give, by group."""
    return GroupRule.objects.filter(organisation_id=organisation_id).select_related("team")
