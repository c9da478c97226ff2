"""Reports: what was spent on any days, and on what."""

from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.console.forms.reports import ReportForm, this_month, usual_days
from governance.console.pages.reports import MOST_KEYS_IN_FILE, report, report_csv
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.ledger.errors import DayDetached
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show what was spent on the chosen days; `download` answers with the same as CSV."""
    now = utc_now()
    today = now.astimezone(ZoneInfo(viewer.organisation.zone)).date()
    default = this_month(today)
    is_asked = "since" in request.GET or "until" in request.GET
    form = ReportForm(request.GET if is_asked else {"since": default.first, "until": default.last})
    context = {"form": form, "usual": usual_days(today), "viewer": viewer}
    if not form.is_valid():
        return render(request, "console/reports.html", context)
    days = form.days()
    try:
        if "download" in request.GET:
            content = report_csv(report(viewer=viewer, days=days, now=now, most=MOST_KEYS_IN_FILE))
            name = f"spend-{days.first}-{days.last}.csv"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)
        context["page"] = report(viewer=viewer, days=days, now=now)
    except DayDetached as error:
        form.add_error(None, error.message)
    return render(request, "console/reports.html", context)
