"""The first page, and its figures alone for the refresh."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.console.pages.overview import overview
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show this month so far."""
    page = overview(viewer=viewer, now=utc_now())
    return render(request, "console/overview.html", {"page": page, "viewer": viewer})


@require_safe
@for_viewer
def figures(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the part of the page that changes, for htmx."""
    page = overview(viewer=viewer, now=utc_now())
    return render(request, "console/parts/overview_figures.html", {"page": page, "viewer": viewer})
