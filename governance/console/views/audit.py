"""The audit trail: read it, prove it, take it out. Whoever takes it out stands in it."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.audit.export import MOST_EXPORTED, export_csv
from governance.audit.queries import verify_chain
from governance.console.forms.audit import TrailForm
from governance.console.pages.audit import trail_page
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the newest events that match the filter."""
    _refuse_strangers(viewer)
    form = TrailForm(request.GET, viewer=viewer)
    before = request.GET.get("before", "")
    before_id = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    page = trail_page(wanted=form.wanted(), before_id=before_id)
    query = request.GET.copy()
    query["before"] = str(page.next_id)
    context = {"page": page, "form": form, "viewer": viewer, "next_query": query.urlencode()}
    context |= {"is_first": before_id is None, "is_filtered": any(request.GET.get(name) for name in form.fields)}
    return render(request, "console/audit.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def verify(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Ask for a seal that was kept, then walk along the whole chain, and say whether anybody touched it."""
    _refuse_strangers(viewer)
    expected = request.POST.get("expected", "").strip()
    proof = verify_chain(expected=expected) if request.method == "POST" else None
    context = {"proof": proof, "expected": expected, "viewer": viewer}
    return render(request, "console/audit_verify.html", context)


@require_POST
@for_viewer
def export(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Answer with the events that match the filter, as CSV."""
    _refuse_strangers(viewer)
    form = TrailForm(request.POST, viewer=viewer)
    content = b"".join(export_csv(actor=viewer.actor, wanted=form.wanted(), most=MOST_EXPORTED))
    answer = HttpResponse(content, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="audit-{utc_now():%Y-%m-%d}.csv"'
    return answer


def _refuse_strangers(viewer: Viewer) -> None:
    if not viewer.may_see_trail:
        raise PermissionDenied("Only administrators and auditors read the audit trail.")
