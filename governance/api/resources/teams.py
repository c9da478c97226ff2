"""Teams with their members, business units and cost centres."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, ensure_unchanged, read_body, read_query, version
from governance.api.fields import IdField, NameField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.resources.keys import ReasonBody
from governance.api.schema import described, paged
from governance.core.clock import utc_now
from governance.teams import operations, people, queries
from governance.teams.changes import TeamWish, change_team
from governance.teams.models import BusinessUnit, CostCentre, Membership, Team, User
from governance.teams.names import MAX_REGIONS, MAX_TAG_CHARACTERS, MAX_TAGS
from governance.teams.operations import NewTeam
from governance.viewing.viewer import Viewer

_ADMINISTRATORS = "Only administrators change teams, units and cost centres. Ask one of them."


class TagsField(serializers.ListField):
    """Names of tags."""

    def __init__(self, **options: Any) -> None:
        child = serializers.CharField(max_length=MAX_TAG_CHARACTERS)
        super().__init__(child=child, max_length=MAX_TAGS, **options)


class RegionsField(serializers.ListField):
    """Names of regions; none: anywhere."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.CharField(max_length=64), max_length=MAX_REGIONS, **options)


class TeamShape(Shape):
    """A team."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    unit_id = serializers.IntegerField()
    cost_centre_id = serializers.IntegerField()
    required_tags = TagsField(help_text="Tags that every request must carry.")
    regions = RegionsField(help_text="Where its requests may be handled; none: anywhere.")
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)


class NewTeamBody(Body):
    """A team to be made."""

    name = NameField()
    unit_id = IdField()
    cost_centre_id = IdField()
    required_tags = TagsField(required=False, default=list)


class TeamChangeBody(Body):
    """What is to be different. What is left out stays."""

    name = NameField(required=False)
    unit_id = IdField(required=False, help_text="Whose budgets pay from now on. What is spent stays where it is.")
    cost_centre_id = IdField(required=False, help_text="Where finance books it from now on.")
    required_tags = TagsField(required=False)
    regions = RegionsField(required=False)


class UnitShape(Shape):
    """A business unit."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    regions = RegionsField()
    created_at = serializers.DateTimeField()


class NewUnitBody(Body):
    """A business unit to be made."""

    name = NameField()


class CostCentreShape(Shape):
    """A cost centre."""

    id = serializers.IntegerField()
    code = serializers.CharField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewCostCentreBody(Body):
    """A cost centre to be made."""

    code = NameField()
    name = NameField(required=False, default="", allow_blank=True)


class MemberShape(Shape):
    """Somebody's part in a team."""

    user_id = serializers.IntegerField()
    email = serializers.CharField(source="user.email")
    part = serializers.CharField()


class PartBody(Body):
    """The part."""

    part = serializers.ChoiceField(choices=Membership.Part.choices)


