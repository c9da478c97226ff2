"""Rate limits and what is left of them."""

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, ensure_unchanged, read_body, read_query, version
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.resources.keys import ReasonBody
from governance.api.resources.scopes import ScopedBody, own_scope
from governance.api.schema import described, paged
from governance.core.clock import utc_now
from governance.metering.queries import rate_standings
from governance.policy import limits, queries
from governance.policy.limits import LARGEST_AMOUNT, NewRateLimit
from governance.policy.models import RateLimit
from governance.policy.rate_limit import Counts, LimitWindow
from governance.viewing.viewer import Viewer

_SETTERS = "Only administrators and finance set rate limits. Ask one of them for more."


class RateLimitShape(Shape):
    """A rate limit, and its current window: of its members the one who took most."""

    id = serializers.IntegerField(source="limit.pk")
    name = serializers.CharField(source="limit.name")
    unit_id = serializers.IntegerField(source="limit.unit_id", allow_null=True)
    team_id = serializers.IntegerField(source="limit.team_id", allow_null=True)
    key_id = serializers.IntegerField(source="limit.key_id", allow_null=True)
    user_id = serializers.IntegerField(source="limit.user_id", allow_null=True)
    model_pattern = serializers.CharField(source="limit.model_pattern")
    model_group_id = serializers.IntegerField(source="limit.model_group_id", allow_null=True)
    provider = serializers.CharField(source="limit.provider")
    sharing = serializers.CharField(source="limit.sharing")
    counts = serializers.CharField(source="limit.counts")
    amount = serializers.IntegerField(source="limit.amount")
    window = serializers.CharField(source="limit.window", allow_null=True)
    created_at = serializers.DateTimeField(source="limit.created_at")
    retired_at = serializers.DateTimeField(source="limit.retired_at", allow_null=True)
    member = serializers.CharField(help_text="Whose window; empty where everybody shares.")
    taken = serializers.IntegerField(help_text="With what gateways have in hand.")
    left = serializers.IntegerField(help_text="Negative after the amount was lowered.")
    resets_at = serializers.DateTimeField(allow_null=True)


class RateLimitsQuery(PageQuery):
    """Which rate limits."""

    retired = serializers.BooleanField(default=False, help_text="Retired ones too.")


class NewRateLimitBody(ScopedBody):
    """A rate limit to be set."""

    counts = serializers.ChoiceField(choices=[each.value for each in Counts])
    amount = serializers.IntegerField(min_value=1, max_value=LARGEST_AMOUNT)
    window = serializers.ChoiceField(
        choices=[each.value for each in LimitWindow],
        required=False,
        allow_null=True,
        default=None,
        help_text="What the amount is per; none where requests at the same time are counted.",
    )


class RateLimitChangeBody(Body):
    """What is to be different."""

    amount = serializers.IntegerField(min_value=1, max_value=LARGEST_AMOUNT)
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class RateLimits(ApiView):
    """All rate limits."""

    area = "limits"

    @described(answer=paged(RateLimitShape), query=RateLimitsQuery)
    def get(self, request: Request) -> Response:
        """List the rate limits that you see with their current window, the newest first."""
        query, viewer = read_query(RateLimitsQuery, request), self.caller.viewer
        rows = _related(viewer)
        page = page_by_id(rows if query["retired"] else rows.filter(retired_at=None), query)
        found_standings = rate_standings(limits=page.rows, at=utc_now(), allowances=viewer.visible_allowances())
        return answer(page, RateLimitShape, found_standings)

    @described(
        answer=RateLimitShape,
        body=NewRateLimitBody,
        status=201,
        example={"name": "Search, a minute", "team_id": 3, "counts": "requests", "amount": 600, "window": "minute"},
    )
    @changes
    def post(self, request: Request) -> Response:
        """Set a rate limit. Every gateway heeds it within seconds."""
        wanted, viewer = read_body(NewRateLimitBody, request), self.caller.viewer
        ensure(viewer.may_change_budgets, _SETTERS)
        new = NewRateLimit(
            **own_scope(viewer, wanted),
            counts=Counts(wanted["counts"]),
            amount=wanted["amount"],
            window=LimitWindow(wanted["window"]) if wanted["window"] else None,
        )
        return _shown(viewer, limits.create(actor=viewer.actor, new=new).pk, status=201)


class OneRateLimit(ApiView):
    """One rate limit."""

    area = "limits"

    @described(answer=RateLimitShape)
    def get(self, request: Request, limit_id: int) -> Response:
        """Show one rate limit, and what is left of it."""
        return _shown(self.caller.viewer, limit_id)

    @described(answer=RateLimitShape, body=RateLimitChangeBody, example={"amount": 1200}, is_versioned=True)
    @changes
    def patch(self, request: Request, limit_id: int) -> Response:
        """Change the amount, for the current window too."""
        wanted, viewer = read_body(RateLimitChangeBody, request), self.caller.viewer
        _changeable(viewer, limit_id)
        ensure_unchanged(request, _version(queries.rate_limit(limit_id=limit_id, is_locked=True)))
        limits.change_amount(actor=viewer.actor, limit_id=limit_id, amount=wanted["amount"], reason=wanted["reason"])
        return _shown(viewer, limit_id)


class RateLimitRetirement(ApiView):
    """The end of a rate limit."""

    area = "limits"

    @described(answer=RateLimitShape, body=ReasonBody, example={"reason": "Replaced by one per member."})
    @changes
    def post(self, request: Request, limit_id: int) -> Response:
        """Let a rate limit count nothing more. Twice changes nothing."""
        wanted, viewer = read_body(ReasonBody, request), self.caller.viewer
        _changeable(viewer, limit_id)
        limits.retire(actor=viewer.actor, limit_id=limit_id, reason=wanted["reason"])
        return _shown(viewer, limit_id)


def _related(viewer: Viewer) -> QuerySet[RateLimit]:
    return viewer.visible_rate_limits()


def _changeable(viewer: Viewer, limit_id: int) -> None:
    found(_related(viewer), limit_id, what="rate limit")
    ensure(viewer.may_change_budgets, _SETTERS)


def _shown(viewer: Viewer, limit_id: int, *, status: int = 200) -> Response:
    limit = found(_related(viewer), limit_id, what="rate limit")
    [standing] = rate_standings(limits=[limit], at=utc_now(), allowances=viewer.visible_allowances())
    headers = {"ETag": _version(limit)}
    if status == 201:
        headers["Location"] = f"/api/v1/limits/{limit_id}"
    return Response(RateLimitShape(standing).data, status=status, headers=headers)


def _version(limit: RateLimit) -> str:
    return version(limit.amount, limit.retired_at)
