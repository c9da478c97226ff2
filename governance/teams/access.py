"""Who may see and do what: every rule of object-level access, in one place, over plain ids.

| role                 | sees                                              | changes                                  |
|----------------------|---------------------------------------------------|------------------------------------------|
| admin                | everything in the organisation                    | everything in it                         |
| finance              | all spend, budgets, statements, prices            | budgets, statements                      |
| auditor              | everything, the trail included                    | nothing                                  |
| owner (of a unit)    | the unit's budgets; as an owner, each of its teams | the members and keys of its teams        |
| owner (of a team)    | the team, its keys, budgets and requests          | the team's members and keys              |
| developer (of a team)| the team, its budgets; own keys and requests      | own keys                                 |

What is stored of a team's requests and replies, where it asked for that, is for administrators and the team's owners.
Nobody else sees anything. What is said of budgets goes for rate limits, too. An owner cannot change a budget, not even
the team's own: money is given from above. Who
spends from a budget may ask for more; who may change budgets decides, but never about a request of their own.

A service is no person: a token lets it do what an administrator may, narrowed by the token's scopes, and nothing that
somebody must answer for by name. Administrators issue and revoke such tokens; everybody their own personal ones.
"""

from collections.abc import Mapping

import msgspec
from django.db.models import Q, QuerySet

from governance.core.errors import Forbidden
from governance.teams.models import Membership, OrganisationRole, Team, UnitOwner, User

_ADMIN = OrganisationRole.Role.ADMIN.value
_FINANCE = OrganisationRole.Role.FINANCE.value
_AUDITOR = OrganisationRole.Role.AUDITOR.value
_OWNER = Membership.Part.OWNER.value


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What one person may do, read afresh for each request, so that a removed permission is gone with the next one.

    `roles` maps organisations to role names, `parts` teams to the part in them (whoever owns a unit is an owner of its
    teams); `home_ids` are the organisations in which the person has a role, a unit or a team.
    """

    user_id: int
    roles: Mapping[int, frozenset[str]]
    parts: Mapping[int, str]
    home_ids: frozenset[int]
    unit_ids: frozenset[int] = frozenset()

    def may_see_organisation(self, organisation_id: int) -> bool:
        """Return whether the organisation's name and catalogue are theirs to see."""
        return organisation_id in self.home_ids

    def may_administer(self, organisation_id: int) -> bool:
        """Return whether they may change teams, people, connections, models, prices and allow-lists."""
        return self._has(organisation_id, _ADMIN)

    def may_see_spend(self, organisation_id: int) -> bool:
        """Return whether they may see all of the organisation's spend, budgets and statements."""
        return self._has(organisation_id, _ADMIN, _FINANCE, _AUDITOR)

    def may_change_budgets(self, organisation_id: int) -> bool:
        """Return whether they may make, change and retire budgets and rate limits."""
        return self._has(organisation_id, _ADMIN, _FINANCE)

    def may_write_statements(self, organisation_id: int) -> bool:
        """Return whether they may write and close the organisation's statements."""
        return self._has(organisation_id, _ADMIN, _FINANCE)

    def may_see_settings(self, organisation_id: int) -> bool:
        """Return whether they may see connections, people and allow-lists."""
        return self._has(organisation_id, _ADMIN, _AUDITOR)

    def may_see_trail(self, organisation_id: int) -> bool:
        """Return whether they may read the audit trail."""
        return self._has(organisation_id, _ADMIN, _AUDITOR)

    def may_see_team(self, *, organisation_id: int, team_id: int) -> bool:
        """Return whether they may see the team, its members and its budgets."""
        return self.may_see_spend(organisation_id) or team_id in self.parts

    def may_manage_team(self, *, organisation_id: int, team_id: int) -> bool:
        """Return whether they may change the team's members and all of its keys."""
        return self.may_administer(organisation_id) or self.parts.get(team_id) == _OWNER

    def may_read_prompts(self, *, organisation_id: int, team_id: int) -> bool:
        """Return whether they may read what is stored of the team's requests: not whoever sees its spend."""
        return self.may_manage_team(organisation_id=organisation_id, team_id=team_id)

    def may_see_key(self, *, organisation_id: int, team_id: int, user_id: int | None) -> bool:
        """Return whether they may see the key of this team and person (None: a key of no person), and its requests."""
        if self.may_see_spend(organisation_id) or self.parts.get(team_id) == _OWNER:
            return True
        return team_id in self.parts and user_id == self.user_id

    def may_change_key(self, *, organisation_id: int, team_id: int, user_id: int | None) -> bool:
        """Return whether they may issue, rotate or revoke such a key."""
        if self.may_manage_team(organisation_id=organisation_id, team_id=team_id):
            return True
        return team_id in self.parts and user_id == self.user_id

    def may_see_budget(
        self, *, organisation_id: int, team_id: int | None, user_id: int | None, unit_id: int | None = None
    ) -> bool:
        """Return whether they may see a budget of this scope. A key's budget has the scope of the key's team."""
        if self.may_see_spend(organisation_id):
            return True
        return self.may_ask_for_increase(team_id=team_id, user_id=user_id, unit_id=unit_id)

    def may_ask_for_increase(self, *, team_id: int | None, user_id: int | None, unit_id: int | None = None) -> bool:
        """Return whether they may ask for more money in a budget of this scope: they spend from it, or own its unit."""
        if unit_id is not None:
            return unit_id in self.unit_ids
        if team_id is not None:
            return team_id in self.parts and (user_id in (None, self.user_id) or self.parts.get(team_id) == _OWNER)
        return user_id == self.user_id

    def may_decide_increase(self, *, organisation_id: int, requester_id: int) -> bool:
        """Return whether they may approve or decline what this person asks for: never their own request."""
        return self.may_change_budgets(organisation_id) and requester_id != self.user_id

    def may_manage_token(self, *, organisation_id: int, user_id: int | None) -> bool:
        """Return whether they may see and revoke this person's token, or a service's (None)."""
        return self.may_administer(organisation_id) or (user_id is not None and user_id == self.user_id)

    def team_ids(self) -> frozenset[int]:
        """Return the teams that the person is in."""
        return frozenset(self.parts)

    def owned_team_ids(self) -> frozenset[int]:
        """Return the teams that the person owns."""
        return frozenset(team for team, part in self.parts.items() if part == _OWNER)

    def organisations_seen_whole(self) -> frozenset[int]:
        """Return the organisations all of whose spend the person may see."""
        return frozenset(organisation for organisation in self.roles if self.may_see_spend(organisation))

    def _has(self, organisation_id: int, *names: str) -> bool:
        return not self.roles.get(organisation_id, frozenset()).isdisjoint(names)