class Teams(ApiView):
    """All teams."""

    area = "teams"

    @described(answer=paged(TeamShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the living teams that you see, the newest first."""
        return answer(page_by_id(self.caller.viewer.visible_teams(), read_query(PageQuery, request)), TeamShape)

    @described(
        answer=TeamShape,
        body=NewTeamBody,
        status=201,
        example={"name": "search", "unit_id": 1, "cost_centre_id": 1, "required_tags": ["feature"]},
    )
    @changes
    def post(self, request: Request) -> Response:
        """Add a team."""
        wanted, viewer = read_body(NewTeamBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        found(units_of(viewer), wanted["unit_id"], what="unit")
        found(cost_centres_of(viewer), wanted["cost_centre_id"], what="cost centre")
        new = NewTeam(
            organisation_id=viewer.organisation.pk,
            unit_id=wanted["unit_id"],
            cost_centre_id=wanted["cost_centre_id"],
            name=wanted["name"],
            required_tags=tuple(wanted["required_tags"]),
        )
        made = operations.create_team(actor=viewer.actor, new=new)
        return _shown(viewer, made.pk, status=201)


class OneTeam(ApiView):
    """One team."""

    area = "teams"

    @described(answer=TeamShape)
    def get(self, request: Request, team_id: int) -> Response:
        """Show one team."""
        return _shown(self.caller.viewer, team_id)

    @described(
        answer=TeamShape, body=TeamChangeBody, example={"regions": ["eu"], "required_tags": []}, is_versioned=True
    )
    @changes
    def patch(self, request: Request, team_id: int) -> Response:
        """Change a team's name, unit, cost centre, required tags or regions."""
        wanted, viewer = read_body(TeamChangeBody, request), self.caller.viewer
        team = changeable_team(viewer, team_id)
        ensure_unchanged(request, _version(team))
        if "name" in wanted or "unit_id" in wanted:
            unit = found(units_of(viewer), wanted.get("unit_id", team.unit_id), what="unit")
            wish = TeamWish(
                name=wanted.get("name", team.name),
                unit=unit.name,
                cost_centre=team.cost_centre.code,
                required_tags=tuple(team.required_tags),
            )
            change_team(actor=viewer.actor, team_id=team_id, wish=wish)
        if "cost_centre_id" in wanted:
            found(cost_centres_of(viewer), wanted["cost_centre_id"], what="cost centre")
            operations.move_team(actor=viewer.actor, team_id=team_id, cost_centre_id=wanted["cost_centre_id"])
        if "required_tags" in wanted:
            operations.require_tags(actor=viewer.actor, team_id=team_id, tags=wanted["required_tags"])
        if "regions" in wanted:
            operations.keep_in_regions(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                team_id=team_id,
                regions=wanted["regions"],
            )
        return _shown(viewer, team_id)


class TeamArchive(ApiView):
    """The end of a team."""

    area = "teams"

    @described(answer=TeamShape, body=ReasonBody, example={"reason": "The project is over."})
    @changes
    def post(self, request: Request, team_id: int) -> Response:
        """Archive a team: its keys stop working, its records stay."""
        wanted, viewer = read_body(ReasonBody, request), self.caller.viewer
        changeable_team(viewer, team_id)
        team = operations.archive_team(actor=viewer.actor, at=utc_now(), team_id=team_id, reason=wanted["reason"])
        return Response(TeamShape(team).data)


class Members(ApiView):
    """Who is in a team."""

    area = "teams"

    @described(answer=paged(MemberShape), query=PageQuery)
    def get(self, request: Request, team_id: int) -> Response:
        """List the members of a team."""
        team = found(self.caller.viewer.visible_teams(), team_id, what="team")
        members = queries.members_of(team_id=team.pk)
        return answer(page_by_id(members, read_query(PageQuery, request)), MemberShape)


class Member(ApiView):
    """One person's part in a team."""

    area = "teams"

    @described(answer=MemberShape, body=PartBody, example={"part": "developer"})
    @changes
    def put(self, request: Request, team_id: int, user_id: int) -> Response:
        """Put somebody into a team, or change their part in it.

        The team's owners can, and administrators.
        """
        wanted, viewer = read_body(PartBody, request), self.caller.viewer
        team = _managed(viewer, team_id)
        person = found(_people_near(viewer), user_id, what="person")
        part = Membership.Part(wanted["part"])
        membership = people.set_membership(actor=viewer.actor, user_id=person.pk, team_id=team.pk, part=part)
        return Response(MemberShape(membership).data)

    @described(status=204)
    @changes
    def delete(self, request: Request, team_id: int, user_id: int) -> Response:
        """Take somebody out of a team; nothing happens when they are not in it."""
        viewer = self.caller.viewer
        team = _managed(viewer, team_id)
        people.remove_membership(actor=viewer.actor, user_id=user_id, team_id=team.pk)
        return Response(status=204)


class Units(ApiView):
    """All business units."""

    area = "teams"

    @described(answer=paged(UnitShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the business units, the newest first."""
        return answer(page_by_id(units_of(self.caller.viewer), read_query(PageQuery, request)), UnitShape)

    @described(answer=UnitShape, body=NewUnitBody, status=201, example={"name": "Products"})
    @changes
    def post(self, request: Request) -> Response:
        """Add a business unit."""
        wanted, viewer = read_body(NewUnitBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        unit = operations.create_unit(actor=viewer.actor, organisation_id=viewer.organisation.pk, name=wanted["name"])
        unit.refresh_from_db()
        return Response(UnitShape(unit).data, status=201)


class CostCentres(ApiView):
    """All cost centres."""

    area = "teams"

    @described(answer=paged(CostCentreShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the cost centres, the newest first."""
        return answer(page_by_id(cost_centres_of(self.caller.viewer), read_query(PageQuery, request)), CostCentreShape)

    @described(answer=CostCentreShape, body=NewCostCentreBody, status=201, example={"code": "4711", "name": "Search"})
    @changes
    def post(self, request: Request) -> Response:
        """Add a cost centre."""
        wanted, viewer = read_body(NewCostCentreBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        centre = operations.create_cost_centre(
            actor=viewer.actor, organisation_id=viewer.organisation.pk, code=wanted["code"], name=wanted["name"]
        )
        centre.refresh_from_db()
        return Response(CostCentreShape(centre).data, status=201)


def units_of(viewer: Viewer) -> QuerySet[BusinessUnit]:
    """Return the organisation's units that the viewer sees: all, or those of their teams."""
    units = BusinessUnit.objects.filter(organisation=viewer.organisation)
    return units if viewer.sees_all else units.filter(teams__in=viewer.visible_teams()).distinct()


def cost_centres_of(viewer: Viewer) -> QuerySet[CostCentre]:
    """Return the organisation's cost centres that the viewer sees: all, or those of their teams."""
    centres = CostCentre.objects.filter(organisation=viewer.organisation)
    return centres if viewer.sees_all else centres.filter(teams__in=viewer.visible_teams()).distinct()


def changeable_team(viewer: Viewer, team_id: int) -> Team:
    """Return a living team, locked, that the viewer may change. Raises NotFound and Forbidden."""
    found(viewer.visible_teams(), team_id, what="team")
    ensure(viewer.may_administer, _ADMINISTRATORS)
    return queries.team(team_id=team_id, is_locked=True)


def _managed(viewer: Viewer, team_id: int) -> Team:
    team = found(viewer.visible_teams(), team_id, what="team")
    may = viewer.access.may_manage_team(organisation_id=team.organisation_id, team_id=team.pk)
    ensure(may, f"Only an owner of {team.name} or an administrator changes who is in it.")
    return team


def _people_near(viewer: Viewer) -> QuerySet[User]:
    """Whom the viewer may put into a team: everybody in the organisation."""
    return queries.people_of(organisation_id=viewer.organisation.pk)


def _shown(viewer: Viewer, team_id: int, *, status: int = 200) -> Response:
    team = found(viewer.visible_teams(), team_id, what="team")
    headers = {"ETag": _version(team)}
    if status == 201:
        headers["Location"] = f"/api/v1/teams/{team_id}"
    return Response(TeamShape(team).data, status=status, headers=headers)


def _version(team: Team) -> str:
    return version(team.name, team.unit_id, team.cost_centre_id, team.required_tags, team.regions, team.archived_at)
