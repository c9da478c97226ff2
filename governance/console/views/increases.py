"""More money: give it for a while, ask for it, decide, take back."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from governance.budgets import increases, requests
from governance.budgets.models import IncreaseRequest
from governance.console.forms.increases import AskForm, DecisionForm, IncreaseForm
from governance.console.forms.reason import ReasonForm
from governance.console.viewer import for_viewer
from governance.console.views.budgets import changeable, shown
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.viewing.viewer import Viewer


@require_http_methods(["GET", "POST"])
@for_viewer
def give(request: HttpRequest, viewer: Viewer, budget_id: int) -> HttpResponse:
    """Give a budget more money until a day is over."""
    page = changeable(viewer, budget_id)
    form = IncreaseForm(request.POST or None, budget=page.line.budget)
    if request.method == "POST" and form.is_valid():
        try:
            increases.give(actor=viewer.actor, new=form.new_increase(), at=utc_now())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{page.line.budget.name} has more money now. It ends by itself.")
            return redirect("budget", budget_id=budget_id)
    return render(request, "console/budget_increase.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def withdraw(request: HttpRequest, viewer: Viewer, budget_id: int, increase_id: int) -> HttpResponse:
    """Ask, then end an increase at once."""
    page = changeable(viewer, budget_id)
    increase = next((each for each in page.increases if each.pk == increase_id), None)
    if increase is None:
        raise Http404
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        increases.withdraw(actor=viewer.actor, increase_id=increase_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"The increase of {page.line.budget.name} has ended.")
        return redirect("budget", budget_id=budget_id)
    context = {"form": form, "page": page, "increase": increase, "viewer": viewer}
    return render(request, "console/budget_increase_withdraw.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def ask(request: HttpRequest, viewer: Viewer, budget_id: int) -> HttpResponse:
    """Ask for more money in a budget that the viewer spends from."""
    page = shown(viewer, budget_id)
    if not page.may_ask:
        raise PermissionDenied("Only people who spend from a budget that still pays can ask for more money in it.")
    form = AskForm(request.POST or None, budget=page.line.budget)
    if request.method == "POST" and form.is_valid():
        try:
            requests.ask(actor=viewer.actor, requester=viewer.user, new=form.new_request(), at=utc_now())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "You have asked for more money. Administrators and finance see the request.")
            return redirect("budget", budget_id=budget_id)
    return render(request, "console/budget_ask.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def decide(request: HttpRequest, viewer: Viewer, request_id: int) -> HttpResponse:
    """Show a request for more money, and let somebody other than its author decide."""
    asked = _asked(viewer, request_id)
    may_decide = asked.state == IncreaseRequest.State.OPEN and viewer.may_decide(asked)
    form = DecisionForm(request.POST or None, asked=asked)
    if request.method == "POST":
        if not may_decide:
            raise PermissionDenied("Only administrators and finance decide, once, and never about their own request.")
        if form.is_valid() and _decided(form, viewer, request_id):
            messages.success(request, f"Decided. {asked.requested_by.email} sees the answer on the budget's page.")
            return redirect("budget", budget_id=asked.budget_id)
    context = {
        "form": form,
        "page": shown(viewer, asked.budget_id),
        "asked": asked,
        "may_decide": may_decide,
        "viewer": viewer,
    }
    return render(request, "console/budget_request.html", context)


@require_http_methods(["POST"])
@for_viewer
def take_back(request: HttpRequest, viewer: Viewer, request_id: int) -> HttpResponse:
    """Take one's own request back."""
    asked = _asked(viewer, request_id)
    try:
        requests.withdraw(actor=viewer.actor, requester=viewer.user, request_id=request_id, at=utc_now())
    except BursarError as error:
        raise PermissionDenied(error.message) from error
    messages.success(request, "Your request is withdrawn.")
    return redirect("budget", budget_id=asked.budget_id)


def _decided(form: DecisionForm, viewer: Viewer, request_id: int) -> bool:
    """Apply the decision; False leaves a sentence on the form."""
    found = form.cleaned_data
    try:
        if form.is_approval:
            requests.approve(
                actor=viewer.actor,
                decider=viewer.user,
                request_id=request_id,
                amount_nano=found["amount"],
                reason=found["reason"],
                at=utc_now(),
            )
        else:
            requests.decline(
                actor=viewer.actor, decider=viewer.user, request_id=request_id, reason=found["reason"], at=utc_now()
            )
    except BursarError as error:
        form.add_error(None, error.message)
        return False
    return True


def _asked(viewer: Viewer, request_id: int) -> IncreaseRequest:
    asked = viewer.visible_requests().filter(pk=request_id).first()
    if asked is None:
        raise Http404
    return asked
