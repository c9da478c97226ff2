"""What groups give: rules that administrators make, and their application to one person after another.

Groups come from an identity provider at each log-in, and from SCIM. What they give is remembered as given by them, so
that it goes when the groups go; what somebody was given by hand is never taken by this.
"""

import structlog
from django.db import transaction
from django.db.models import Q

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.errors import GroupRuleRefused
from governance.identity.models import GivenByGroup, GroupRule, IdentityProvider, PersonGroups
from governance.teams import people
from governance.teams import queries as teams
from governance.teams.errors import LastAdministrator
from governance.teams.models import Membership, User

MAX_GROUPS = 1000
_MAX_GROUP_CHARACTERS = 256
_RANK = {people.Part.DEVELOPER: 0, people.Part.OWNER: 1}

log = structlog.get_logger(__name__)


@transaction.atomic
def add_rule(
    *,
    actor: Actor,
    organisation_id: int,
    group: str,
    role: people.Role | None = None,
    team_id: int | None = None,
    part: people.Part | None = None,
) -> GroupRule:
    """Let a group give a role, or a part in a team, from now on. Raises GroupRuleRefused, TeamNotFound."""
    organisation = teams.organisation(organisation_id=organisation_id)
    group = group.strip()
    if not group or len(group) > _MAX_GROUP_CHARACTERS:
        raise GroupRuleRefused(f"A group's name has 1 to {_MAX_GROUP_CHARACTERS} characters: write it as it is there.")
    if (role is None) == (team_id is None):
        raise GroupRuleRefused("A group gives a role or a team: choose one of them, and make a second rule for more.")
    team = teams.team(team_id=team_id) if team_id is not None else None
    if team is not None and (team.organisation_id != organisation.pk or team.archived_at is not None):
        raise GroupRuleRefused(f"{team} is archived, or no team of {organisation}: choose another one.")
    rule, _ = GroupRule.objects.update_or_create(
        organisation=organisation,
        group=group,
        role=str(role or ""),
        team=team,
        defaults={"part": str(part or people.Part.DEVELOPER) if team is not None else ""},
    )
    audit.record(actor=actor, action="group_rule.set", subject=f"group_rule:{rule.pk}", after=_facts(rule))
    _apply_to_all(actor=actor, organisation_id=organisation.pk)
    return rule


@transaction.atomic
def remove_rule(*, actor: Actor, organisation_id: int, rule_id: int) -> None:
    """Take back what a group gives, from everybody who has it by the group. A rule that is gone changes nothing."""
    rule = GroupRule.objects.filter(pk=rule_id, organisation_id=organisation_id).first()
    if rule is None:
        return
    audit.record(actor=actor, action="group_rule.removed", subject=f"group_rule:{rule.pk}", before=_facts(rule))
    rule.delete()
    _apply_to_all(actor=actor, organisation_id=organisation_id)


@transaction.atomic
def note_groups(*, actor: Actor, user_id: int, provider: IdentityProvider, names: list[str]) -> None:
    """Keep which groups an identity provider names, and give and take what they give."""
    PersonGroups.objects.update_or_create(
        user_id=user_id, provider=provider, defaults={"names": sorted(set(names))[:MAX_GROUPS]}
    )
    apply_groups(actor=actor, user_id=user_id, organisation_id=provider.organisation_id)


@transaction.atomic
def apply_groups(*, actor: Actor, user_id: int, organisation_id: int) -> None:
    """Give somebody what their groups give now, and take what they gave and give no more."""
    person = teams.person(user_id=user_id, is_locked=True)
    rules = GroupRule.objects.filter(organisation_id=organisation_id, group__in=_groups_of(person, organisation_id))
    roles = {people.Role(rule.role) for rule in rules if rule.role}
    parts: dict[int, people.Part] = {}
    for rule in rules.filter(team__archived_at=None).exclude(team=None):
        part = people.Part(rule.part)
        known = parts.get(rule.team_id or 0)
        parts[rule.team_id or 0] = part if known is None else max(known, part, key=_RANK.__getitem__)
    given = list(GivenByGroup.objects.filter(user=person, organisation_id=organisation_id).order_by("id"))
    # What is given comes first, so that one administrator may follow another.
    for role in sorted(roles):
        _give_role(actor, person, organisation_id, role)
    for team_id, part in sorted(parts.items()):
        _give_part(actor, person, organisation_id, team_id, part)
    for row in given:
        if row.role and row.role not in roles:
            _take_role(actor, row)
        elif row.team_id is not None and row.team_id not in parts:
            _take_part(actor, row)


def _groups_of(person: User, organisation_id: int) -> set[str]:
    noted = PersonGroups.objects.filter(
        user=person, provider__organisation_id=organisation_id, provider__is_enabled=True
    )
    provisioned = person.scim_groups.filter(organisation_id=organisation_id)
    names = {name for row in noted for name in row.names}
    for group in provisioned:
        names |= {group.display_name, group.external_id} - {""}
    return names


def _apply_to_all(*, actor: Actor, organisation_id: int) -> None:
    concerned = (
        Q(named_groups__provider__organisation_id=organisation_id)
        | Q(given_by_groups__organisation_id=organisation_id)
        | Q(scim_groups__organisation_id=organisation_id)
    )
    for user_id in User.objects.filter(concerned).distinct().order_by("id").values_list("id", flat=True):
        apply_groups(actor=actor, user_id=user_id, organisation_id=organisation_id)


def _give_role(actor: Actor, person: User, organisation_id: int, role: people.Role) -> None:
    if person.organisation_roles.filter(organisation_id=organisation_id, role=role).exists():
        return
    people.give_role(actor=actor, user_id=person.pk, organisation_id=organisation_id, role=role)
    GivenByGroup.objects.get_or_create(user=person, organisation_id=organisation_id, role=str(role), team=None)


def _take_role(actor: Actor, row: GivenByGroup) -> None:
    try:
        people.take_role(
            actor=actor, user_id=row.user_id, organisation_id=row.organisation_id, role=people.Role(row.role)
        )
    except LastAdministrator:
        log.warning("last_administrator_left_group", user=row.user_id, organisation=row.organisation_id)
        return
    row.delete()


def _give_part(actor: Actor, person: User, organisation_id: int, team_id: int, part: people.Part) -> None:
    held = Membership.objects.filter(user=person, team_id=team_id).first()
    row = GivenByGroup.objects.filter(user=person, organisation_id=organisation_id, team_id=team_id).first()
    is_by_hand = held is not None and (row is None or held.part != row.part)
    if held is not None and (held.part == part or (is_by_hand and _RANK[people.Part(held.part)] > _RANK[part])):
        return
    people.set_membership(actor=actor, user_id=person.pk, team_id=team_id, part=part)
    former = row.former_part if row is not None and not is_by_hand else held.part if held is not None else ""
    GivenByGroup.objects.update_or_create(
        user=person,
        organisation_id=organisation_id,
        role="",
        team_id=team_id,
        defaults={"part": str(part), "former_part": former},
    )


def _take_part(actor: Actor, row: GivenByGroup) -> None:
    team_id = row.team_id or 0
    held = Membership.objects.filter(user_id=row.user_id, team_id=team_id).first()
    if held is not None and held.part == row.part:
        if row.former_part:
            part = people.Part(row.former_part)
            people.set_membership(actor=actor, user_id=row.user_id, team_id=team_id, part=part)
        else:
            people.remove_membership(actor=actor, user_id=row.user_id, team_id=team_id)
    row.delete()


def _facts(rule: GroupRule) -> dict[str, object]:
    return {"group": rule.group, "role": rule.role, "team_id": rule.team_id, "part": rule.part}
