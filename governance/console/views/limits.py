"""Rate limits: list, set, change the amount, retire."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.console.asked import asked_key
from governance.console.forms.limits import AmountForm, RateLimitForm
from governance.console.forms.reason import ReasonForm
from governance.console.pages.limits import LimitLine, limit_line, limit_lines
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.policy import limits
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the live rate limits with their current window."""
    context = {"lines": limit_lines(viewer=viewer, now=utc_now()), "viewer": viewer}
    return render(request, "console/limits.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def create(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Set a new rate limit. `?key=ID` offers that key as what it is for."""
    _refuse_readers(viewer)
    form = RateLimitForm(request.POST or None, viewer=viewer, key=asked_key(request, viewer))
    if request.method == "POST" and form.is_valid():
        try:
            limit = limits.create(actor=viewer.actor, new=form.new_rate_limit())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The rate limit {limit.name} is set. Every gateway heeds it within seconds.")
            return redirect("rate_limits")
    return render(request, "console/limit_create.html", {"form": form, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def change_amount(request: HttpRequest, viewer: Viewer, limit_id: int) -> HttpResponse:
    """Change the amount, for the current window too."""
    line = _changeable(viewer, limit_id)
    form = AmountForm(request.POST or None, initial={"amount": line.limit.amount})
    if request.method == "POST" and form.is_valid():
        amount, reason = form.cleaned_data["amount"], form.cleaned_data["reason"]
        try:
            limit = limits.change_amount(actor=viewer.actor, limit_id=limit_id, amount=amount, reason=reason)
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{limit.name} allows {limit.text} now.")
            return redirect("rate_limits")
    return render(request, "console/limit_amount.html", {"form": form, "line": line, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def retire(request: HttpRequest, viewer: Viewer, limit_id: int) -> HttpResponse:
    """Ask, then let the limit count nothing more."""
    line = _changeable(viewer, limit_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        limits.retire(actor=viewer.actor, limit_id=limit_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"The rate limit {line.limit.name} is retired.")
        return redirect("rate_limits")
    return render(request, "console/limit_retire.html", {"form": form, "line": line, "viewer": viewer})


def _refuse_readers(viewer: Viewer) -> None:
    if not viewer.may_change_budgets:
        raise PermissionDenied("Only administrators and finance set rate limits. Ask one of them for more.")


def _changeable(viewer: Viewer, limit_id: int) -> LimitLine:
    """Return a live rate limit that the viewer may change; 404 or 403 otherwise."""
    line = limit_line(viewer=viewer, limit_id=limit_id, now=utc_now())
    if line is None:
        raise Http404
    _refuse_readers(viewer)
    return line
