"""Closing months: where each stands, what stands against it, and the steps."""

from datetime import date

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.chargeback import closing
from governance.chargeback.archive import month_archive
from governance.chargeback.errors import MonthNotFound, MonthNotReady
from governance.chargeback.queries import close_of
from governance.console.forms.reason import ReasonForm
from governance.console.pages.months import MonthPage, month_lines, month_page
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.core.months import MonthInvalid, parse_month
from governance.viewing.viewer import Viewer

_READERS = "Months are for administrators, finance and auditors. An administrator of Bursar can give you that role."
_CLOSERS = "Only administrators and finance close months."


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the months, the newest first."""
    _refuse_strangers(viewer)
    context = {"lines": month_lines(viewer=viewer, now=utc_now()), "viewer": viewer}
    context["needs_second_person"] = closing.needs_second_person(organisation=viewer.organisation)
    return render(request, "console/months.html", context)


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, month: str) -> HttpResponse:
    """Show one month: what stands against closing it, its statements, and the next step."""
    _refuse_strangers(viewer)
    page = _page(viewer, month)
    return render(request, "console/month.html", {"page": page, "form": ReasonForm(None), "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def begin(request: HttpRequest, viewer: Viewer, month: str) -> HttpResponse:
    """Ask, then book nothing in the month any more."""
    return _ask(request, viewer, month, step="begin")


@require_http_methods(["GET", "POST"])
@for_viewer
def reopen(request: HttpRequest, viewer: Viewer, month: str) -> HttpResponse:
    """Ask, then book in the month again."""
    return _ask(request, viewer, month, step="reopen")


@require_http_methods(["GET", "POST"])
@for_viewer
def close(request: HttpRequest, viewer: Viewer, month: str) -> HttpResponse:
    """Ask, then close the month for good."""
    return _ask(request, viewer, month, step="close")


@require_POST
@for_viewer
def review(request: HttpRequest, viewer: Viewer, month: str) -> HttpResponse:
    """Say that somebody looked."""
    _refuse_readers(viewer)
    wanted = _parsed(month)
    try:
        closing.review(actor=viewer.actor, organisation=viewer.organisation, month=wanted, at=utc_now())
    except BursarError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{wanted:%B %Y} is reviewed by {viewer.actor.name}.")
    return redirect("month", month=month)


@require_safe
@for_viewer
def download(request: HttpRequest, viewer: Viewer, month: str) -> HttpResponse:
    """Answer with all files of a closed month."""
    _refuse_strangers(viewer)
    try:
        archive = month_archive(close=close_of(organisation=viewer.organisation, month=_parsed(month)))
    except (MonthNotFound, MonthNotReady) as error:
        raise Http404 from error
    headers = {"Content-Disposition": f'attachment; filename="{archive.name}"'}
    return HttpResponse(archive.content, content_type="application/zip", headers=headers)


def _ask(request: HttpRequest, viewer: Viewer, month: str, *, step: str) -> HttpResponse:
    _refuse_readers(viewer)
    page = _page(viewer, month)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            said = _take(viewer, page.month, step, reason=form.cleaned_data["reason"])
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, said)
            return redirect("month", month=month)
    return render(request, f"console/month_{step}.html", {"form": form, "page": page, "viewer": viewer})


def _take(viewer: Viewer, month: date, step: str, *, reason: str) -> str:
    here, actor, now = viewer.organisation, viewer.actor, utc_now()
    if step == "begin":
        closing.begin_close(actor=actor, organisation=here, month=month, at=now, reason=reason)
        return f"Nothing is booked in {month:%B %Y} any more. Its statements are written within a minute."
    if step == "reopen":
        closing.reopen(actor=actor, organisation=here, month=month, reason=reason)
        return f"{month:%B %Y} is open again."
    closed = closing.close(actor=actor, organisation=here, month=month, at=now)
    return f"{month:%B %Y} is closed. Its manifest has the SHA-256 {closed.manifest_sha256[:12]}…"


def _page(viewer: Viewer, text: str) -> MonthPage:
    page = month_page(viewer=viewer, month=_parsed(text), now=utc_now())
    if page is None:
        raise Http404
    return page


def _parsed(text: str) -> date:
    try:
        return parse_month(text)
    except MonthInvalid as error:
        raise Http404 from error


def _refuse_strangers(viewer: Viewer) -> None:
    if not viewer.sees_all:
        raise PermissionDenied(_READERS)


def _refuse_readers(viewer: Viewer) -> None:
    if not viewer.may_close_months:
        raise PermissionDenied(_CLOSERS)
