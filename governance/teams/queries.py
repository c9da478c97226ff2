"""Reading tenancy."""

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from governance.teams.errors import (
    CostCentreNotFound,
    OrganisationNotFound,
    PersonNotFound,
    TeamNotFound,
    UnitNotFound,
)
from governance.teams.models import (
    BusinessUnit,
    CostCentre,
    Membership,
    Organisation,
    OrganisationRole,
    Team,
    UnitOwner,
    User,
)

Row = TypeVar("Row", bound=Model)


def organisation(*, organisation_id: int) -> Organisation:
    """Return the organisation. Raises OrganisationNotFound."""
    found = Organisation.objects.filter(id=organisation_id).first()
    if found is None:
        raise OrganisationNotFound(f"There is no organisation with the id {organisation_id}.")
    return found


def is_only_organisation(*, organisation_id: int) -> bool:
    """Return whether the installation has no other organisation than this one."""
    return not Organisation.objects.exclude(id=organisation_id).exists()


def organisation_named(*, name: str | None = None) -> Organisation:
    """Return the organisation of this name; without a name the only one there is. Raises OrganisationNotFound."""
    found = list(Organisation.objects.filter(name=name) if name is not None else Organisation.objects.all()[:2])
    if len(found) == 1:
        return found[0]
    if name is not None:
        raise OrganisationNotFound(f"There is no organisation {name!r}.")
    if not found:
        raise OrganisationNotFound("There is no organisation yet: `bursar up` makes the first one.")
    raise OrganisationNotFound("There are several organisations: say which one with --organisation.")


def unit(*, unit_id: int) -> BusinessUnit:
    """Return the business unit. Raises UnitNotFound."""
    found = BusinessUnit.objects.filter(id=unit_id).first()
    if found is None:
        raise UnitNotFound(f"There is no business unit with the id {unit_id}.")
    return found


def unit_named(*, organisation: Organisation, name: str) -> BusinessUnit:
    """Return the organisation's unit of this name. Raises UnitNotFound."""
    found = organisation.units.filter(name=name).first()
    if found is None:
        raise UnitNotFound(f"{organisation} has no business unit {name!r}. {_choices(organisation.units.all())}")
    return found


def cost_centre(*, cost_centre_id: int) -> CostCentre:
    """Return the cost centre. Raises CostCentreNotFound."""
    found = CostCentre.objects.filter(id=cost_centre_id).first()
    if found is None:
        raise CostCentreNotFound(f"There is no cost centre with the id {cost_centre_id}.")
    return found


def team(*, team_id: int, is_locked: bool = False) -> Team:
    """Return the team, locked for a change if asked. Raises TeamNotFound."""
    teams = Team.objects.select_for_update(no_key=True) if is_locked else Team.objects
    found = teams.filter(id=team_id).first()
    if found is None:
        raise TeamNotFound(f"There is no team with the id {team_id}.")
    return found


def team_named(*, organisation: Organisation, name: str) -> Team:
    """Return the organisation's team of this name. Raises TeamNotFound."""
    found = organisation.teams.filter(name=name).first()
    if found is None:
        raise TeamNotFound(f"{organisation} has no team {name!r}. {_choices(organisation.teams.all())}")
    return found


def person(*, user_id: int, is_locked: bool = False) -> User:
    """Return the person, locked for a change if asked. Raises PersonNotFound."""
    people = User.objects.select_for_update(no_key=True) if is_locked else User.objects
    found = people.filter(id=user_id).first()
    if found is None:
        raise PersonNotFound(f"There is nobody with the id {user_id}.")
    return found


def person_named(*, email: str) -> User:
    """Return the person with this e-mail address. Raises PersonNotFound."""
    found = User.objects.filter(email=email.strip().lower()).first()
    if found is None:
        raise PersonNotFound(f"There is nobody with the address {email}.")
    return found


def teams_of(*, organisation_id: int) -> QuerySet[Team]:
    """Return the organisation's teams that are not archived, by name, with their unit and cost centre."""
    return Team.objects.filter(organisation_id=organisation_id, archived_at=None).select_related("unit", "cost_centre")


def members_of(*, team_id: int) -> QuerySet[Membership]:
    """Return the team's memberships with their people, by address."""
    return Membership.objects.filter(team_id=team_id).select_related("user").order_by("user__email")


def people_of(*, organisation_id: int) -> QuerySet[User]:
    """Return everybody with a role, a unit or a team in the organisation, by address.

    Who has neither anywhere is among them where there is one organisation, so that it can take them in.
    """
    is_only_one = not Organisation.objects.exclude(id=organisation_id).exists()
    homeless = Q(organisation_roles=None, memberships=None, owned_units=None) if is_only_one else Q(pk__in=[])
    here = (
        Q(organisation_roles__organisation_id=organisation_id)
        | Q(memberships__team__organisation_id=organisation_id)
        | Q(owned_units__unit__organisation_id=organisation_id)
    )
    return (
        User.objects.filter(here | homeless)
        .distinct()
        .order_by("email")
        .prefetch_related("organisation_roles", "memberships__team")
    )


def homes_of(*, user_id: int) -> frozenset[int]:
    """Return the organisations in which the person has a role, a unit or a team, archived teams left out."""
    units = UnitOwner.objects.filter(user_id=user_id).values_list("unit__organisation_id", flat=True)
    roles = OrganisationRole.objects.filter(user_id=user_id).values_list("organisation_id", flat=True)
    memberships = Membership.objects.filter(user_id=user_id, team__archived_at=None)
    return frozenset(roles) | frozenset(units) | frozenset(memberships.values_list("team__organisation_id", flat=True))


def _choices(rows: QuerySet[Row]) -> str:
    names = ", ".join(repr(str(row)) for row in rows[:10])
    return f"There is: {names}." if names else "It has none yet."
