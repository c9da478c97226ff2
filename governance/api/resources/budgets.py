"""Budgets and how they stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, ensure_unchanged, read_body, read_query, version
from governance.api.fields import UsdField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, cut, page_by_id
from governance.api.resources.keys import ReasonBody
from governance.api.resources.scopes import ScopedBody, own_scope
from governance.api.schema import described, paged
from governance.budgets import operations, queries
from governance.budgets.models import Budget
from governance.budgets.narrowing import tag_text
from governance.budgets.operations import DEFAULT_THRESHOLDS, MONTHS_OF_A_YEAR, NewBudget
from governance.budgets.queries import Standing, member_standings, standings
from governance.budgets.thresholds import LARGEST_THRESHOLD, Measure, NewThreshold
from governance.core.clock import utc_now
from governance.core.windows import END, WindowKind
from governance.viewing.viewer import Viewer

_MOST_THRESHOLDS = 50
_GIVERS = "Money is given from above: only administrators and finance set budgets. Ask one of them for more."


class ThresholdBody(Body):
    """When to tell: at how many per cent of the limit, by what is settled or by what is held too."""

    percent = serializers.IntegerField(min_value=1, max_value=LARGEST_THRESHOLD)
    measure = serializers.ChoiceField(choices=[each.value for each in Measure], default=Measure.SETTLED.value)


class ThresholdsField(serializers.ListSerializer[Any]):
    """When to tell; where it is left out, nothing is said about it."""

    def __init__(self) -> None:
        super().__init__(child=ThresholdBody(), required=False, max_length=_MOST_THRESHOLDS)


class StandingShape(Shape):
    """How a budget stands in its current period, or of its members the one of whom least is left."""

    member = serializers.CharField(help_text='Whose share: "person ada@..."; empty where everybody shares.')
    starts_at = serializers.DateTimeField(source="period.starts_at")
    ends_at = serializers.SerializerMethodField()
    limit_usd = UsdField(source="limit_nano", help_text="With what was carried over, and increases in force.")
    carried_usd = UsdField(source="carried_nano")
    settled_usd = UsdField(source="settled_nano")
    held_usd = UsdField(source="held_nano", help_text="For calls that are not booked yet.")
    left_usd = UsdField(source="left_nano", help_text="Negative where a fact went beyond the limit.")

    def get_ends_at(self, standing: Standing) -> datetime | None:
        """When it begins anew; null: it never does."""
        return standing.period.ends_at if standing.period.ends_at < END else None


class BudgetShape(Shape):
    """A budget, and how it stands now."""

    id = serializers.IntegerField(source="budget.pk")
    name = serializers.CharField(source="budget.name")
    unit_id = serializers.IntegerField(source="budget.unit_id", allow_null=True)
    team_id = serializers.IntegerField(source="budget.team_id", allow_null=True)
    key_id = serializers.IntegerField(source="budget.key_id", allow_null=True)
    user_id = serializers.IntegerField(source="budget.user_id", allow_null=True)
    model_pattern = serializers.CharField(source="budget.model_pattern")
    model_group_id = serializers.IntegerField(source="budget.model_group_id", allow_null=True)
    provider = serializers.CharField(source="budget.provider")
    tag = serializers.SerializerMethodField(help_text="name=value, or name=* for any value")
    limit_usd = UsdField(source="budget.limit_nano")
    window = serializers.CharField(source="budget.window")
    zone = serializers.CharField(source="budget.zone")
    first_month = serializers.IntegerField(source="budget.first_month")
    enforcement = serializers.CharField(source="budget.enforcement", help_text="hard refuses, soft only tells")
    sharing = serializers.CharField(source="budget.sharing")
    carries_over = serializers.BooleanField(source="budget.carries_over")
    carry_cap_usd = UsdField(source="budget.carry_cap_nano", allow_null=True)
    thresholds = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="budget.created_at")
    retired_at = serializers.DateTimeField(source="budget.retired_at", allow_null=True)
    standing = StandingShape(source="*")

    def get_tag(self, standing: Standing) -> str:
        """The tag that calls must have to be paid from it."""
        budget = standing.budget
        return tag_text(budget.tag_name, budget.tag_value) if budget.tag_name else ""

    def get_thresholds(self, standing: Standing) -> list[dict[str, str | int]]:
        """When it tells."""
        return [{"percent": each.percent, "measure": each.measure} for each in standing.budget.thresholds.all()]


class BudgetsQuery(PageQuery):
    """Which budgets."""

    retired = serializers.BooleanField(default=False, help_text="Retired ones too.")


class NewBudgetBody(ScopedBody):
    """A budget to be set."""

    limit_usd = UsdField()
    window = serializers.ChoiceField(choices=[kind.value for kind in WindowKind], help_text="How often it is renewed.")
    zone = serializers.CharField(
        required=False, max_length=100, help_text="A period begins at midnight here; without it the organisation's."
    )
    first_month = serializers.IntegerField(
        default=1, min_value=1, max_value=MONTHS_OF_A_YEAR, help_text="In which a year begins."
    )
    enforcement = serializers.ChoiceField(choices=Budget.Enforcement.choices, default=Budget.Enforcement.HARD.value)
    tag = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=260, help_text="name=value, or name=* for any value"
    )
    carries_over = serializers.BooleanField(default=False)
    carry_cap_usd = UsdField(required=False, allow_null=True, default=None)
    thresholds = ThresholdsField()


class BudgetChangeBody(Body):
    """What is to be different. What is left out stays."""

    limit_usd = UsdField(required=False, help_text="Takes effect at once, in the current period too.")
    thresholds = ThresholdsField()
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class Budgets(ApiView):
    """All budgets."""

    area = "budgets"

    @described(answer=paged(BudgetShape), query=BudgetsQuery)
    def get(self, request: Request) -> Response:
        """List the budgets that you see with how they stand, the newest first."""
        query, viewer = read_query(BudgetsQuery, request), self.caller.viewer
        budgets = _related(viewer)
        page = page_by_id(budgets if query["retired"] else budgets.filter(retired_at=None), query)
        return answer(page, BudgetShape, _standings(viewer, page.rows))

    @described(
        answer=BudgetShape,
        body=NewBudgetBody,
        status=201,
        example={"name": "Search", "team_id": 3, "limit_usd": "500", "window": "month"},
    )
    @changes
    def post(self, request: Request) -> Response:
        """Set a budget. Every gateway heeds it within seconds."""
        wanted, viewer = read_body(NewBudgetBody, request), self.caller.viewer
        ensure(viewer.may_change_budgets, _GIVERS)
        new = NewBudget(
            **own_scope(viewer, wanted),
            limit_nano=wanted["limit_usd"],
            window=WindowKind(wanted["window"]),
            zone=wanted.get("zone", viewer.organisation.zone),
            first_month=wanted["first_month"],
            is_hard=wanted["enforcement"] == Budget.Enforcement.HARD,
            tag=wanted["tag"],
            carries_over=wanted["carries_over"],
            carry_cap_nano=wanted["carry_cap_usd"],
            thresholds=_thresholds(wanted["thresholds"]) if "thresholds" in wanted else DEFAULT_THRESHOLDS,
        )
        return shown_budget(viewer, operations.create(actor=viewer.actor, new=new).pk, status=201)


class OneBudget(ApiView):
    """One budget."""

    area = "budgets"

    @described(answer=BudgetShape)
    def get(self, request: Request, budget_id: int) -> Response:
        """Show one budget, and how it stands."""
        return shown_budget(self.caller.viewer, budget_id)

    @described(
        answer=BudgetShape,
        body=BudgetChangeBody,
        example={"limit_usd": "750", "reason": "The new assistant goes live."},
        is_versioned=True,
    )
    @changes
    def patch(self, request: Request, budget_id: int) -> Response:
        """Change the limit, for the current period too, or when the budget tells."""
        wanted, viewer = read_body(BudgetChangeBody, request), self.caller.viewer
        changeable_budget(viewer, budget_id)
        budget = queries.budget(budget_id=budget_id, is_locked=True)
        ensure_unchanged(request, _version(budget))
        operations.change(
            actor=viewer.actor,
            budget_id=budget_id,
            limit_nano=wanted.get("limit_usd", budget.limit_nano),
            thresholds=_thresholds(wanted["thresholds"]) if "thresholds" in wanted else None,
            reason=wanted["reason"],
        )
        return shown_budget(viewer, budget_id)


class BudgetRetirement(ApiView):
    """The end of a budget."""

    area = "budgets"

    @described(answer=BudgetShape, body=ReasonBody, example={"reason": "The project is over."})
    @changes
    def post(self, request: Request, budget_id: int) -> Response:
        """Let a budget limit nothing more. Its history stays; twice changes nothing."""
        wanted, viewer = read_body(ReasonBody, request), self.caller.viewer
        changeable_budget(viewer, budget_id)
        operations.retire(actor=viewer.actor, budget_id=budget_id, reason=wanted["reason"])
        return shown_budget(viewer, budget_id)


class BudgetMembers(ApiView):
    """How the members of a budget stand."""

    area = "budgets"

    @described(answer=paged(StandingShape), query=PageQuery)
    def get(self, request: Request, budget_id: int) -> Response:
        """List how each member stands who spent in this period, those with least left first.

        There are as many as `limit` says, and no further page.
        """
        query, viewer = read_query(PageQuery, request), self.caller.viewer
        budget = found(_related(viewer), budget_id, what="budget")
        members = member_standings(budget=budget, at=utc_now(), accounts=viewer.visible_accounts())
        page = cut(members[: query["limit"]], query["limit"], lambda each: each.member)
        return answer(page, StandingShape)


def changeable_budget(viewer: Viewer, budget_id: int) -> Budget:
    """Return a budget that the viewer may change. Raises NotFound and Forbidden."""
    budget = found(_related(viewer), budget_id, what="budget")
    ensure(viewer.may_change_budgets, _GIVERS)
    return budget


def seen_budget(viewer: Viewer, budget_id: int) -> Budget:
    """Return a budget that the viewer sees. Raises NotFound."""
    return found(_related(viewer), budget_id, what="budget")


def shown_budget(viewer: Viewer, budget_id: int, *, status: int = 200) -> Response:
    """Return the answer that shows a budget."""
    budget = seen_budget(viewer, budget_id)
    headers = {"ETag": _version(budget)}
    if status == 201:
        headers["Location"] = f"/api/v1/budgets/{budget_id}"
    [standing] = _standings(viewer, [budget])
    return Response(BudgetShape(standing).data, status=status, headers=headers)


def _standings(viewer: Viewer, budgets: Sequence[Budget]) -> list[Standing]:
    return standings(budgets=budgets, at=utc_now(), accounts=viewer.visible_accounts())


def _related(viewer: Viewer) -> QuerySet[Budget]:
    return viewer.visible_budgets().select_related("key", "user").prefetch_related("thresholds")


def _thresholds(wanted: list[dict[str, Any]]) -> tuple[NewThreshold, ...]:
    return tuple(NewThreshold(each["percent"], Measure(each["measure"])) for each in wanted)


def _version(budget: Budget) -> str:
    return version(budget.limit_nano, [str(each) for each in budget.thresholds.all()], budget.retired_at)
