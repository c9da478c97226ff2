"""Whose something is, by ids: an organisation, narrowed to whatever of unit, team, key and person is named."""

import msgspec

from governance.keys import queries as keys
from governance.keys.models import VirtualKey
from governance.teams import queries as teams
from governance.teams.errors import TenancyRefused
from governance.teams.models import BusinessUnit, Organisation, Team, User


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """A scope whose parts exist and belong together."""

    organisation: Organisation
    unit: BusinessUnit | None
    team: Team | None
    key: VirtualKey | None
    user: User | None


def scope_of(
    *,
    organisation_id: int,
    unit_id: int | None = None,
    team_id: int | None = None,
    key_id: int | None = None,
    user_id: int | None = None,
) -> Scope:
    """Return the scope. Raises NotFound errors of each room, and TenancyRefused when the parts do not nest."""
    scope = Scope(
        organisation=teams.organisation(organisation_id=organisation_id),
        unit=teams.unit(unit_id=unit_id) if unit_id is not None else None,
        team=teams.team(team_id=team_id) if team_id is not None else None,
        key=keys.key(key_id=key_id) if key_id is not None else None,
        user=teams.person(user_id=user_id) if user_id is not None else None,
    )
    _refuse_foreign(scope)
    _refuse_unnested(scope)
    return scope


def _refuse_foreign(scope: Scope) -> None:
    for part in (scope.unit, scope.team, scope.key):
        if part is not None and part.organisation_id != scope.organisation.pk:
            raise TenancyRefused(f"{part} does not belong to {scope.organisation}: name one that does.")


def _refuse_unnested(scope: Scope) -> None:
    if scope.unit is not None and scope.team is not None and scope.team.unit_id != scope.unit.pk:
        raise TenancyRefused(f"The team {scope.team} is not in the unit {scope.unit}: name one of them, or a pair.")
    if scope.key is None:
        return
    if scope.team is not None and scope.key.team_id != scope.team.pk:
        raise TenancyRefused(f"The key {scope.key} is not the team {scope.team}'s: name one of them, or a pair.")
    if scope.user is not None and scope.key.user_id != scope.user.pk:
        raise TenancyRefused(f"The key {scope.key} is not {scope.user}'s: name one of them, or a pair.")
    if scope.unit is not None and scope.key.team.unit_id != scope.unit.pk:
        raise TenancyRefused(f"The key {scope.key} is not the unit {scope.unit}'s: name one of them, or a pair.")
