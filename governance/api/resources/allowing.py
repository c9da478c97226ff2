"""Which models may be called: access groups and allow-lists."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import IdField, NameField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.resources.teams import units_of
from governance.api.schema import described, paged
from governance.catalog import groups
from governance.catalog.models import AccessGroup
from governance.catalog.queries import groups_of
from governance.policy import operations
from governance.policy.models import AllowRule
from governance.policy.operations import Level
from governance.policy.queries import rules_of
from governance.viewing.viewer import Viewer

_READERS = "Only administrators and auditors see allow-lists."
_ADMINISTRATORS = "Only administrators say which models may be called. Ask one of them."
_MOST_PATTERNS = 500


class PatternsField(serializers.ListField):
    """Aliases, or globs over them."""

    def __init__(self) -> None:
        super().__init__(child=serializers.CharField(max_length=200), min_length=1, max_length=_MOST_PATTERNS)


class GroupShape(Shape):
    """A named set of aliases and globs over them."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    patterns = serializers.ListField(child=serializers.CharField())


class NewGroupBody(Body):
    """An access group to be made."""

    name = NameField()
    patterns = PatternsField()


class GroupChangeBody(Body):
    """What it is to hold."""

    patterns = PatternsField()


class RuleShape(Shape):
    """One line of an allow-list: a pattern or a group, for the organisation, a unit, a team or a key."""

    id = serializers.IntegerField()
    unit_id = serializers.IntegerField(allow_null=True)
    team_id = serializers.IntegerField(allow_null=True)
    key_id = serializers.IntegerField(allow_null=True)
    pattern = serializers.CharField(help_text="Empty where it names a group.")
    access_group_id = serializers.IntegerField(allow_null=True)


class NewRuleBody(Body):
    """A line to be added; the first one of a level makes its list restrict."""

    unit_id = IdField(required=False, allow_null=True, default=None)
    team_id = IdField(required=False, allow_null=True, default=None)
    key_id = IdField(required=False, allow_null=True, default=None)
    pattern = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)
    access_group_id = IdField(required=False, allow_null=True, default=None)

    def validate(self, wanted: dict[str, object]) -> dict[str, object]:
        """A line names a pattern or a group."""
        if bool(wanted["pattern"]) == (wanted["access_group_id"] is not None):
            raise serializers.ValidationError("Name a pattern or an access group: one of both.")
        return wanted


class Groups(ApiView):
    """All access groups."""

    area = "models"

    @described(answer=paged(GroupShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the access groups, the newest first."""
        viewer = self.caller.viewer
        _ensure_reader(viewer)
        rows = groups_of(organisation_id=viewer.organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), GroupShape)

    @described(
        answer=GroupShape, body=NewGroupBody, status=201, example={"name": "small", "patterns": ["*-mini", "*-flash"]}
    )
    @changes
    def post(self, request: Request) -> Response:
        """Make an access group."""
        wanted, viewer = read_body(NewGroupBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        group = groups.create_group(
            actor=viewer.actor,
            organisation_id=viewer.organisation.pk,
            name=wanted["name"],
            patterns=wanted["patterns"],
        )
        return Response(GroupShape(group).data, status=201)


class OneGroup(ApiView):
    """One access group."""

    area = "models"

    @described(answer=GroupShape)
    def get(self, request: Request, group_id: int) -> Response:
        """Show one access group."""
        _ensure_reader(self.caller.viewer)
        return Response(GroupShape(_group(self.caller.viewer, group_id)).data)

    @described(answer=GroupShape, body=GroupChangeBody, example={"patterns": ["*-mini"]})
    @changes
    def patch(self, request: Request, group_id: int) -> Response:
        """Set what the group holds, wherever it is named."""
        wanted, viewer = read_body(GroupChangeBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        _group(viewer, group_id)
        group = groups.change_patterns(actor=viewer.actor, group_id=group_id, patterns=wanted["patterns"])
        return Response(GroupShape(group).data)

    @described(status=204)
    @changes
    def delete(self, request: Request, group_id: int) -> Response:
        """Remove a group that nothing names."""
        viewer = self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        _group(viewer, group_id)
        groups.remove_group(actor=viewer.actor, group_id=group_id)
        return Response(status=204)


class AllowRules(ApiView):
    """All allow-lists."""

    area = "models"

    @described(answer=paged(RuleShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the lines of all allow-lists, the newest first."""
        viewer = self.caller.viewer
        _ensure_reader(viewer)
        rows = rules_of(organisation_id=viewer.organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), RuleShape)

    @described(answer=RuleShape, body=NewRuleBody, status=201, example={"team_id": 3, "pattern": "gpt-*"})
    @changes
    def post(self, request: Request) -> Response:
        """Add a line to an allow-list. Nothing changes when it is there already."""
        wanted, viewer = read_body(NewRuleBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        level = _level(viewer, wanted["unit_id"], wanted["team_id"], wanted["key_id"])
        if wanted["access_group_id"] is not None:
            _group(viewer, wanted["access_group_id"])
            rule = operations.allow_group(actor=viewer.actor, level=level, group_id=wanted["access_group_id"])
        else:
            rule = operations.allow(actor=viewer.actor, level=level, pattern=wanted["pattern"])
        return Response(RuleShape(rule).data, status=201)


class OneAllowRule(ApiView):
    """One line of an allow-list."""

    area = "models"

    @described(status=204)
    @changes
    def delete(self, request: Request, rule_id: int) -> Response:
        """Take a line off an allow-list; an empty list restricts nothing."""
        viewer = self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        rule = found(rules_of(organisation_id=viewer.organisation.pk), rule_id, what="line of an allow-list")
        level = _own_level(rule)
        if rule.access_group_id is not None:
            operations.disallow_group(actor=viewer.actor, level=level, group_id=rule.access_group_id)
        else:
            operations.disallow(actor=viewer.actor, level=level, pattern=rule.pattern)
        return Response(status=204)


def _ensure_reader(viewer: Viewer) -> None:
    ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)


def _group(viewer: Viewer, group_id: int) -> AccessGroup:
    return found(groups_of(organisation_id=viewer.organisation.pk), group_id, what="access group")


def _level(viewer: Viewer, unit_id: int | None, team_id: int | None, key_id: int | None) -> Level:
    if unit_id is not None:
        found(units_of(viewer), unit_id, what="unit")
    if team_id is not None:
        found(viewer.visible_teams(), team_id, what="team")
    if key_id is not None:
        found(viewer.visible_keys(), key_id, what="key")
    return Level(organisation_id=viewer.organisation.pk, unit_id=unit_id, team_id=team_id, key_id=key_id)


def _own_level(rule: AllowRule) -> Level:
    return Level(organisation_id=rule.organisation_id, unit_id=rule.unit_id, team_id=rule.team_id, key_id=rule.key_id)
