"""Closing months."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Shape, changes, read_body, read_query
from governance.api.caller import Caller
from governance.api.fields import UsdField
from governance.api.files import ZipRenderer
from governance.api.lookups import ensure, named_month
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.resources.keys import ReasonBody
from governance.api.schema import described, paged
from governance.chargeback import closing
from governance.chargeback.archive import month_archive
from governance.chargeback.findings import look
from governance.chargeback.models import MonthClose
from governance.chargeback.queries import close_of, closes_of
from governance.core.clock import utc_now
from governance.viewing.viewer import Viewer

_READERS = "Months are for administrators, finance and auditors."
_CLOSERS = "Only administrators and finance close months."


class FindingShape(Shape):
    """Something that stands against closing a month, or should be known before."""

    code = serializers.CharField()
    sentence = serializers.CharField()
    count = serializers.IntegerField()
    usd = UsdField(source="nano", help_text="0.00 where no money is known.")
    is_blocking = serializers.BooleanField(help_text="Whether no reason lets the month be closed in spite of it.")


class MonthShape(Shape):
    """A month that is not open any more."""

    id = serializers.IntegerField()
    month = serializers.DateField(help_text="Its first day.")
    state = serializers.ChoiceField(choices=MonthClose.State.values)
    findings = FindingShape(many=True, help_text="What stood against it when it was begun.")
    reason = serializers.CharField(help_text="Why it went on all the same.")
    begun_by = serializers.CharField()
    begun_at = serializers.DateTimeField()
    written_at = serializers.DateTimeField(allow_null=True, help_text="When its statements were there.")
    trouble = serializers.CharField(help_text="Why they are not.")
    reviewed_by = serializers.CharField()
    reviewed_at = serializers.DateTimeField(allow_null=True)
    closed_by = serializers.CharField()
    closed_at = serializers.DateTimeField(allow_null=True)
    total_usd = UsdField(source="total_nano", allow_null=True)
    manifest_sha256 = serializers.CharField()


class Months(ApiView):
    """All months that are not open any more."""

    area = "statements"

    @described(answer=paged(MonthShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the months that are being closed, or closed, the newest first."""
        rows = closes_of(organisation=_reader(self.caller.viewer).organisation)
        return answer(page_by_id(rows, read_query(PageQuery, request)), MonthShape)


class MonthFindings(ApiView):
    """What stands against closing a month."""

    area = "statements"

    @described(answer=FindingShape(many=True))
    def get(self, request: Request, month: str) -> Response:
        """Say what stands against closing a month now, which is written 2026-11."""
        viewer = _reader(self.caller.viewer)
        found = look(organisation=viewer.organisation, month=named_month(month), at=utc_now())
        return Response(FindingShape(list(found), many=True).data)


class OneMonth(ApiView):
    """One month."""

    area = "statements"

    @described(answer=MonthShape)
    def get(self, request: Request, month: str) -> Response:
        """Show how far the closing of a month is; one that is open is not found."""
        return _shown(_reader(self.caller.viewer), named_month(month))


class MonthBeginning(ApiView):
    """The first step."""

    area = "statements"

    @described(answer=MonthShape, body=ReasonBody, example={"reason": "The vendor's invoice settles the rest."})
    @changes
    def post(self, request: Request, month: str) -> Response:
        """Book nothing in a month any more. Its statements are written within a minute.

        Where something stands against it, a reason is needed; what blocks must be put right.
        """
        return _step(self.caller.viewer, month, _begin, reason=read_body(ReasonBody, request)["reason"])


class MonthReview(ApiView):
    """The second step."""

    area = "statements"

    @described(answer=MonthShape, body=ReasonBody, example={"reason": "Compared with the vendors' invoices."})
    @changes
    def post(self, request: Request, month: str) -> Response:
        """Say that you looked at the statements and found them right. A service cannot."""
        return _step(_answering(self.caller), month, _review, reason=read_body(ReasonBody, request)["reason"])


class MonthClosing(ApiView):
    """The last step."""

    area = "statements"

    @described(answer=MonthShape)
    @changes
    def post(self, request: Request, month: str) -> Response:
        """Close a reviewed month for good: a correction is booked in the next open one. A service cannot."""
        return _step(_answering(self.caller), month, _close, reason="")


class MonthReopening(ApiView):
    """A step back."""

    area = "statements"

    @described(body=ReasonBody, status=204, example={"reason": "A price was wrong."})
    @changes
    def post(self, request: Request, month: str) -> Response:
        """Book in a month again that is not closed yet."""
        viewer, reason = _closer(self.caller.viewer), read_body(ReasonBody, request)["reason"]
        closing.reopen(actor=viewer.actor, organisation=viewer.organisation, month=named_month(month), reason=reason)
        return Response(status=204)


class MonthFiles(ApiView):
    """The files of a closed month."""

    area = "statements"
    renderer_classes = (ZipRenderer, JSONRenderer)

    @described(answer={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, month: str) -> Response:
        """Download a closed month's statements and manifest in one ZIP file: the same bytes each time."""
        viewer = _reader(self.caller.viewer)
        archive = month_archive(close=close_of(organisation=viewer.organisation, month=named_month(month)))
        headers = {"Content-Disposition": f'attachment; filename="{archive.name}"'}
        return Response(archive.content, headers=headers, content_type="application/zip")


_Step = Callable[[Viewer, date, datetime, str], MonthClose]


def _begin(viewer: Viewer, month: date, now: datetime, reason: str) -> MonthClose:
    return closing.begin_close(actor=viewer.actor, organisation=viewer.organisation, month=month, at=now, reason=reason)


def _review(viewer: Viewer, month: date, now: datetime, reason: str) -> MonthClose:
    return closing.review(actor=viewer.actor, organisation=viewer.organisation, month=month, at=now, comment=reason)


def _close(viewer: Viewer, month: date, now: datetime, _: str) -> MonthClose:
    return closing.close(actor=viewer.actor, organisation=viewer.organisation, month=month, at=now)


def _step(viewer: Viewer, text: str, take: _Step, *, reason: str) -> Response:
    _closer(viewer)
    month = named_month(text)
    take(viewer, month, utc_now(), reason)
    return _shown(viewer, month)


def _shown(viewer: Viewer, month: date) -> Response:
    return Response(MonthShape(close_of(organisation=viewer.organisation, month=month)).data)


def _reader(viewer: Viewer) -> Viewer:
    ensure(viewer.sees_all, _READERS)
    return viewer


def _answering(caller: Caller) -> Viewer:
    """Return the view of a person who closes months. Raises Forbidden for anybody else, and for a service."""
    viewer = _closer(caller.viewer)
    return replace(viewer, user=caller.person)


def _closer(viewer: Viewer) -> Viewer:
    ensure(viewer.may_close_months, _CLOSERS)
    return viewer
