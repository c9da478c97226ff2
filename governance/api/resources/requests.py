"""Requests: what they used and cost, one of them explained, and what becomes of those whose outcome is unknown."""

from datetime import datetime
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.errors import CursorInvalid
from governance.api.fields import IdField, UsdField
from governance.api.lookups import ensure
from governance.api.pages import Page, PageQuery, answer, cut, open_cursor
from governance.api.schema import described, paged
from governance.core.errors import NotFound
from governance.ledger.records import Position, Record, RecordFilter, newest_records
from governance.metering.operations import release_suspense, settle_suspense
from governance.metering.queries import newest_suspense
from governance.viewing.explanation import Explanation, explanation
from governance.viewing.unbooked import with_names
from governance.viewing.viewer import Viewer


class RequestShape(Shape):
    """One attempt at a vendor, as it stands after its last revision."""

    attempt_id = serializers.UUIDField()
    request_id = serializers.UUIDField()
    admitted_at = serializers.DateTimeField()
    team_id = serializers.IntegerField()
    key_id = serializers.IntegerField()
    user_id = serializers.IntegerField(allow_null=True)
    model = serializers.SerializerMethodField()
    alias = serializers.CharField()
    served_model = serializers.CharField(allow_null=True, help_text="As the vendor names it.")
    http_status = serializers.IntegerField()
    outcome = serializers.CharField()
    is_stream = serializers.BooleanField()
    is_estimated = serializers.BooleanField(source="is_still_estimated")
    input_tokens = serializers.IntegerField(help_text="Cached ones among them.")
    output_tokens = serializers.IntegerField()
    charge_usd = UsdField(source="charged_nano")
    tags = serializers.DictField(child=serializers.CharField())
    first_byte_milliseconds = serializers.IntegerField(allow_null=True)
    total_milliseconds = serializers.IntegerField()

    def get_model(self, record: Record) -> str:
        """The vendor's name, and the model's."""
        return str(record.model)


class RequestsQuery(PageQuery):
    """Which requests."""

    team_id = IdField(required=False)
    key_id = IdField(required=False)
    model_id = IdField(required=False)
    failed = serializers.BooleanField(required=False, allow_null=True, default=None)
    since = serializers.DateTimeField(required=False, help_text="Admitted at this instant or later.")
    until = serializers.DateTimeField(required=False, help_text="Admitted before this instant.")


class UnbookedShape(Shape):
    """A request whose outcome nobody can prove yet: what it may cost is held."""

    attempt_id = serializers.UUIDField(source="attempt.id")
    request_id = serializers.UUIDField(source="attempt.request_id")
    admitted_at = serializers.DateTimeField(source="attempt.admitted_at")
    team_id = serializers.IntegerField(source="attempt.team_id")
    key_id = serializers.IntegerField(source="attempt.key_id")
    alias = serializers.CharField(source="attempt.alias")
    why = serializers.CharField(source="attempt.suspense_reason")
    held_usd = UsdField(source="attempt.held_nano")
    estimated_usd = UsdField(source="estimated_nano", help_text="Settled already, as an estimate.")


class LineShape(Shape):
    """Quantity times price, exact."""

    what = serializers.CharField(source="label")
    quantity = serializers.IntegerField()
    price_usd_per_million = serializers.SerializerMethodField()
    cost_usd = UsdField(source="cost_nano")

    def get_price_usd_per_million(self, line: Any) -> str | None:
        """Exact; null where there was none."""
        return f"{line.price.nano_per_unit.scaleb(-3).normalize():f}" if line.price is not None else None


class PostingShape(Shape):
    """One amount on one account of the ledger, of all calls of the entry."""

    account = serializers.CharField(source="account.kind")
    cost_centre_id = serializers.IntegerField(source="account.cost_centre_id", allow_null=True)
    amount_usd = UsdField(source="amount_nano")


class BookingShape(Shape):
    """The entry that it is part of."""

    entry_id = serializers.IntegerField()
    kind = serializers.CharField()
    month = serializers.DateField()
    reason = serializers.CharField()
    record_count = serializers.IntegerField()
    postings = PostingShape(many=True)


class RevisionShape(Shape):
    """What was booked; later revisions are differences to what stood before."""

    revision = serializers.IntegerField(source="record.revision")
    settled_at = serializers.DateTimeField(source="record.settled_at")
    outcome = serializers.CharField(source="record.outcome")
    is_estimated = serializers.BooleanField(source="record.is_estimated")
    lines = LineShape(many=True)
    cost_usd = UsdField(source="record.cost_nano")
    charge_usd = UsdField(source="record.charge_nano")
    total_charge_usd = UsdField(source="total_charge_nano", help_text="Of all revisions until then.")
    booking = BookingShape(allow_null=True)
    adds_up = serializers.BooleanField(help_text="Whether lines, cost, charge and entry agree.")


class PayingShape(Shape):
    """A budget that paid."""

    budget_id = serializers.IntegerField()
    name = serializers.CharField(source="budget.name")
    starts_at = serializers.DateTimeField()


