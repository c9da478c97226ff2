"""More money: given for a while, asked for, decided, taken back."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import IdField, UsdField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.resources.budgets import changeable_budget, seen_budget
from governance.api.resources.keys import ReasonBody
from governance.api.schema import described, paged
from governance.budgets import increases, requests
from governance.budgets.increases import NewIncrease
from governance.budgets.models import Increase, IncreaseRequest
from governance.budgets.requests import NewRequest
from governance.core.clock import utc_now
from governance.teams import queries as teams
from governance.viewing.viewer import Viewer

_LONGEST_REASON = 500


class IncreaseShape(Shape):
    """More money for a budget between two instants."""

    id = serializers.IntegerField()
    budget_id = serializers.IntegerField()
    amount_usd = UsdField(source="amount_nano")
    user_id = serializers.IntegerField(allow_null=True, help_text="For this member alone; null: for all.")
    key_id = serializers.IntegerField(allow_null=True, help_text="For this member alone; null: for all.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    reason = serializers.CharField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)


class NewIncreaseBody(Body):
    """More money for a while."""

    amount_usd = UsdField()
    starts_at = serializers.DateTimeField(required=False, help_text="Without it from now on.")
    ends_at = serializers.DateTimeField()
    user_id = IdField(required=False, allow_null=True, default=None, help_text="For this member alone.")
    key_id = IdField(required=False, allow_null=True, default=None, help_text="For this member alone.")
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=_LONGEST_REASON)


class IncreaseRequestShape(Shape):
    """Somebody asks for more money."""

    id = serializers.IntegerField()
    budget_id = serializers.IntegerField()
    requested_by_id = serializers.IntegerField()
    requested_at = serializers.DateTimeField()
    amount_usd = UsdField(source="amount_nano")
    until = serializers.DateTimeField(allow_null=True, help_text="null: the limit is to be higher for good.")
    reason = serializers.CharField()
    state = serializers.CharField(help_text="open, approved, declined or withdrawn")
    decided_by_id = serializers.IntegerField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_reason = serializers.CharField()
    granted_usd = UsdField(source="granted_nano", allow_null=True)


class RequestsQuery(PageQuery):
    """Which requests for more money."""

    state = serializers.ChoiceField(choices=IncreaseRequest.State.choices, required=False)


class NewRequestBody(Body):
    """How much more, and why."""

    amount_usd = UsdField()
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=_LONGEST_REASON, help_text="Whoever decides reads it.")


class ApprovalBody(Body):
    """What is given."""

    amount_usd = UsdField(required=False, allow_null=True, default=None, help_text="Without it what was asked for.")
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=_LONGEST_REASON)


class DeclineBody(Body):
    """Why not."""

    reason = serializers.CharField(max_length=_LONGEST_REASON, help_text="Who asked reads it.")


class Increases(ApiView):
    """The increases of one budget."""

    area = "budgets"

    @described(answer=paged(IncreaseShape), query=PageQuery)
    def get(self, request: Request, budget_id: int) -> Response:
        """List the increases of a budget that are in force or to come."""
        viewer = self.caller.viewer
        rows = viewer.visible_increases(seen_budget(viewer, budget_id), at=utc_now())
        return answer(page_by_id(rows, read_query(PageQuery, request)), IncreaseShape)

    @described(
        answer=IncreaseShape,
        body=NewIncreaseBody,
        status=201,
        example={"amount_usd": "100", "ends_at": "2027-01-01T00:00:00Z", "reason": "Launch week."},
    )
    @changes
    def post(self, request: Request, budget_id: int) -> Response:
        """Give a budget more money for a while. It ends by itself."""
        wanted, viewer, now = read_body(NewIncreaseBody, request), self.caller.viewer, utc_now()
        changeable_budget(viewer, budget_id)
        if wanted["user_id"] is not None:
            found(teams.people_of(organisation_id=viewer.organisation.pk), wanted["user_id"], what="person")
        if wanted["key_id"] is not None:
            found(viewer.visible_keys(), wanted["key_id"], what="key")
        new = NewIncrease(
            budget_id=budget_id,
            amount_nano=wanted["amount_usd"],
            starts_at=wanted.get("starts_at", now),
            ends_at=wanted["ends_at"],
            reason=wanted["reason"],
            user_id=wanted["user_id"],
            key_id=wanted["key_id"],
        )
        return Response(IncreaseShape(increases.give(actor=viewer.actor, new=new, at=now)).data, status=201)


class IncreaseWithdrawal(ApiView):
    """The end of an increase."""

    area = "budgets"

    @described(answer=IncreaseShape, body=ReasonBody, example={"reason": "Not needed any more."})
    @changes
    def post(self, request: Request, budget_id: int, increase_id: int) -> Response:
        """End an increase at once. What was spent stays counted; twice changes nothing."""
        wanted, viewer = read_body(ReasonBody, request), self.caller.viewer
        budget = changeable_budget(viewer, budget_id)
        found(Increase.objects.filter(budget=budget), increase_id, what="increase")
        increase = increases.withdraw(actor=viewer.actor, increase_id=increase_id, reason=wanted["reason"])
        return Response(IncreaseShape(increase).data)


class IncreaseRequests(ApiView):
    """All requests for more money."""

    area = "budgets"

    @described(answer=paged(IncreaseRequestShape), query=RequestsQuery)
    def get(self, request: Request) -> Response:
        """List the requests for more money that you see, the newest first."""
        query = read_query(RequestsQuery, request)
        rows = self.caller.viewer.visible_requests()
        if "state" in query:
            rows = rows.filter(state=query["state"])
        return answer(page_by_id(rows, query), IncreaseRequestShape)


class BudgetAsking(ApiView):
    """Asking for more money in one budget."""

    area = "budgets"

    @described(
        answer=IncreaseRequestShape,
        body=NewRequestBody,
        status=201,
        example={"amount_usd": "50", "until": "2027-01-01T00:00:00Z", "reason": "The evaluation takes longer."},
    )
    @changes
    def post(self, request: Request, budget_id: int) -> Response:
        """Ask for more money in a budget that you spend from. Needs a personal token."""
        wanted, viewer = read_body(NewRequestBody, request), self.caller.viewer
        seen_budget(viewer, budget_id)
        new = NewRequest(
            budget_id=budget_id, amount_nano=wanted["amount_usd"], until=wanted["until"], reason=wanted["reason"]
        )
        asked = requests.ask(actor=viewer.actor, requester=self.caller.person, new=new, at=utc_now())
        return _shown(viewer, asked.pk, status=201)


class OneIncreaseRequest(ApiView):
    """One request for more money."""

    area = "budgets"

    @described(answer=IncreaseRequestShape)
    def get(self, request: Request, request_id: int) -> Response:
        """Show one request for more money."""
        return _shown(self.caller.viewer, request_id)


class Approval(ApiView):
    """A yes."""

    area = "budgets"

    @described(answer=IncreaseRequestShape, body=ApprovalBody, example={"amount_usd": "40", "reason": "Go ahead."})
    @changes
    def post(self, request: Request, request_id: int) -> Response:
        """Give what was asked for, or another amount. Needs a personal token, and never your own request."""
        wanted, viewer = read_body(ApprovalBody, request), self.caller.viewer
        _decidable(viewer, request_id)
        requests.approve(
            actor=viewer.actor,
            decider=self.caller.person,
            request_id=request_id,
            at=utc_now(),
            amount_nano=wanted["amount_usd"],
            reason=wanted["reason"],
        )
        return _shown(viewer, request_id)


class Declining(ApiView):
    """A no."""

    area = "budgets"

    @described(answer=IncreaseRequestShape, body=DeclineBody, example={"reason": "The quarter is over next week."})
    @changes
    def post(self, request: Request, request_id: int) -> Response:
        """Give nothing, and say why. Needs a personal token, and never your own request."""
        wanted, viewer = read_body(DeclineBody, request), self.caller.viewer
        _decidable(viewer, request_id)
        requests.decline(
            actor=viewer.actor,
            decider=self.caller.person,
            request_id=request_id,
            at=utc_now(),
            reason=wanted["reason"],
        )
        return _shown(viewer, request_id)


class RequestWithdrawal(ApiView):
    """Taking a request back."""

    area = "budgets"

    @described(answer=IncreaseRequestShape)
    @changes
    def post(self, request: Request, request_id: int) -> Response:
        """Take your own request back. Needs a personal token."""
        viewer = self.caller.viewer
        found(viewer.visible_requests(), request_id, what="request for more money")
        requests.withdraw(actor=viewer.actor, requester=self.caller.person, request_id=request_id, at=utc_now())
        return _shown(viewer, request_id)


def _decidable(viewer: Viewer, request_id: int) -> None:
    asked = found(viewer.visible_requests(), request_id, what="request for more money")
    ensure(viewer.may_decide(asked), "Only administrators and finance decide, and never about their own request.")


def _shown(viewer: Viewer, request_id: int, *, status: int = 200) -> Response:
    asked: Any = found(viewer.visible_requests(), request_id, what="request for more money")
    return Response(IncreaseRequestShape(asked).data, status=status)
