"""Budgets: list, look at one, set, change the limit, retire."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.budgets import operations
from governance.console import amounts
from governance.console.asked import asked_key, asked_team
from governance.console.forms.budgets import BudgetForm, LimitForm, limit_initial
from governance.console.forms.reason import ReasonForm
from governance.console.pages.budgets import BudgetPage, budget_lines, budget_page, open_requests
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the live budgets with their current period."""
    lines = budget_lines(viewer=viewer, now=utc_now())
    context = {"lines": lines, "requests": open_requests(viewer=viewer), "viewer": viewer}
    return render(request, "console/budgets.html", context)


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, budget_id: int) -> HttpResponse:
    """Show one budget with its periods."""
    return render(request, "console/budget.html", {"page": shown(viewer, budget_id), "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def create(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Set a new budget. `?key=ID` or `?team=ID` offers that key or team as what it is for."""
    _refuse_readers(viewer)
    key, team = asked_key(request, viewer), asked_team(request, viewer)
    form = BudgetForm(request.POST or None, viewer=viewer, key=key, team=team)
    if request.method == "POST" and form.is_valid():
        try:
            budget = operations.create(actor=viewer.actor, new=form.new_budget())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The budget {budget.name} is set. Every gateway heeds it within seconds.")
            if team is not None and budget.team_id == team.pk:
                return redirect("team", team_id=team.pk)
            return redirect("budget", budget_id=budget.pk)
    return render(request, "console/budget_create.html", {"form": form, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def change_limit(request: HttpRequest, viewer: Viewer, budget_id: int) -> HttpResponse:
    """Change the limit, for the current period too."""
    page = changeable(viewer, budget_id)
    form = LimitForm(request.POST or None, initial=limit_initial(page.line.budget))
    if request.method == "POST" and form.is_valid():
        limit_nano, reason = form.cleaned_data["limit"], form.cleaned_data["reason"]
        try:
            operations.change(
                actor=viewer.actor,
                budget_id=budget_id,
                limit_nano=limit_nano,
                thresholds=form.wanted_thresholds(),
                reason=reason,
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The limit of {page.line.budget.name} is {amounts.usd(limit_nano)} now.")
            return redirect("budget", budget_id=budget_id)
    return render(request, "console/budget_limit.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def retire(request: HttpRequest, viewer: Viewer, budget_id: int) -> HttpResponse:
    """Ask, then let the budget limit nothing more."""
    page = changeable(viewer, budget_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        operations.retire(actor=viewer.actor, budget_id=budget_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"The budget {page.line.budget.name} is retired. Its history stays.")
        return redirect("budgets")
    return render(request, "console/budget_retire.html", {"form": form, "page": page, "viewer": viewer})


def _refuse_readers(viewer: Viewer) -> None:
    if not viewer.may_change_budgets:
        raise PermissionDenied(
            "Money is given from above: only administrators and finance set budgets. Ask one of them for more."
        )


def shown(viewer: Viewer, budget_id: int) -> BudgetPage:
    """Return the page of a budget that the viewer sees, or 404."""
    page = budget_page(viewer=viewer, budget_id=budget_id, now=utc_now())
    if page is None:
        raise Http404
    return page


def changeable(viewer: Viewer, budget_id: int) -> BudgetPage:
    """Return the page of a live budget that the viewer may change; 404 or 403 otherwise."""
    page = shown(viewer, budget_id)
    _refuse_readers(viewer)
    if page.line.budget.retired_at is not None:
        raise Http404
    return page
