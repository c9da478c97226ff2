"""Statements for finance: the list, and one as the file that was written once."""

from datetime import date

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.chargeback.errors import StatementNotFound
from governance.chargeback.models import Statement
from governance.chargeback.queries import spreadsheet_of, statement_for, statements_of
from governance.chargeback.spreadsheet import XLSX
from governance.console.viewer import for_viewer
from governance.core.months import MonthInvalid, parse_month
from governance.viewing.viewer import Viewer

_REFUSAL = "Statements are for administrators, finance and auditors. An administrator of Bursar can give you that role."


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the statements of a month, every version: of the newest one that has any, or of `?month=2026-11`."""
    if not viewer.sees_all:
        raise PermissionDenied(_REFUSAL)
    found = statements_of(organisation=viewer.organisation)
    months = list(found.order_by("-month").values_list("month", flat=True).distinct())
    month = _chosen(request.GET.get("month", ""), months)
    shown = found.filter(month=month) if month is not None else found.none()
    context = {"statements": shown, "month": month, "months": months, "viewer": viewer}
    return render(request, "console/statements.html", context)


@require_safe
@for_viewer
def download(request: HttpRequest, viewer: Viewer, statement_id: int) -> HttpResponse:
    """Answer with the statement's bytes, exactly as they were written."""
    statement = _statement(viewer, statement_id)
    return _file(bytes(statement.content), statement.file_name, "text/csv; charset=utf-8")


@require_safe
@for_viewer
def spreadsheet(request: HttpRequest, viewer: Viewer, statement_id: int) -> HttpResponse:
    """Answer with the same as a spreadsheet."""
    statement = _statement(viewer, statement_id)
    return _file(spreadsheet_of(statement), statement.spreadsheet_name, XLSX)


def _chosen(text: str, months: list[date]) -> date | None:
    try:
        wanted = parse_month(text)
    except MonthInvalid:
        wanted = None
    return wanted if wanted in months else next(iter(months), None)


def _statement(viewer: Viewer, statement_id: int) -> Statement:
    if not viewer.sees_all:
        raise PermissionDenied(_REFUSAL)
    try:
        return statement_for(user=viewer.user, statement_id=statement_id)
    except StatementNotFound as error:
        raise Http404 from error


def _file(content: bytes, name: str, content_type: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)
