"""Teams: what their requests may do and what is kept of them, and changing that."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.console.forms.teams import FORMS
from governance.console.pages.teams import TeamLine, team_line, team_lines
from governance.console.viewer import Viewer, for_viewer
from governance.core.errors import BursarError


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the teams with their own rules."""
    return render(request, "console/teams.html", {"lines": team_lines(viewer=viewer), "viewer": viewer})


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, team_id: int) -> HttpResponse:
    """Show the rules of one team."""
    return render(request, "console/team.html", {"line": _line(viewer, team_id), "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def change(request: HttpRequest, viewer: Viewer, team_id: int, what: str) -> HttpResponse:
    """Change one kind of rule."""
    line = _line(viewer, team_id)
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators change what a team's requests may do. Ask one of them.")
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


def _line(viewer: Viewer, team_id: int) -> TeamLine:
    line = team_line(viewer=viewer, team_id=team_id)
    if line is None:
        raise Http404
    return line
