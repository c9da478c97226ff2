"""People and what they may do in the whole organisation."""

import secrets
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import ReasonField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, page_by_id
from governance.api.schema import described, paged
from governance.core.errors import NotFound
from governance.teams import people, queries
from governance.teams.models import OrganisationRole, User
from governance.viewing.viewer import Viewer

_PASSWORD_BYTES = 15
_READERS = "Only administrators and auditors see people."
_ADMINISTRATORS = "Only administrators change people. Ask one of them."


class PersonShape(Shape):
    """Somebody who can log in."""

    id = serializers.IntegerField()
    email = serializers.CharField()
    is_active = serializers.BooleanField()
    roles = serializers.SerializerMethodField()

    def get_roles(self, person: User) -> list[str]:
        """Their roles in the organisation."""
        organisation_id = self.context["organisation_id"]
        given = person.organisation_roles.all()
        return sorted(str(each.role) for each in given if each.organisation_id == organisation_id)


class NewPersonBody(Body):
    """Somebody to be let in."""

    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(
        required=False,
        min_length=12,
        max_length=500,
        trim_whitespace=False,
        help_text="Without one a password is made, and shown in this answer only.",
    )


class NewPersonShape(Shape):
    """Somebody new, and the password that was made."""

    person = PersonShape()
    password = serializers.CharField(allow_null=True, help_text="Shown this once; null where you gave one.")


class PersonChangeBody(Body):
    """Whether somebody is let in."""

    is_active = serializers.BooleanField()
    reason = ReasonField()


class People(ApiView):
    """Everybody."""

    area = "people"

    @described(answer=paged(PersonShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List who may log in, the newest first."""
        viewer = self.caller.viewer
        ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)
        page = page_by_id(queries.people_of(organisation_id=viewer.organisation.pk), read_query(PageQuery, request))
        return Response({"data": _shape(viewer, page.rows, many=True).data, "next": page.next})

    @described(answer=NewPersonShape, body=NewPersonBody, status=201, example={"email": "fin@acme.example"})
    @changes
    def post(self, request: Request) -> Response:
        """Add somebody. They may nothing until they get a role or a team."""
        wanted, viewer = read_body(NewPersonBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        password = wanted.get("password") or secrets.token_urlsafe(_PASSWORD_BYTES)
        person = people.create_person(actor=viewer.actor, email=wanted["email"], password=password)
        shown = {"person": person, "password": None if "password" in wanted else password}
        context = {"organisation_id": viewer.organisation.pk}
        return Response(NewPersonShape(shown, context=context).data, status=201)


class Person(ApiView):
    """One person."""

    area = "people"

    @described(answer=PersonShape)
    def get(self, request: Request, user_id: int) -> Response:
        """Show one person."""
        viewer = self.caller.viewer
        ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)
        return Response(_shape(viewer, _person(viewer, user_id)).data)

    @described(answer=PersonShape, body=PersonChangeBody, example={"is_active": False, "reason": "Left the company."})
    @changes
    def patch(self, request: Request, user_id: int) -> Response:
        """Let somebody in, or keep them out: effective with their next request."""
        wanted, viewer = read_body(PersonChangeBody, request), self.caller.viewer
        _changeable(viewer, user_id)
        people.change_activity(
            actor=viewer.actor, user_id=user_id, is_active=wanted["is_active"], reason=wanted["reason"]
        )
        return Response(_shape(viewer, _person(viewer, user_id)).data)


class PersonRole(ApiView):
    """One role of a person."""

    area = "people"

    @described(answer=PersonShape)
    @changes
    def put(self, request: Request, user_id: int, role: str) -> Response:
        """Give somebody a role in the whole organisation: admin, finance or auditor."""
        viewer = self.caller.viewer
        _changeable(viewer, user_id)
        people.give_role(actor=viewer.actor, user_id=user_id, organisation_id=viewer.organisation.pk, role=_role(role))
        return Response(_shape(viewer, _person(viewer, user_id)).data)

    @described(answer=PersonShape)
    @changes
    def delete(self, request: Request, user_id: int, role: str) -> Response:
        """Take a role away. The last administrator stays."""
        viewer = self.caller.viewer
        _changeable(viewer, user_id)
        people.take_role(actor=viewer.actor, user_id=user_id, organisation_id=viewer.organisation.pk, role=_role(role))
        return Response(_shape(viewer, _person(viewer, user_id)).data)


def _role(text: str) -> OrganisationRole.Role:
    if text not in OrganisationRole.Role.values:
        raise NotFound(f"There is no such role. There is: {', '.join(OrganisationRole.Role.values)}.")
    return OrganisationRole.Role(text)


def _person(viewer: Viewer, user_id: int) -> User:
    return found(queries.people_of(organisation_id=viewer.organisation.pk), user_id, what="person")


def _changeable(viewer: Viewer, user_id: int) -> None:
    ensure(viewer.may_administer, _ADMINISTRATORS)
    _person(viewer, user_id)


def _shape(viewer: Viewer, shown: Any, *, many: bool = False) -> Any:
    return PersonShape(shown, many=many, context={"organisation_id": viewer.organisation.pk})
