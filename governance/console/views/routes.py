"""Routes: the names clients use, what stands behind them, and what would become of a call."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.catalog import operations
from governance.catalog.models import LanguageModel
from governance.catalog.routes import change_route, make_route
from governance.console.forms.reason import ReasonForm
from governance.console.forms.routes import DeploymentForm, DryRunForm, NewRouteForm, RouteForm
from governance.console.pages.routes import RouteLine, route_line, route_lines
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.plugin.routing import OWN_ROUTINGS
from governance.policy.dry_run import dry_run
from governance.viewing.installed import installed_providers, installed_strategies
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the aliases with what stands behind them."""
    _refuse_strangers(viewer)
    return render(request, "console/routes.html", {"lines": route_lines(viewer=viewer), "viewer": viewer})


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, alias_id: int) -> HttpResponse:
    """Show one route; with `?team=` also what would become of a call of that team."""
    _refuse_strangers(viewer)
    line = _line(viewer, alias_id)
    is_asked = "team" in request.GET
    form = DryRunForm(request.GET if is_asked else None, viewer=viewer)
    found = None
    if is_asked and form.is_valid():
        found = dry_run(
            asked=form.asked(line.alias),
            at=utc_now(),
            strategies=installed_strategies(),
            providers=installed_providers(),
        )
    context = {"line": line, "form": form, "found": found, "viewer": viewer}
    return render(request, "console/route.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def create(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Make a route."""
    _refuse_readers(viewer)
    form = NewRouteForm(request.POST or None, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        try:
            alias = make_route(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                name=form.cleaned_data["name"],
                wish=form.wish(),
                known=_known(),
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"Clients can call {alias.name} now. Every gateway knows it within seconds.")
            return redirect("route", alias_id=alias.pk)
    return render(request, "console/route_create.html", {"form": form, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def change(request: HttpRequest, viewer: Viewer, alias_id: int) -> HttpResponse:
    """Change what stands behind an alias, and how it is chosen."""
    _refuse_readers(viewer)
    line = _line(viewer, alias_id)
    form = RouteForm(request.POST or None, viewer=viewer, alias=line.alias)
    if request.method == "POST" and form.is_valid():
        try:
            change_route(actor=viewer.actor, alias_id=alias_id, wish=form.wish(), known=_known())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The route {line.alias.name} is changed. Every gateway heeds it within seconds.")
            return redirect("route", alias_id=alias_id)
    return render(request, "console/route_change.html", {"form": form, "line": line, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def retire(request: HttpRequest, viewer: Viewer, alias_id: int) -> HttpResponse:
    """Ask, then take the name away from clients."""
    _refuse_readers(viewer)
    line = _line(viewer, alias_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        operations.remove_alias(actor=viewer.actor, alias_id=alias_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"Nobody can call {line.alias.name} any more. What was called by it stays booked.")
        return redirect("routes")
    return render(request, "console/route_retire.html", {"form": form, "line": line, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def add_deployment(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Let a model be reached through a connection, so that routes can lead to it."""
    _refuse_readers(viewer)
    form = DeploymentForm(request.POST or None, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        model: LanguageModel = form.cleaned_data["model"]
        try:
            added = operations.add_deployment(
                actor=viewer.actor,
                model_id=model.pk,
                connection_id=form.cleaned_data["connection"].pk,
                upstream_name=form.cleaned_data["upstream_name"],
                region=form.cleaned_data["region"],
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{added} can stand in routes now: give it a place in one.")
            return redirect("routes")
    return render(request, "console/deployment_create.html", {"form": form, "viewer": viewer})


def _known() -> set[str]:
    return {*OWN_ROUTINGS, *installed_strategies()}


def _line(viewer: Viewer, alias_id: int) -> RouteLine:
    line = route_line(viewer=viewer, alias_id=alias_id)
    if line is None:
        raise Http404
    return line


def _refuse_strangers(viewer: Viewer) -> None:
    if not viewer.access.may_see_settings(viewer.organisation.pk):
        raise PermissionDenied("Only administrators and auditors see routes. Models & prices shows what can be called.")


def _refuse_readers(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators change routes. Ask one of them.")
