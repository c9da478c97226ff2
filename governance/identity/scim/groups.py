"""Groups as a directory makes, changes and removes them. Whoever comes or goes gets or loses what the group gives."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from scim2_models import Group, InvalidValueException, NotFoundException, ScimFilter, UniquenessException

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.group_rules import apply_groups
from governance.identity.models import ScimGroup
from governance.identity.scim.people import served_people
from governance.identity.scim.resources import group_resource
from governance.identity.scim.searching import Page, cut, narrowed_groups
from governance.teams.models import Organisation, User


def served_groups(*, organisation: Organisation) -> QuerySet[ScimGroup]:
    """Return the organisation's groups."""
    return ScimGroup.objects.filter(organisation=organisation).order_by("pk")


def group_resources_of(groups: list[ScimGroup]) -> list[Group]:
    """Return groups as they are served."""
    return [group_resource(group, list(group.members.order_by("pk"))) for group in groups]


def search_groups(*, organisation: Organisation, wanted: ScimFilter[Any] | None, page: Page) -> tuple[int, list[Group]]:
    """Return how many groups a filter finds, and one page of them."""
    every = served_groups(organisation=organisation)
    narrowed = narrowed_groups(every, wanted) if wanted is not None else None
    return cut(every, narrowed=narrowed, make=group_resources_of, wanted=wanted, page=page)


def find_group(*, organisation: Organisation, group_id: str) -> ScimGroup:
    """Return one of them, locked for a change. Raises NotFoundException."""
    found = None
    if group_id.isascii() and group_id.isdigit() and len(group_id) <= 18:  # what a bigint holds
        groups = served_groups(organisation=organisation).select_for_update(no_key=True)
        found = groups.filter(pk=int(group_id)).first()
    if found is None:
        raise NotFoundException(detail=f"There is no group {group_id}.")
    return found


def make_group(*, actor: Actor, at: datetime, organisation: Organisation, wish: Group) -> ScimGroup:
    """Make a group with its members. Raises UniquenessException, InvalidValueException."""
    _ensure_free(organisation, wish, None)
    group = ScimGroup.objects.create(
        organisation=organisation, display_name=wish.display_name or "", external_id=wish.external_id or ""
    )
    _set_members(actor, group, _members_of(organisation, wish))
    audit.record(actor=actor, action="scim_group.made", subject=f"scim_group:{group.pk}", after=_facts(group))
    return group


def change_group(*, actor: Actor, at: datetime, organisation: Organisation, group: ScimGroup, wish: Group) -> ScimGroup:
    """Make a group what the directory says it is. Raises UniquenessException, InvalidValueException."""
    _ensure_free(organisation, wish, group)
    before, members = _facts(group), _members_of(organisation, wish)
    has_new_name = (group.display_name, group.external_id) != (wish.display_name, wish.external_id or "")
    group.display_name, group.external_id, group.changed_at = wish.display_name or "", wish.external_id or "", at
    group.save()
    changed = _set_members(actor, group, members)
    if has_new_name:
        _apply(actor, group, set(group.members.values_list("pk", flat=True)) - changed)
    if has_new_name or changed:
        after = _facts(group)
        audit.record(
            actor=actor, action="scim_group.changed", subject=f"scim_group:{group.pk}", before=before, after=after
        )
    return group


def remove_group(*, actor: Actor, group: ScimGroup) -> None:
    """Remove a group, and with it what it gave."""
    before, members = _facts(group), set(group.members.values_list("pk", flat=True))
    group_id, organisation_id = group.pk, group.organisation_id
    group.delete()
    audit.record(actor=actor, action="scim_group.removed", subject=f"scim_group:{group_id}", before=before)
    for user_id in sorted(members):
        apply_groups(actor=actor, user_id=user_id, organisation_id=organisation_id)


def _set_members(actor: Actor, group: ScimGroup, wanted: set[int]) -> set[int]:
    """Put these into the group and nobody else; return who came or went."""
    present = set(group.members.values_list("pk", flat=True))
    group.members.add(*(wanted - present))
    group.members.remove(*(present - wanted))
    _apply(actor, group, wanted ^ present)
    return wanted ^ present


def _apply(actor: Actor, group: ScimGroup, user_ids: set[int]) -> None:
    for user_id in sorted(user_ids):
        apply_groups(actor=actor, user_id=user_id, organisation_id=group.organisation_id)


def _members_of(organisation: Organisation, wish: Group) -> set[int]:
    named = {member.value or "" for member in wish.members or []}
    numbers = {int(value) for value in named if value.isascii() and value.isdigit() and len(value) <= 18}
    found: set[int] = set()
    if numbers:
        people: QuerySet[User] = served_people(organisation=organisation).filter(pk__in=numbers)
        found = set(people.values_list("pk", flat=True))
    if len(found) != len(named):
        raise InvalidValueException(detail="A member is no user of this organisation: groups in groups are not kept.")
    return found


def _ensure_free(organisation: Organisation, wish: Group, group: ScimGroup | None) -> None:
    taken = ScimGroup.objects.filter(organisation=organisation, display_name__iexact=wish.display_name or "")
    if (taken.exclude(pk=group.pk) if group is not None else taken).exists():
        raise UniquenessException(detail=f"There is a group {wish.display_name} already.")


def _facts(group: ScimGroup) -> dict[str, object]:
    emails = sorted(group.members.values_list("email", flat=True))
    return {"display_name": group.display_name, "external_id": group.external_id, "members": emails}
