"""Who is in a team, of people who can log in already."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from governance.console.forms.teams import MemberForm, PartForm
from governance.console.viewer import for_viewer
from governance.teams.models import Membership, Team
from governance.teams.people import remove_membership, set_membership
from governance.teams.queries import members_of, people_of
from governance.viewing.viewer import Viewer


@require_http_methods(["GET", "POST"])
@for_viewer
def add(request: HttpRequest, viewer: Viewer, team_id: int) -> HttpResponse:
    """Take somebody into the team."""
    team = _team(viewer, team_id)
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email, part = form.cleaned_data["email"].lower(), Membership.Part(form.cleaned_data["part"])
        person = people_of(organisation_id=viewer.organisation.pk).filter(email=email).first()
        if person is None:
            form.add_error("email", "Nobody of your organisation has this address: have an administrator let them in.")
        else:
            set_membership(actor=viewer.actor, user_id=person.pk, team_id=team_id, part=part)
            messages.success(request, f"{person.email} is {part} in {team.name}.")
            return redirect("team", team_id=team_id)
    return render(request, "console/member_add.html", {"form": form, "team": team, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def change(request: HttpRequest, viewer: Viewer, team_id: int, user_id: int) -> HttpResponse:
    """Give somebody another part in the team, or take them out."""
    team = _team(viewer, team_id)
    member = members_of(team_id=team_id).filter(user_id=user_id).first()
    if member is None:
        raise Http404
    form = PartForm(request.POST or None, initial={"part": member.part})
    if request.method == "POST" and form.is_valid():
        part: str = form.cleaned_data["part"]
        if part == "none":
            remove_membership(actor=viewer.actor, user_id=user_id, team_id=team_id)
        else:
            set_membership(actor=viewer.actor, user_id=user_id, team_id=team_id, part=Membership.Part(part))
        messages.success(request, f"{member.user.email} is {part if part != 'none' else 'not'} in {team.name} now.")
        # Whoever took themselves out may not see the team any more.
        return redirect("team", team_id=team_id) if user_id != viewer.user.pk else redirect("teams")
    context = {"form": form, "team": team, "member": member, "viewer": viewer}
    return render(request, "console/member_change.html", context)


def _team(viewer: Viewer, team_id: int) -> Team:
    team = viewer.visible_teams().filter(pk=team_id).first()
    if team is None:
        raise Http404
    if not viewer.may_manage(team):
        raise PermissionDenied("Only the team's owners and administrators change who is in it.")
    return team
