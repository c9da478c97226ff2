"""Teams: the tree of the organisation, what requests may do and what is kept of them, and changing that."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.console.forms.reason import ReasonForm
from governance.console.forms.teams import FORMS, TeamFields, UnitForm
from governance.console.pages.teams import TeamPage, team_page, tree
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.teams import changes, operations
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the units and teams with what they spend and their own rules."""
    return render(request, "console/teams.html", {"branches": tree(viewer=viewer, now=utc_now()), "viewer": viewer})


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, team_id: int) -> HttpResponse:
    """Show one team: its people, keys, budgets and rules."""
    page = _page(viewer, team_id)
    return render(request, "console/team.html", {"page": page, "line": page.line, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def create(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Make a team, and its unit and cost centre where they are new."""
    _refuse_readers(viewer)
    form = TeamFields(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            team = changes.open_team(actor=viewer.actor, organisation_id=viewer.organisation.pk, wish=form.team_wish())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The team {team.name} is made. Give it people, a budget and keys.")
            return redirect("team", team_id=team.pk)
    return render(request, "console/team_create.html", {"form": form, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def change(request: HttpRequest, viewer: Viewer, team_id: int, what: str) -> HttpResponse:
    """Change one kind of rule."""
    line = _page(viewer, team_id).line
    _refuse_readers(viewer)
    form = FORMS[what](request.POST or None, team=line.team, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        try:
            form.apply()
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{form.title} of {line.team.name}: changed. Every gateway heeds it in moments.")
            return redirect("team", team_id=team_id)
    return render(request, "console/team_change.html", {"form": form, "line": line, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def archive(request: HttpRequest, viewer: Viewer, team_id: int) -> HttpResponse:
    """Ask, then archive a team: its keys stop."""
    page = _page(viewer, team_id)
    _refuse_readers(viewer)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        operations.archive_team(actor=viewer.actor, at=utc_now(), team_id=team_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"The team {page.line.team.name} is archived. Its keys are refused.")
        return redirect("teams")
    context = {"form": form, "page": page, "line": page.line, "viewer": viewer}
    return render(request, "console/team_archive.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def rename_unit(request: HttpRequest, viewer: Viewer, unit_id: int) -> HttpResponse:
    """Call a business unit otherwise."""
    unit = viewer.organisation.units.filter(pk=unit_id).first()
    if unit is None:
        raise Http404
    _refuse_readers(viewer)
    form = UnitForm(request.POST or None, initial={"name": unit.name})
    if request.method == "POST" and form.is_valid():
        try:
            renamed = changes.rename_unit(actor=viewer.actor, unit_id=unit_id, name=form.cleaned_data["name"])
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The unit {unit.name} is called {renamed.name} now.")
            return redirect("teams")
    return render(request, "console/unit_rename.html", {"form": form, "unit": unit, "viewer": viewer})


def _page(viewer: Viewer, team_id: int) -> TeamPage:
    page = team_page(viewer=viewer, team_id=team_id, now=utc_now())
    if page is None:
        raise Http404
    return page


def _refuse_readers(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators change what a team's requests may do. Ask one of them.")
