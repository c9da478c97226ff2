"""The list of requests, and one of them explained."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.console.forms.requests import RequestFilterForm
from governance.console.pages.explanation import explanation
from governance.console.pages.requests import requests_page
from governance.console.viewer import Viewer, for_viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the newest requests that match the filter."""
    form = RequestFilterForm(request.GET, viewer=viewer)
    page = requests_page(viewer=viewer, wanted=form.wanted(), cursor=request.GET.get("after", ""))
    query = request.GET.copy()
    query["after"] = page.next_cursor
    context = {"page": page, "form": form, "viewer": viewer, "next_query": query.urlencode()}
    context["is_filtered"] = any(request.GET.get(name) for name in form.fields)
    return render(request, "console/requests.html", context)


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, attempt_id: UUID) -> HttpResponse:
    """Explain one request."""
    found = explanation(viewer=viewer, attempt_id=attempt_id)
    if found is None:
        raise Http404
    return render(request, "console/request.html", {"page": found, "viewer": viewer})
