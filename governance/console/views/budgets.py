"""Budgets: list, look at one, set, change the limit, retire."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.console.pages.budgets import BudgetPage, budget_lines, budget_page
from governance.console.viewer import Viewer, for_viewer
from governance.core.clock import utc_now


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the live budgets with their current period."""
    lines = budget_lines(viewer=viewer, now=utc_now())
    return render(request, "console/budgets.html", {"lines": lines, "viewer": viewer})


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, budget_id: int) -> HttpResponse:
    """Show one budget with its periods."""
    return render(request, "console/budget.html", {"page": _page(viewer, budget_id), "viewer": viewer})


def _page(viewer: Viewer, budget_id: int) -> BudgetPage:
    page = budget_page(viewer=viewer, budget_id=budget_id, now=utc_now())
    if page is None:
        raise Http404
    return page
