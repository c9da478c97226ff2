"""Writing access groups: named sets of alias patterns, allowed together or paid together."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import ProtectedError

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.catalog import queries
from governance.catalog.errors import GroupInUse, GroupNameTaken, GroupRefused
from governance.catalog.models import AccessGroup
from governance.catalog.names import is_alias_pattern
from governance.teams import queries as teams
from governance.teams.names import clean_name
from governance.teams.taken import refusing_taken


@transaction.atomic
def create_group(*, actor: Actor, organisation_id: int, name: str, patterns: Iterable[str]) -> AccessGroup:
    """Make an access group. Raises GroupRefused, GroupNameTaken, OrganisationNotFound."""
    organisation = teams.organisation(organisation_id=organisation_id)
    name = clean_name(name, what="access group's name")
    cleaned = _clean(patterns)
    taken = GroupNameTaken(f"{organisation} has an access group {name!r} already: change its patterns instead.")
    with refusing_taken(taken):
        group = AccessGroup.objects.create(organisation=organisation, name=name, patterns=cleaned)
    audit.record(
        actor=actor,
        action="access_group.created",
        subject=f"access_group:{group.id}",
        after={"name": name, "patterns": group.patterns},
    )
    return group


@transaction.atomic
def change_patterns(*, actor: Actor, group_id: int, patterns: Iterable[str]) -> AccessGroup:
    """Set what the group holds, wherever it is named. Raises GroupNotFound, GroupRefused."""
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
def remove_group(*, actor: Actor, group_id: int, reason: str = "") -> None:
    """Remove a group that nothing names: otherwise an allow-list could fall empty and restrict nothing any more.

    Raises GroupNotFound, GroupInUse.
    """
    group = queries.group(group_id=group_id, is_locked=True)
    before: dict[str, object] = {"name": group.name, "patterns": list(group.patterns)}
    try:
        group.delete()
    except ProtectedError as error:
        raise GroupInUse(
            f"An allow-list, a budget or a rate limit names the access group {group}: take it off the list; budgets "
            "and rate limits keep it for their history, even when they are retired."
        ) from error
    audit.record(
        actor=actor,
        action="access_group.removed",
        subject=f"access_group:{group_id}",
        before=before,
        reason=reason,
    )


def _clean(patterns: Iterable[str]) -> list[str]:
    cleaned = sorted(set(patterns))
    if not cleaned:
        raise GroupRefused("An access group needs at least one pattern: an empty one would allow nothing.")
    for pattern in cleaned:
        if not is_alias_pattern(pattern):
            raise GroupRefused(f"{pattern!r} is no pattern: give a model alias, or a glob such as gpt-* or *.")
    return cleaned
