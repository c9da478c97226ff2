"""Inviting people, and coming in by an invitation."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from governance.console.forms.people import AcceptForm, InviteForm
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.identity import invitations
from governance.identity.errors import InvitationNotFound, InvitationOver
from governance.identity.letters import invitation_link, send_invitation
from governance.identity.models import Invitation
from governance.teams.models import User
from governance.viewing.viewer import Viewer


@require_http_methods(["GET", "POST"])
@for_viewer
def create(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Invite somebody, and show the link once."""
    _ensure_invites(viewer)
    form = InviteForm(request.POST if request.method == "POST" else None, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        try:
            invitation = invitations.invite(actor=viewer.actor, at=utc_now(), wish=form.wish())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            return _show_sent(request, viewer, invitation)
    return render(request, "console/invitation_create.html", {"form": form, "viewer": viewer})


@require_POST
@for_viewer
def renew(request: HttpRequest, viewer: Viewer, invitation_id: int) -> HttpResponse:
    """Send another link in place of the former one."""
    _find(viewer, invitation_id)
    try:
        invitation = invitations.renew(actor=viewer.actor, at=utc_now(), invitation_id=invitation_id)
    except InvitationOver as error:
        messages.error(request, error.message)
        return redirect("people")
    return _show_sent(request, viewer, invitation)


@require_POST
@for_viewer
def withdraw(request: HttpRequest, viewer: Viewer, invitation_id: int) -> HttpResponse:
    """End an invitation."""
    found = _find(viewer, invitation_id)
    try:
        invitations.withdraw(actor=viewer.actor, at=utc_now(), invitation_id=invitation_id)
        messages.success(request, f"The invitation of {found.email} is withdrawn: its link does not work any more.")
    except InvitationOver as error:
        messages.error(request, error.message)
    return redirect("people")


@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Come in: somebody new chooses a password, somebody known is logged in already."""
    origin = request.META.get("REMOTE_ADDR", "")
    try:
        invitation = invitations.invitation_of(token=token, at=utc_now())
    except (InvitationNotFound, InvitationOver) as error:
        return render(request, "identity/invitation_over.html", {"message": error.message}, status=404)
    is_known = User.objects.filter(email=invitation.email).exists()
    form = AcceptForm(request.POST if request.method == "POST" and not is_known else None)
    context = {"invitation": invitation, "form": form, "is_known": is_known}
    context["is_theirs"] = getattr(request.user, "email", "") == invitation.email
    if request.method == "GET" or (not is_known and not form.is_valid()):
        return render(request, "identity/invitation_accept.html", context)
    try:
        if not is_known:
            password = form.cleaned_data["password"]
            invitations.accept(origin=origin, at=utc_now(), token=token, password=password)
        elif request.user.is_authenticated:
            invitations.accept_as(origin=origin, at=utc_now(), token=token, user_id=request.user.pk)
        else:
            return redirect("account_login")
    except BursarError as error:
        return render(request, "identity/invitation_accept.html", context | {"refusal": error.message})
    messages.success(request, f"Welcome to {invitation.organisation}.")
    return redirect("overview")


def _ensure_invites(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators invite people. Ask one of them.")


def _find(viewer: Viewer, invitation_id: int) -> Invitation:
    _ensure_invites(viewer)
    found = Invitation.objects.filter(pk=invitation_id, organisation=viewer.organisation).first()
    if found is None:
        raise Http404
    return found


def _show_sent(request: HttpRequest, viewer: Viewer, invitation: Invitation) -> HttpResponse:
    context = {
        "invitation": invitation,
        "link": invitation_link(invitation),
        "was_sent": send_invitation(invitation),
        "viewer": viewer,
    }
    return render(request, "console/invitation_sent.html", context)