class ExplanationShape(Shape):
    """One request explained: usage, prices, cost, and where it was booked."""

    attempt_id = serializers.UUIDField()
    admitted_at = serializers.DateTimeField()
    team_id = serializers.SerializerMethodField()
    key_id = serializers.SerializerMethodField()
    revisions = RevisionShape(many=True, help_text="None while its outcome is unknown.")
    budgets = PayingShape(many=True, source="accounts")
    unbooked = UnbookedShape(allow_null=True)

    def get_team_id(self, shown: Explanation) -> int | None:
        """Whose it is."""
        return shown.request.team_id if shown.request is not None else None

    def get_key_id(self, shown: Explanation) -> int | None:
        """With which key."""
        return shown.request.key_id if shown.request is not None else None


class SettleBody(Body):
    """What a request of unknown outcome cost, as somebody found out at the vendor."""

    cost_usd = UsdField(help_text="0 if the vendor's report does not list it: then what is held is given back.")
    reason = serializers.CharField(max_length=500, help_text="How you know. Kept in the audit trail.")


class UnbookedQuery(Body):
    """How many."""

    limit = serializers.IntegerField(min_value=1, max_value=200, default=50, help_text="How many at most.")


class Requests(ApiView):
    """All requests."""

    area = "requests"

    @described(answer=paged(RequestShape), query=RequestsQuery)
    def get(self, request: Request) -> Response:
        """List the requests that you see, the newest first."""
        query, viewer = read_query(RequestsQuery, request), self.caller.viewer
        size = query["limit"]
        wanted = RecordFilter(
            reach=viewer.reach,
            team_id=query.get("team_id"),
            key_id=query.get("key_id"),
            model_id=query.get("model_id"),
            has_failed=query["failed"],
            since=query.get("since"),
            until=query.get("until"),
        )
        records = newest_records(wanted=wanted, before=_position(query.get("after")), limit=size + 1)
        page = cut(records, size, lambda record: f"{record.admitted_at.isoformat()} {record.attempt_id}")
        return answer(page, RequestShape)


class Unbooked(ApiView):
    """Requests whose outcome is unknown."""

    area = "requests"

    @described(answer=paged(UnbookedShape), query=UnbookedQuery)
    def get(self, request: Request) -> Response:
        """List the newest requests that you see whose outcome nobody can prove yet."""
        query = read_query(UnbookedQuery, request)
        rows = with_names(newest_suspense(reach=self.caller.viewer.reach, limit=query["limit"]))
        return answer(Page(rows, None), UnbookedShape)


class OneRequest(ApiView):
    """One request."""

    area = "requests"

    @described(answer=ExplanationShape)
    def get(self, request: Request, attempt_id: UUID) -> Response:
        """Explain one request: what was used, at which prices, what it cost, and where that was booked."""
        return Response(ExplanationShape(_explained(self.caller.viewer, attempt_id)).data)


class RequestSettlement(ApiView):
    """The outcome of a request for which none was known."""

    area = "requests"

    @described(
        answer=ExplanationShape,
        body=SettleBody,
        example={"cost_usd": "0.0042", "reason": "The vendor's usage page lists it."},
    )
    @changes
    def post(self, request: Request, attempt_id: UUID) -> Response:
        """Book what a request of unknown outcome cost; the rest of what it held is given back."""
        wanted, viewer = read_body(SettleBody, request), self.caller.viewer
        if _explained(viewer, attempt_id).unbooked is None:
            raise NotFound(f"The outcome of the request {attempt_id} is known: there is nothing to settle.")
        ensure(viewer.may_administer, "Only administrators settle a request whose outcome is unknown.")
        cost_nano, reason = wanted["cost_usd"], wanted["reason"]
        if cost_nano == 0:
            release_suspense(attempt_id=attempt_id, actor=viewer.actor, reason=reason)
        else:
            settle_suspense(attempt_id=attempt_id, cost_nano=cost_nano, actor=viewer.actor, reason=reason)
        return Response(ExplanationShape(_explained(viewer, attempt_id)).data)


def _explained(viewer: Viewer, attempt_id: UUID) -> Explanation:
    shown = explanation(viewer=viewer, attempt_id=attempt_id)
    if shown is None:
        raise NotFound(f"There is no request {attempt_id}, or none that you may know of.")
    return shown


def _position(cursor: str | None) -> Position | None:
    if not cursor:
        return None
    at, _, attempt_id = open_cursor(cursor).partition(" ")
    try:
        position = Position(admitted_at=datetime.fromisoformat(at), attempt_id=UUID(attempt_id))
    except ValueError as error:
        raise CursorInvalid("`after` is no cursor of a page of requests: take it from `next`, unchanged.") from error
    if position.admitted_at.tzinfo is None:
        raise CursorInvalid("`after` is no cursor of a page of requests: take it from `next`, unchanged.")
    return position
