"""Statements for finance: the list, and one as the file that was written once."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.chargeback.errors import StatementNotFound
from governance.chargeback.queries import statement_for, statements_visible_to
from governance.console.viewer import for_viewer
from governance.viewing.viewer import Viewer

_REFUSAL = "Statements are for administrators, finance and auditors. An administrator of Bursar can give you that role."


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the statements, newest month first."""
    if not viewer.sees_all:
        raise PermissionDenied(_REFUSAL)
    context = {"statements": statements_visible_to(viewer.user), "viewer": viewer}
    return render(request, "console/statements.html", context)


@require_safe
@for_viewer
def download(request: HttpRequest, viewer: Viewer, statement_id: int) -> HttpResponse:
    """Answer with the statement's bytes, exactly as they were written."""
    if not viewer.sees_all:
        raise PermissionDenied(_REFUSAL)
    try:
        statement = statement_for(user=viewer.user, statement_id=statement_id)
    except StatementNotFound as error:
        raise Http404 from error
    name = "".join(letter if letter.isalnum() else "-" for letter in statement.cost_centre.code)
    answer = HttpResponse(bytes(statement.content), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = (
        f'attachment; filename="statement-{name}-{statement.month:%Y-%m}-v{statement.version}.csv"'
    )
    return answer
