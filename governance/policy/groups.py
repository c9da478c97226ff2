"""Writing access groups: named sets of alias patterns, allowed together."""

from collections.abc import Iterable

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.catalog.names import is_alias_pattern
from governance.policy import queries
from governance.policy.errors import GroupInUse, GroupNameTaken, RuleRefused
from governance.policy.models import AccessGroup
from governance.teams import queries as teams
from governance.teams.names import clean_name


@transaction.atomic
def create_group(*, actor: Actor, organisation_id: int, name: str, patterns: Iterable[str]) -> AccessGroup:
    """Make an access group. Raises RuleRefused, GroupNameTaken, OrganisationNotFound."""
    organisation = teams.organisation(organisation_id=organisation_id)
    name = clean_name(name, what="access group's name")
    if organisation.access_groups.filter(name=name).exists():
        raise GroupNameTaken(f"{organisation} has an access group {name!r} already: change its patterns instead.")
    group = AccessGroup.objects.create(organisation=organisation, name=name, patterns=_clean(patterns))
    audit.record(
        actor=actor,
        action="access_group.created",
        subject=f"access_group:{group.id}",
        after={"name": name, "patterns": group.patterns},
    )
    return group


@transaction.atomic
def change_patterns(*, actor: Actor, group_id: int, patterns: Iterable[str]) -> AccessGroup:
    """Set what the group allows, wherever it is named. Raises GroupNotFound, RuleRefused."""
    group = queries.group(group_id=group_id, is_locked=True)
    before, after = list(group.patterns), _clean(patterns)
    if before == after:
        return group
    group.patterns = after
    group.save(update_fields=["patterns"])
    audit.record(
        actor=actor,
        action="access_group.changed",
        subject=f"access_group:{group.id}",
        before={"patterns": before},
        after={"patterns": after},
    )
    return group


@transaction.atomic
def remove_group(*, actor: Actor, group_id: int) -> None:
    """Remove a group that no allow-list names: otherwise a list could fall empty and restrict nothing any more.

    Raises GroupNotFound, GroupInUse.
    """
    group = queries.group(group_id=group_id, is_locked=True)
    if group.allow_rules.exists():
        raise GroupInUse(f"An allow-list names the access group {group}: take it off there first.")
    before: dict[str, object] = {"name": group.name, "patterns": list(group.patterns)}
    group.delete()
    audit.record(actor=actor, action="access_group.removed", subject=f"access_group:{group_id}", before=before)


def _clean(patterns: Iterable[str]) -> list[str]:
    cleaned = sorted(set(patterns))
    if not cleaned:
        raise RuleRefused("An access group needs at least one pattern: an empty one would allow nothing.")
    for pattern in cleaned:
        if not is_alias_pattern(pattern):
            raise RuleRefused(f"{pattern!r} is no pattern: give a model alias, or a glob such as gpt-* or *.")
    return cleaned
