"""Virtual keys: list, issue, rotate, revoke. A key's text is in the answer to the form and nowhere else."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.catalog.models import ModelAlias
from governance.console.asked import asked_team
from governance.console.forms.keys import ChosenKeysForm, KeyFilterForm, KeyForm, RotateForm
from governance.console.forms.reason import ReasonForm
from governance.console.pages.keys import KeyPage, issued_page, key_lines, key_page, keys_page
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.keys import operations
from governance.keys.operations import IssuedKey
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the keys that match the filter."""
    form = KeyFilterForm(request.GET, viewer=viewer)
    page = keys_page(viewer=viewer, keys=form.keys(), now=utc_now(), cursor=request.GET.get("after", ""))
    query = request.GET.copy()
    query["after"] = page.next_cursor
    context = {"page": page, "form": form, "viewer": viewer, "next_query": query.urlencode()}
    context["is_filtered"] = any(request.GET.get(name) for name in form.fields)
    context["may_issue"] = bool(viewer.teams_to_issue_in())
    return render(request, "console/keys.html", context)


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, key_id: int) -> HttpResponse:
    """Show one key."""
    return render(request, "console/key.html", {"page": _page(viewer, key_id), "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def issue(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Issue a key and show its text once. `?team=ID` offers that team."""
    if not viewer.teams_to_issue_in():
        raise PermissionDenied("You may not issue keys. A team's owner or an administrator of Bursar can.")
    form = KeyForm(request.POST or None, viewer=viewer, team=asked_team(request, viewer))
    if request.method == "POST" and form.is_valid():
        try:
            issued = operations.issue(
                actor=viewer.actor, at=utc_now(), pepper=settings.ENVIRONMENT.key_pepper, new=form.new_key()
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            return _show_once(request, viewer, issued, is_rotated=False)
    return render(request, "console/key_issue.html", {"form": form, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def rotate(request: HttpRequest, viewer: Viewer, key_id: int) -> HttpResponse:
    """Give a key a new text; the old one works on for the grace period."""
    page = _changeable(viewer, key_id)
    form = RotateForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        grace = timedelta(hours=form.cleaned_data["grace_hours"])
        try:
            issued = operations.rotate(
                actor=viewer.actor, at=utc_now(), key_id=key_id, pepper=settings.ENVIRONMENT.key_pepper, grace=grace
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            return _show_once(request, viewer, issued, is_rotated=True)
    return render(request, "console/key_rotate.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def revoke(request: HttpRequest, viewer: Viewer, key_id: int) -> HttpResponse:
    """Ask, then stop a key for good."""
    page = _changeable(viewer, key_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        operations.revoke(actor=viewer.actor, at=utc_now(), key_id=key_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"The key {page.line.key.name} is revoked. No gateway accepts it any more.")
        return redirect("keys")
    return render(request, "console/key_revoke.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def revoke_chosen(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Ask, then stop the keys that were ticked in the list, all or none."""
    chosen = ChosenKeysForm(request.POST or request.GET, viewer=viewer)
    form = ReasonForm(request.POST or None)
    if not chosen.is_valid():
        messages.error(request, "Nothing was revoked: tick working keys that you may change, at most 500 at once.")
        return redirect("keys")
    lines = key_lines(viewer=viewer, keys=chosen.cleaned_data["key"], now=utc_now())
    if request.method == "POST" and form.is_valid():
        ids = [line.key.pk for line in lines]
        operations.revoke_all(actor=viewer.actor, at=utc_now(), key_ids=ids, reason=form.cleaned_data["reason"])
        messages.success(request, f"{len(ids)} key{'s' * (len(ids) > 1)} revoked. No gateway accepts them any more.")
        return redirect("keys")
    return render(request, "console/keys_revoke.html", {"form": form, "lines": lines, "viewer": viewer})


def _page(viewer: Viewer, key_id: int) -> KeyPage:
    page = key_page(viewer=viewer, key_id=key_id, now=utc_now())
    if page is None:
        raise Http404
    return page


def _changeable(viewer: Viewer, key_id: int) -> KeyPage:
    page = _page(viewer, key_id)
    if not page.line.may_change:
        raise PermissionDenied("You may see this key but not change it. A team's owner or an administrator can.")
    return page


def _show_once(request: HttpRequest, viewer: Viewer, issued: IssuedKey, *, is_rotated: bool) -> HttpResponse:
    alias = ModelAlias.objects.filter(organisation=viewer.organisation).first()
    page = issued_page(
        issued=issued,
        gateway_url=settings.ENVIRONMENT.public_gateway_url,
        model=alias.name if alias is not None else "sandbox-1",
        is_rotated=is_rotated,
    )
    return render(request, "console/key_issued.html", {"page": page, "viewer": viewer})
