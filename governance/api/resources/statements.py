"""Statements, and a month's spend by team, key and model."""

from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Shape, read_query
from governance.api.fields import UsdField
from governance.api.files import FileRenderer, SpreadsheetRenderer
from governance.api.lookups import ensure, found, named_month
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.chargeback.models import Statement
from governance.chargeback.queries import monthly_report, spreadsheet_of, statements_of
from governance.chargeback.spreadsheet import XLSX
from governance.viewing.viewer import Viewer

_READERS = "Statements and reports are for administrators, finance and auditors."


class StatementShape(Shape):
    """A cost centre's month, as it was written once."""

    id = serializers.IntegerField()
    month = serializers.DateField(help_text="Its first day.")
    cost_centre_id = serializers.IntegerField()
    cost_centre = serializers.CharField(source="cost_centre.code")
    version = serializers.IntegerField()
    total_usd = UsdField(source="total_nano")
    sha256 = serializers.CharField(help_text="Of the file.")
    created_at = serializers.DateTimeField()


class ReportLineShape(Shape):
    """Calls, tokens and money."""

    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost_usd = UsdField(source="cost_nano", help_text="What vendors charge, exact.")
    charge_usd = UsdField(source="charge_nano", help_text="What is booked, each call rounded up.")


class ReportShape(Shape):
    """A month's spend, the dearest first."""

    month = serializers.DateField()
    teams = ReportLineShape(many=True)
    keys = ReportLineShape(many=True)
    models = ReportLineShape(many=True)
    total = ReportLineShape()


class Statements(ApiView):
    """All statements."""

    area = "statements"

    @described(answer=paged(StatementShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the statements, every version, the newest first."""
        viewer = _reader(self.caller.viewer)
        rows = statements_of(organisation=viewer.organisation)
        return answer(page_by_id(rows, read_query(PageQuery, request)), StatementShape)


class OneStatement(ApiView):
    """One statement."""

    area = "statements"

    @described(answer=StatementShape)
    def get(self, request: Request, statement_id: int) -> Response:
        """Show one statement; its file is at `/content`."""
        return Response(StatementShape(_statement(self.caller.viewer, statement_id)).data)


class StatementContent(ApiView):
    """The file of a statement."""

    area = "statements"
    renderer_classes = (FileRenderer, JSONRenderer)

    @described(answer={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request, statement_id: int) -> Response:
        """Download the file of a statement, exactly as it was written once."""
        statement = _statement(self.caller.viewer, statement_id)
        headers = {"Content-Disposition": f'attachment; filename="{statement.file_name}"'}
        return Response(bytes(statement.content), headers=headers, content_type="text/csv; charset=utf-8")


class StatementSpreadsheet(ApiView):
    """The same as a spreadsheet."""

    area = "statements"
    renderer_classes = (SpreadsheetRenderer, JSONRenderer)

    @described(answer={(200, XLSX): OpenApiTypes.BINARY})
    def get(self, request: Request, statement_id: int) -> Response:
        """Download a statement as a spreadsheet (XLSX): numbers of 15 digits, and a total that is a formula."""
        statement = _statement(self.caller.viewer, statement_id)
        headers = {"Content-Disposition": f'attachment; filename="{statement.spreadsheet_name}"'}
        return Response(spreadsheet_of(statement), headers=headers, content_type=XLSX)


class Report(ApiView):
    """A month's spend."""

    area = "statements"

    @described(answer=ReportShape)
    def get(self, request: Request, month: str) -> Response:
        """Report a month's spend by team, key and model; the month is written 2026-11."""
        viewer = _reader(self.caller.viewer)
        return Response(ReportShape(monthly_report(organisation=viewer.organisation, month=named_month(month))).data)


def _reader(viewer: Viewer) -> Viewer:
    ensure(viewer.sees_all, _READERS)
    return viewer


def _statement(viewer: Viewer, statement_id: int) -> Statement:
    return found(statements_of(organisation=_reader(viewer).organisation).defer(None), statement_id, what="statement")
