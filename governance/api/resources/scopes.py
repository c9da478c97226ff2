"""Whose budget or rate limit something is: ids in a body, looked up among what the caller sees."""

from typing import Any

from rest_framework import serializers

from governance.api.base import Body
from governance.api.fields import IdField, NameField
from governance.api.lookups import found
from governance.api.resources.teams import units_of
from governance.catalog.queries import groups_of
from governance.teams import queries as teams
from governance.viewing.viewer import Viewer

_LONGEST_PATTERN = 200


class ScopedBody(Body):
    """What is for the whole organisation, or narrowed to whatever of unit, team, key and person is named."""

    name = NameField(help_text="Refusals name it, so that people know whom to ask.")
    unit_id = IdField(required=False, allow_null=True, default=None)
    team_id = IdField(required=False, allow_null=True, default=None)
    key_id = IdField(required=False, allow_null=True, default=None)
    user_id = IdField(required=False, allow_null=True, default=None)
    model_pattern = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=_LONGEST_PATTERN,
        help_text="Only calls to aliases that match this glob.",
    )
    model_group_id = IdField(
        required=False, allow_null=True, default=None, help_text="Only calls to aliases of this access group."
    )
    provider = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=_LONGEST_PATTERN,
        help_text="Only calls that this provider answers.",
    )
    sharing = serializers.ChoiceField(
        choices=["pooled", "per_member"],
        default="pooled",
        help_text="Whether all share it, or each person (or key of no person) has the whole.",
    )


def own_scope(viewer: Viewer, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the scope, with everything named found in the organisation. Raises NotFound."""
    organisation_id = viewer.organisation.pk
    named = (
        ("unit_id", units_of(viewer), "unit"),
        ("team_id", viewer.visible_teams(), "team"),
        ("key_id", viewer.visible_keys(), "key"),
        ("user_id", teams.people_of(organisation_id=organisation_id), "person"),
        ("model_group_id", groups_of(organisation_id=organisation_id), "access group"),
    )
    for name, rows, what in named:
        if wanted[name] is not None:
            found(rows, wanted[name], what=what)
    scope = {name: wanted[name] for name, _, _ in named}
    return {
        **scope,
        "organisation_id": organisation_id,
        "name": wanted["name"],
        "model_pattern": wanted["model_pattern"],
        "provider": wanted["provider"],
        "is_per_member": wanted["sharing"] == "per_member",
    }
