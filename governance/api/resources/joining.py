"""Coming in: invitations, rules for logging in, and undoing what people log in with."""

from functools import partial
from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import IdField, ReasonField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.core.clock import utc_now
from governance.identity import arrivals, invitations, people, sessions
from governance.identity.letters import invitation_link, send_invitation
from governance.identity.models import Invitation
from governance.teams import queries
from governance.teams.people import Part, Role
from governance.viewing.viewer import Viewer

_READERS = "Only administrators and auditors see who is invited, and how people log in."
_ADMINISTRATORS = "Only administrators say who may come in, and how. Ask one of them."
_MOST_TEAMS = 1000


class InvitedTeamShape(Shape):
    """A team that somebody is in as soon as they accept."""

    team_id = serializers.IntegerField()
    part = serializers.CharField()


class InvitationShape(Shape):
    """Somebody who is asked to come in: never the link."""

    id = serializers.IntegerField()
    email = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    teams = InvitedTeamShape(many=True, source="memberships")
    invited_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class SentInvitationShape(Shape):
    """An invitation, and its link, which is shown this once."""

    invitation = InvitationShape()
    link = serializers.CharField(help_text="Where it is accepted. Whoever has it comes in, so tell nobody else.")


class InvitedTeamBody(Body):
    """A team to be in."""

    team_id = IdField()
    part = serializers.ChoiceField(choices=Part.values)


class NewInvitationBody(Body):
    """Whom to invite, and what they may do then."""

    email = serializers.CharField(max_length=254)
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=Role.values), required=False, default=list, max_length=len(Role.values)
    )
    teams: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=InvitedTeamBody(), required=False, max_length=_MOST_TEAMS
    )


class SignInRulesShape(Shape):
    """What is asked of everybody."""

    is_second_factor_required = serializers.BooleanField()
    are_personal_keys_kept = serializers.BooleanField(
        help_text="Whether the keys of somebody who is deactivated go on working."
    )


class SignInRulesBody(Body):
    """What is to be different. What is left out stays."""

    is_second_factor_required = serializers.BooleanField(required=False)
    are_personal_keys_kept = serializers.BooleanField(required=False)


class WhyBody(Body):
    """Why."""

    reason = ReasonField()


class EndedShape(Shape):
    """How many sessions are over."""

    sessions = serializers.IntegerField()


