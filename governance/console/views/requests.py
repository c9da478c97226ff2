"""The list of requests, and one of them explained."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.chargeback.lines import places_in_statements
from governance.console.forms.reason import ReasonForm
from governance.console.forms.requests import RequestFilterForm, SettleForm
from governance.console.pages.requests import requests_page
from governance.console.viewer import for_viewer
from governance.core.errors import BursarError
from governance.metering.operations import release_suspense, settle_suspense
from governance.prompts.operations import read
from governance.prompts.queries import stored_prompt
from governance.viewing.explanation import explanation
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the newest requests that match the filter; with `?follow=1` new ones come by themselves."""
    form = RequestFilterForm(request.GET, viewer=viewer)
    page = requests_page(viewer=viewer, wanted=form.wanted(), cursor=request.GET.get("after", ""))
    following, toggled = request.GET.copy(), request.GET.copy()
    following["after"] = page.next_cursor
    following.pop("follow", None)
    is_followed = page.is_first and toggled.pop("follow", None) is not None
    if not is_followed:
        toggled["follow"] = "1"
    context = {"page": page, "form": form, "viewer": viewer, "next_query": following.urlencode()}
    context |= {"is_followed": is_followed, "toggle_query": toggled.urlencode(), "query": request.GET.urlencode()}
    context["is_filtered"] = any(request.GET.get(name) for name in form.fields)
    return render(request, "console/requests.html", context)


@require_safe
@for_viewer
def rows(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the newest rows alone, for htmx."""
    form = RequestFilterForm(request.GET, viewer=viewer)
    page = requests_page(viewer=viewer, wanted=form.wanted(), cursor="")
    return render(request, "console/parts/request_rows.html", {"page": page, "viewer": viewer})


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, attempt_id: UUID) -> HttpResponse:
    """Explain one request."""
    found = explanation(viewer=viewer, attempt_id=attempt_id)
    if found is None:
        raise Http404
    is_readable = found.request is not None and viewer.may_read_prompts(found.request.team_id)
    context: dict[str, Any] = {"page": found, "viewer": viewer, "has_prompt": is_readable and found.has_prompt}
    record = found.request
    if viewer.sees_all and record is not None:
        context["places"] = places_in_statements(
            cost_centre_id=record.cost_centre_id,
            booked={each.booking.month: each.booking.booked_at for each in found.revisions if each.booking is not None},
            key_id=record.key_id,
            provider=record.model.provider,
            model=record.model.name,
        )
    return render(request, "console/request.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def settle(request: HttpRequest, viewer: Viewer, attempt_id: UUID) -> HttpResponse:
    """Book what a request of unknown outcome cost, by name and with a reason."""
    page = explanation(viewer=viewer, attempt_id=attempt_id)
    if page is None or page.unbooked is None:
        raise Http404
    if not viewer.may_administer:
        raise PermissionDenied("Only an administrator of Bursar settles a request whose outcome is unknown.")
    form = SettleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _settle(viewer, attempt_id, cost_nano=form.cleaned_data["cost"], reason=form.cleaned_data["reason"])
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "The request is settled, and the rest of what it held is given back.")
            return redirect("request", attempt_id=attempt_id)
    return render(request, "console/request_settle.html", {"form": form, "page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def prompt(request: HttpRequest, viewer: Viewer, attempt_id: UUID) -> HttpResponse:
    """Ask, then show what is stored of a request; the trail keeps who read it."""
    page = explanation(viewer=viewer, attempt_id=attempt_id)
    if page is None or page.request is None:
        raise Http404
    if not viewer.may_read_prompts(page.request.team_id):
        raise PermissionDenied("Only administrators and the team's owners read what its requests say.")
    form = ReasonForm(request.POST or None)
    context: dict[str, Any] = {"page": page, "form": form, "viewer": viewer}
    context["stored"] = stored_prompt(request_id=page.request.request_id)
    if request.method == "POST" and form.is_valid():
        try:
            said = read(
                actor=viewer.actor,
                request_id=page.request.request_id,
                sealing_keys=settings.ENVIRONMENT.sealing_keys,
                reason=form.cleaned_data["reason"],
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            texts = (said.request.decode("utf-8", "replace"), said.reply.decode("utf-8", "replace"))
            context["conversation"] = dict(zip(("request", "reply"), texts, strict=True))
    return render(request, "console/request_prompt.html", context)


def _settle(viewer: Viewer, attempt_id: UUID, *, cost_nano: int, reason: str) -> None:
    if cost_nano == 0:
        release_suspense(attempt_id=attempt_id, actor=viewer.actor, reason=reason)
    else:
        settle_suspense(attempt_id=attempt_id, cost_nano=cost_nano, actor=viewer.actor, reason=reason)
