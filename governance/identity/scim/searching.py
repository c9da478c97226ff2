"""Filters: what directories always ask is asked of the database, the rest is looked through, within a bound."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import scim2_models
from django.db.models import Q, QuerySet
from scim2_models import ScimFilter, TooManyException
from scim2_models.path import CompareOperator, Comparison

from governance.identity.models import ScimGroup
from governance.teams.models import Organisation, User

MOST_LOOKED_THROUGH = 5000

Row = TypeVar("Row", User, ScimGroup)
Resource = TypeVar("Resource", bound=scim2_models.Resource[Any])


class Page(msgspec.Struct, frozen=True):
    """A part of a list: how many come before it, and how many it holds at most."""

    first: int
    count: int


def narrowed_people(
    users: QuerySet[User], wanted: ScimFilter[Any], *, organisation: Organisation
) -> QuerySet[User] | None:
    """Return the people of a filter such as `userName eq "ada@acme.example"`; None where it says more."""
    attribute, value = _equality(wanted)
    if attribute == "username":
        provisioned = Q(scim_people__organisation=organisation)
        other_name = User.objects.filter(provisioned, ~Q(scim_people__user_name__iexact=value)).values("pk")
        named = Q(provisioned, scim_people__user_name__iexact=value)
        return users.filter(named | (Q(email__iexact=value) & ~Q(pk__in=other_name))).distinct()
    if attribute == "externalid":
        return users.filter(scim_people__organisation=organisation, scim_people__external_id=value)
    if attribute == "id":
        return users.filter(pk=int(value)) if value.isascii() and value.isdigit() and len(value) < 19 else users.none()
    return None


def narrowed_groups(groups: QuerySet[ScimGroup], wanted: ScimFilter[Any]) -> QuerySet[ScimGroup] | None:
    """Return the groups of a filter such as `displayName eq "llm-users"`; None where it says more."""
    attribute, value = _equality(wanted)
    if attribute == "displayname":
        return groups.filter(display_name__iexact=value)
    if attribute == "externalid":
        return groups.filter(external_id=value)
    return None


def cut(
    every: QuerySet[Row],
    *,
    narrowed: QuerySet[Row] | None,
    make: Callable[[list[Row]], list[Resource]],
    wanted: ScimFilter[Any] | None,
    page: Page,
) -> tuple[int, list[Resource]]:
    """Return how many rows a filter finds, and one page of them as resources. Raises TooManyException."""
    if wanted is None or narrowed is not None:
        rows = narrowed if narrowed is not None else every
        return rows.count(), make(list(rows[page.first : page.first + page.count]))
    if every.count() > MOST_LOOKED_THROUGH:
        raise TooManyException(detail="This filter looks through too many: filter by userName, externalId or id.")
    found = [each for each in make(list(every)) if wanted.match(each)]
    return len(found), found[page.first : page.first + page.count]


def _equality(wanted: ScimFilter[Any]) -> tuple[str, str]:
    node = wanted.ast
    if isinstance(node, Comparison) and node.op == CompareOperator.eq and isinstance(node.value, str):
        path = node.attr_path
        if path.sub_attr is None:
            return path.attr.lower(), node.value
    return "", ""