class Invitations(ApiView):
    """All invitations that wait."""

    area = "people"

    @described(answer=paged(InvitationShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the invitations that wait for an answer, expired ones too, the newest first."""
        viewer = self.caller.viewer
        ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)
        rows = invitations.open_invitations(organisation_id=viewer.organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), InvitationShape)

    @described(
        answer=SentInvitationShape,
        body=NewInvitationBody,
        status=201,
        example={"email": "grace@acme.example", "roles": ["auditor"], "teams": [{"team_id": 7, "part": "developer"}]},
    )
    @changes
    def post(self, request: Request) -> Response:
        """Invite somebody: a letter with a link, which works for a week. An earlier one of the address is withdrawn."""
        wanted, viewer = read_body(NewInvitationBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        wish = invitations.Wish(
            organisation_id=viewer.organisation.pk,
            email=wanted["email"],
            roles=frozenset(Role(role) for role in wanted["roles"]),
            parts={each["team_id"]: Part(each["part"]) for each in wanted.get("teams", [])},
        )
        return _sent(invitations.invite(actor=viewer.actor, at=utc_now(), wish=wish), status=201)


class InvitationRenewal(ApiView):
    """Another link."""

    area = "people"

    @described(answer=SentInvitationShape)
    @changes
    def post(self, request: Request, invitation_id: int) -> Response:
        """Send another link, which works for a week. The former one does not work any more."""
        viewer = _concerned(self.caller.viewer, invitation_id)
        return _sent(invitations.renew(actor=viewer.actor, at=utc_now(), invitation_id=invitation_id))


class InvitationWithdrawal(ApiView):
    """An end."""

    area = "people"

    @described(answer=InvitationShape)
    @changes
    def post(self, request: Request, invitation_id: int) -> Response:
        """Withdraw an invitation: its link does not work any more."""
        viewer = _concerned(self.caller.viewer, invitation_id)
        over = invitations.withdraw(actor=viewer.actor, at=utc_now(), invitation_id=invitation_id)
        return Response(InvitationShape(over).data)


class OrganisationSignInRules(ApiView):
    """What is asked of everybody."""

    area = "people"

    @described(answer=SignInRulesShape)
    def get(self, request: Request) -> Response:
        """Show what the organisation asks of its people."""
        viewer = self.caller.viewer
        ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)
        return Response(SignInRulesShape(people.sign_in_rules(organisation_id=viewer.organisation.pk)).data)

    @described(answer=SignInRulesShape, body=SignInRulesBody, example={"is_second_factor_required": True})
    @changes
    def patch(self, request: Request) -> Response:
        """Change what is asked of people: effective with everybody's next request."""
        wanted, viewer = read_body(SignInRulesBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        present = SignInRulesShape(people.sign_in_rules(organisation_id=viewer.organisation.pk)).data
        rules = people.change_sign_in_rules(
            actor=viewer.actor, organisation_id=viewer.organisation.pk, **{**present, **wanted}
        )
        return Response(SignInRulesShape(rules).data)


class PersonSessions(ApiView):
    """Where somebody is logged in."""

    area = "people"

    @described(answer=EndedShape, body=WhyBody, example={"reason": "A laptop was lost."})
    @changes
    def post(self, request: Request, user_id: int) -> Response:
        """Log somebody out everywhere."""
        wanted, viewer = read_body(WhyBody, request), _changeable(self.caller.viewer, user_id)
        count = sessions.end_sessions(actor=viewer.actor, user_id=user_id, reason=wanted["reason"])
        return Response(EndedShape({"sessions": count}).data)


class PersonSecondFactor(ApiView):
    """What somebody proves themselves with beside the password."""

    area = "people"

    @described(body=WhyBody, status=204, example={"reason": "The telephone was lost."})
    @changes
    def post(self, request: Request, user_id: int) -> Response:
        """Remove the second factors of somebody who lost them, and log them out."""
        wanted, viewer = read_body(WhyBody, request), _changeable(self.caller.viewer, user_id)
        people.forget_second_factor(
            actor=viewer.actor, organisation_id=viewer.organisation.pk, user_id=user_id, reason=wanted["reason"]
        )
        return Response(status=204)


class PersonUnlinking(ApiView):
    """As whom identity providers know somebody."""

    area = "people"

    @described(body=WhyBody, status=204, example={"reason": "Their account there is another one now."})
    @changes
    def post(self, request: Request, user_id: int) -> Response:
        """Forget as whom identity providers know somebody."""
        wanted, viewer = read_body(WhyBody, request), _changeable(self.caller.viewer, user_id)
        arrivals.unlink(
            actor=viewer.actor, organisation_id=viewer.organisation.pk, user_id=user_id, reason=wanted["reason"]
        )
        return Response(status=204)


def _sent(invitation: Invitation, *, status: int = 200) -> Response:
    # A mail server may take its time, and whatever is audited waits for this transaction.
    transaction.on_commit(partial(send_invitation, invitation))
    shown = {"invitation": invitation, "link": invitation_link(invitation)}
    return Response(SentInvitationShape(shown).data, status=status)


def _concerned(viewer: Viewer, invitation_id: int) -> Viewer:
    ensure(viewer.may_administer, _ADMINISTRATORS)
    found(Invitation.objects.filter(organisation=viewer.organisation), invitation_id, what="invitation")
    return viewer


def _changeable(viewer: Viewer, user_id: int) -> Viewer:
    ensure(viewer.may_administer, _ADMINISTRATORS)
    found(queries.people_of(organisation_id=viewer.organisation.pk), user_id, what="person")
    return viewer
