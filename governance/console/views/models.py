"""Models and prices, read only."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.console.pages.models import model_lines, model_page
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the models on offer, or the whole catalogue."""
    search = request.GET.get("q", "").strip()
    is_whole = request.GET.get("show") == "catalogue"
    lines = model_lines(viewer=viewer, search=search, is_whole_catalogue=is_whole, now=utc_now())
    context = {"lines": lines, "viewer": viewer, "search": search, "is_whole": is_whole}
    return render(request, "console/models.html", context)


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, model_id: int) -> HttpResponse:
    """Show one model with its price history."""
    page = model_page(viewer=viewer, model_id=model_id, now=utc_now())
    if page is None:
        raise Http404
    return render(request, "console/model.html", {"page": page, "viewer": viewer})
