"""Opening teams by the names of what they belong to, and changing what they are called and where they belong."""

from collections.abc import Iterable

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.teams import queries
from governance.teams.errors import NameTaken
from governance.teams.models import BusinessUnit, CostCentre, Organisation, Team
from governance.teams.names import clean_name, clean_tag
from governance.teams.operations import NewTeam, create_cost_centre, create_team, create_unit
from governance.teams.taken import refusing_taken


class TeamWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a team is to be. Its unit and cost centre (a code) are made where the organisation has none so called."""

    name: str
    unit: str
    cost_centre: str
    required_tags: tuple[str, ...] = ()


@transaction.atomic
def open_team(*, actor: Actor, organisation_id: int, wish: TeamWish) -> Team:
    """Make a team, and what it belongs to where that is new. Raises NameTaken, NameRefused."""
    new = NewTeam(
        organisation_id=organisation_id,
        unit_id=_unit(actor, organisation_id, wish.unit).pk,
        cost_centre_id=_cost_centre(actor, organisation_id, wish.cost_centre).pk,
        name=wish.name,
        required_tags=wish.required_tags,
    )
    return create_team(actor=actor, new=new)


@transaction.atomic
def change_team(*, actor: Actor, team_id: int, wish: TeamWish, reason: str = "") -> Team:
    """Call a team otherwise, move it to another unit or cost centre, or have its requests carry other tags.

    What is spent stays where it was booked; budgets of the new unit pay from now on. Raises TeamNotFound, NameTaken,
    NameRefused.
    """
    team = queries.team(team_id=team_id, is_locked=True)
    before = _facts(team)
    team.name = clean_name(wish.name, what="team's name")
    team.unit = _unit(actor, team.organisation_id, wish.unit)
    team.cost_centre = _cost_centre(actor, team.organisation_id, wish.cost_centre)
    team.required_tags = _tags(wish.required_tags)
    after = _facts(team)
    if before == after:
        return team
    with refusing_taken(NameTaken(f"{team.organisation} has a team {team.name!r} already: choose another name.")):
        team.save(update_fields=["name", "unit", "cost_centre", "required_tags"])
    audit.record(
        actor=actor, action="team.changed", subject=f"team:{team.pk}", before=before, after=after, reason=reason
    )
    return team


@transaction.atomic
def rename_organisation(*, actor: Actor, organisation_id: int, name: str) -> Organisation:
    """Call the organisation otherwise. Raises OrganisationNotFound, NameTaken, NameRefused."""
    organisation = queries.organisation(organisation_id=organisation_id)
    before, organisation.name = organisation.name, clean_name(name, what="organisation's name")
    if before == organisation.name:
        return organisation
    with refusing_taken(NameTaken(f"There is an organisation {organisation.name!r} already: choose another name.")):
        organisation.save(update_fields=["name"])
    audit.record(
        actor=actor,
        action="organisation.renamed",
        subject=f"organisation:{organisation.pk}",
        before={"name": before},
        after={"name": organisation.name},
    )
    return organisation


@transaction.atomic
def rename_unit(*, actor: Actor, unit_id: int, name: str) -> BusinessUnit:
    """Call a business unit otherwise. Raises UnitNotFound, NameTaken, NameRefused."""
    unit = queries.unit(unit_id=unit_id)
    before, unit.name = unit.name, clean_name(name, what="business unit's name")
    if before == unit.name:
        return unit
    taken = NameTaken(f"{unit.organisation} has a business unit {unit.name!r} already: choose another name.")
    with refusing_taken(taken):
        unit.save(update_fields=["name"])
    audit.record(
        actor=actor,
        action="unit.renamed",
        subject=f"unit:{unit.pk}",
        before={"name": before},
        after={"name": unit.name},
    )
    return unit


def _unit(actor: Actor, organisation_id: int, name: str) -> BusinessUnit:
    name = clean_name(name, what="business unit's name")
    found = BusinessUnit.objects.filter(organisation_id=organisation_id, name=name).first()
    return found or create_unit(actor=actor, organisation_id=organisation_id, name=name)


def _cost_centre(actor: Actor, organisation_id: int, code: str) -> CostCentre:
    code = clean_name(code, what="cost centre's code")
    found = CostCentre.objects.filter(organisation_id=organisation_id, code=code).first()
    return found or create_cost_centre(actor=actor, organisation_id=organisation_id, code=code)


def _tags(tags: Iterable[str]) -> list[str]:
    return sorted({clean_tag(tag) for tag in tags})


def _facts(team: Team) -> dict[str, object]:
    return {
        "name": team.name,
        "unit": str(team.unit),
        "cost_centre": str(team.cost_centre),
        "required_tags": list(team.required_tags),
    }
