"""People: who is there, what they may do, where they are logged in, and keeping them out."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.console.forms.people import PersonForm, SignInRulesForm
from governance.console.forms.reason import ReasonForm
from governance.console.pages.people import PersonPage, invitation_lines, people_page, person_page
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.identity import arrivals, people, sessions
from governance.teams.models import User
from governance.viewing.viewer import Viewer

_LONGEST_SEARCH = 254


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List people and the invitations that wait."""
    _ensure_sees(viewer)
    search = request.GET.get("q", "").strip()[:_LONGEST_SEARCH]
    page = people_page(viewer=viewer, search=search, after=request.GET.get("after", "")[:_LONGEST_SEARCH])
    return render(
        request,
        "console/people.html",
        {
            "page": page,
            "search": search,
            "invitations": invitation_lines(viewer=viewer, now=utc_now()) if page.is_first and not search else [],
            "rules": people.sign_in_rules(organisation_id=viewer.organisation.pk),
            "viewer": viewer,
        },
    )


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Show one person."""
    _ensure_sees(viewer)
    return render(request, "console/person.html", {"page": _page(viewer, user_id), "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def rights(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Change roles and teams."""
    page = _changeable(viewer, user_id)
    form = PersonForm(request.POST if request.method == "POST" else None, viewer=viewer, person=page.line.person)
    if request.method == "POST" and form.is_valid():
        try:
            people.set_rights(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                user_id=user_id,
                roles=form.chosen_roles,
                units=form.chosen_units,
                parts=form.chosen_parts,
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{page.line.person.email} has these roles and teams from the next request on.")
            return redirect("person", user_id=user_id)
    return render(request, "console/person_rights.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def activity(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Ask, then keep somebody out or let them in again."""
    page = _changeable(viewer, user_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            said = _turn(viewer, page.line.person, reason=form.cleaned_data["reason"])
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, said)
            return redirect("person", user_id=user_id)
    rules = people.sign_in_rules(organisation_id=viewer.organisation.pk)
    context = {"form": form, "page": page, "rules": rules, "viewer": viewer}
    return render(request, "console/person_activity.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def log_out(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Ask, then end all of somebody's sessions."""
    page = _changeable(viewer, user_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        count = sessions.end_sessions(actor=viewer.actor, user_id=user_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"{page.line.person.email} is logged out of {count} sessions.")
        return redirect("person", user_id=user_id)
    return render(request, "console/person_log_out.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def second_factor(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Ask, then remove the second factors of somebody who lost them."""
    page = _changeable(viewer, user_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            people.forget_second_factor(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                user_id=user_id,
                reason=form.cleaned_data["reason"],
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{page.line.person.email} logs in with the password alone, and adds a new one.")
            return redirect("person", user_id=user_id)
    return render(request, "console/person_second_factor.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def unlink(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Ask, then forget as whom identity providers know somebody."""
    page = _changeable(viewer, user_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        arrivals.unlink(
            actor=viewer.actor,
            organisation_id=viewer.organisation.pk,
            user_id=user_id,
            reason=form.cleaned_data["reason"],
        )
        messages.success(request, f"{page.line.person.email} is not known to any identity provider now.")
        return redirect("person", user_id=user_id)
    return render(request, "console/person_unlink.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def rules(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Change what is asked of everybody."""
    _ensure_changes(viewer)
    here = viewer.organisation.pk
    present = people.sign_in_rules(organisation_id=here)
    form = SignInRulesForm(
        request.POST if request.method == "POST" else None,
        initial={
            "is_second_factor_required": present.is_second_factor_required,
            "are_personal_keys_kept": present.are_personal_keys_kept,
        },
    )
    if request.method == "POST" and form.is_valid():
        people.change_sign_in_rules(actor=viewer.actor, organisation_id=here, **form.cleaned_data)
        messages.success(request, "The rules for logging in hold from everybody's next request on.")
        return redirect("people")
    return render(request, "console/sign_in_rules.html", {"form": form, "viewer": viewer})


def _turn(viewer: Viewer, person: User, *, reason: str) -> str:
    """Deactivate whoever is active, let in whoever is not, and say so."""
    here = viewer.organisation.pk
    if person.is_active:
        people.deactivate(actor=viewer.actor, at=utc_now(), organisation_id=here, user_id=person.pk, reason=reason)
        return f"{person.email} is kept out, and logged out everywhere."
    people.reactivate(actor=viewer.actor, organisation_id=here, user_id=person.pk, reason=reason)
    return f"{person.email} may log in again."


def _ensure_sees(viewer: Viewer) -> None:
    if not viewer.access.may_see_settings(viewer.organisation.pk):
        raise PermissionDenied("Only administrators and auditors see the list of people.")


def _ensure_changes(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators change who may come in and what they may do. Ask one of them.")


def _page(viewer: Viewer, user_id: int) -> PersonPage:
    page = person_page(viewer=viewer, user_id=user_id)
    if page is None:
        raise Http404
    return page


def _changeable(viewer: Viewer, user_id: int) -> PersonPage:
    _ensure_changes(viewer)
    return _page(viewer, user_id)
