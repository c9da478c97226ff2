"""Writing tenancy: organisations, units, cost centres and teams. Each change and its audit row share a transaction."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.teams import queries
from governance.teams.errors import NameTaken, TenancyRefused
from governance.teams.models import BusinessUnit, CostCentre, Organisation, Team
from governance.teams.names import clean_name, clean_regions, clean_tag, clean_zone
from governance.teams.taken import refusing_taken


class NewTeam(msgspec.Struct, frozen=True, kw_only=True):
    """A team to be made. Every request of a team must carry its `required_tags`."""

    organisation_id: int
    unit_id: int
    cost_centre_id: int
    name: str
    required_tags: tuple[str, ...] = ()


@transaction.atomic
def create_organisation(*, actor: Actor, name: str, zone: str = "UTC") -> Organisation:
    """Make an organisation whose accounting months begin in this IANA zone. Raises NameTaken, ZoneUnknown."""
    name = clean_name(name, what="organisation's name")
    zone = clean_zone(zone)
    with refusing_taken(NameTaken(f"There is an organisation {name!r} already: choose another name.")):
        organisation = Organisation.objects.create(name=name, zone=zone)
    audit.record(
        actor=actor,
        action="organisation.created",
        subject=f"organisation:{organisation.id}",
        after={"name": name, "zone": zone},
    )
    return organisation


@transaction.atomic
def create_unit(*, actor: Actor, organisation_id: int, name: str) -> BusinessUnit:
    """Make a business unit. Raises OrganisationNotFound, NameTaken."""
    organisation = queries.organisation(organisation_id=organisation_id)
    name = clean_name(name, what="business unit's name")
    with refusing_taken(NameTaken(f"{organisation} has a business unit {name!r} already: choose another name.")):
        unit = BusinessUnit.objects.create(organisation=organisation, name=name)
    audit.record(
        actor=actor,
        action="unit.created",
        subject=f"unit:{unit.id}",
        after={"name": name, "organisation_id": organisation.id},
    )
    return unit


@transaction.atomic
def create_cost_centre(*, actor: Actor, organisation_id: int, code: str, name: str = "") -> CostCentre:
    """Make a cost centre. Raises OrganisationNotFound, NameTaken."""
    organisation = queries.organisation(organisation_id=organisation_id)
    code = clean_name(code, what="cost centre's code")
    name = clean_name(name, what="cost centre's name") if name else ""
    with refusing_taken(NameTaken(f"{organisation} has a cost centre {code!r} already: choose another code.")):
        centre = CostCentre.objects.create(organisation=organisation, code=code, name=name)
    audit.record(
        actor=actor,
        action="cost_centre.created",
        subject=f"cost_centre:{centre.id}",
        after={"code": code, "name": name, "organisation_id": organisation.id},
    )
    return centre


@transaction.atomic
def create_team(*, actor: Actor, new: NewTeam) -> Team:
    """Make a team. Raises NameTaken, UnitNotFound, CostCentreNotFound, TenancyRefused."""
    organisation = queries.organisation(organisation_id=new.organisation_id)
    unit = queries.unit(unit_id=new.unit_id)
    centre = queries.cost_centre(cost_centre_id=new.cost_centre_id)
    if {unit.organisation_id, centre.organisation_id} != {organisation.id}:
        raise TenancyRefused(f"The unit and the cost centre of a team of {organisation} must belong to it.")
    name = clean_name(new.name, what="team's name")
    tags = _clean_tag_names(new.required_tags)
    with refusing_taken(NameTaken(f"{organisation} has a team {name!r} already: choose another name.")):
        team = Team.objects.create(
            organisation=organisation, unit=unit, cost_centre=centre, name=name, required_tags=tags
        )
    audit.record(actor=actor, action="team.created", subject=f"team:{team.id}", after=_team_facts(team))
    return team


@transaction.atomic
def require_tags(*, actor: Actor, team_id: int, tags: Iterable[str]) -> Team:
    """Set the tags that every request of the team must carry (none: no tag is required). Raises TeamNotFound."""
    team = queries.team(team_id=team_id, is_locked=True)
    before = _team_facts(team)
    team.required_tags = _clean_tag_names(tags)
    team.save(update_fields=["required_tags"])
    audit.record(
        actor=actor,
        action="team.required_tags_changed",
        subject=f"team:{team.id}",
        before=before,
        after=_team_facts(team),
    )
    return team


@transaction.atomic
def keep_in_regions(
    *,
    actor: Actor,
    organisation_id: int,
    unit_id: int | None = None,
    team_id: int | None = None,
    regions: Iterable[str],
) -> list[str]:
    """Keep the requests of a team, a unit or the whole organisation in these regions (none: anywhere) and return them.

    Raises NameRefused, TenancyRefused and the NotFound errors of queries.
    """
    wanted = clean_regions(regions)
    kept: Organisation | BusinessUnit | Team
    if team_id is not None:
        kept = queries.team(team_id=team_id, is_locked=True)
    elif unit_id is not None:
        kept = queries.unit(unit_id=unit_id)
    else:
        kept = queries.organisation(organisation_id=organisation_id)
    if not isinstance(kept, Organisation) and kept.organisation_id != organisation_id:
        raise TenancyRefused(f"{kept} belongs to another organisation.")
    before, kept.regions = list(kept.regions), wanted
    if before == wanted:
        return wanted
    kept.save(update_fields=["regions"])
    kind = "team" if isinstance(kept, Team) else "unit" if isinstance(kept, BusinessUnit) else "organisation"
    audit.record(
        actor=actor,
        action=f"{kind}.regions_changed",
        subject=f"{kind}:{kept.pk}",
        before={"regions": before},
        after={"regions": wanted},
    )
    return wanted


@transaction.atomic
def move_team(*, actor: Actor, team_id: int, cost_centre_id: int) -> Team:
    """Book the team's spend from now on to another cost centre; what is booked stays. Raises TenancyRefused."""
    team = queries.team(team_id=team_id, is_locked=True)
    centre = queries.cost_centre(cost_centre_id=cost_centre_id)
    if centre.organisation_id != team.organisation_id:
        raise TenancyRefused(f"The cost centre {centre} belongs to another organisation than the team {team}.")
    before = _team_facts(team)
    team.cost_centre = centre
    team.save(update_fields=["cost_centre"])
    audit.record(
        actor=actor,
        action="team.cost_centre_changed",
        subject=f"team:{team.id}",
        before=before,
        after=_team_facts(team),
    )
    return team


@transaction.atomic
def archive_team(*, actor: Actor, at: datetime, team_id: int, reason: str = "") -> Team:
    """Archive the team: its keys stop working, its records stay. Archiving twice changes nothing."""
    team = queries.team(team_id=team_id, is_locked=True)
    if team.archived_at is not None:
        return team
    team.archived_at = at
    team.save(update_fields=["archived_at"])
    audit.record(
        actor=actor,
        action="team.archived",
        subject=f"team:{team.id}",
        after={"archived_at": at.isoformat()},
        reason=reason,
    )
    return team


def _clean_tag_names(tags: Iterable[str]) -> list[str]:
    return sorted({clean_tag(tag) for tag in tags})


def _team_facts(team: Team) -> dict[str, object]:
    return {
        "name": team.name,
        "organisation_id": team.organisation_id,
        "unit_id": team.unit_id,
        "cost_centre_id": team.cost_centre_id,
        "required_tags": list(team.required_tags),
    }