def access_of(*, user: User) -> Access:
    """Return what this person may do. Somebody who is not active may do nothing; being a superuser gives nothing."""
    if not user.is_active or user.pk is None:
        return Access(user_id=user.pk or 0, roles={}, parts={}, home_ids=frozenset())
    roles: dict[int, set[str]] = {}
    for organisation_id, role in OrganisationRole.objects.filter(user=user).values_list("organisation_id", "role"):
        roles.setdefault(organisation_id, set()).add(role)
    owned = dict(UnitOwner.objects.filter(user=user).values_list("unit_id", "unit__organisation_id"))
    memberships = Membership.objects.filter(user=user, team__archived_at=None)
    parts: dict[int, str] = {}
    homes = set(roles) | set(owned.values())
    for team_id, part, organisation_id in memberships.values_list("team_id", "part", "team__organisation_id"):
        parts[team_id] = part
        homes.add(organisation_id)
    if owned:
        teams = Team.objects.filter(unit_id__in=owned, archived_at=None)
        parts |= dict.fromkeys(teams.values_list("id", flat=True), _OWNER)
    return Access(
        user_id=user.pk,
        roles={organisation: frozenset(names) for organisation, names in roles.items()},
        parts=parts,
        home_ids=frozenset(homes),
        unit_ids=frozenset(owned),
    )


def service_access(organisation_id: int) -> Access:
    """Return what a service of the organisation may do before its token's scopes narrow it."""
    return Access(
        user_id=0,
        roles={organisation_id: frozenset({_ADMIN})},
        parts={},
        home_ids=frozenset({organisation_id}),
    )


def ensure(is_allowed: bool, *, what: str) -> None:
    """Raise Forbidden unless allowed; `what` completes "You may not …"."""
    if not is_allowed:
        raise Forbidden(f"You may not {what}: ask an administrator of your organisation for a role that may.")


def visible_teams(access: Access) -> QuerySet[Team]:
    """Return the teams the person may see, archived ones included."""
    return Team.objects.filter(
        Q(organisation_id__in=access.organisations_seen_whole()) | Q(id__in=access.team_ids())
    ).select_related("unit", "cost_centre")
