"""Alerts: what was passed, what is ahead, and who is told."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.alerts.models import Recipient
from governance.alerts.operations import add_recipient, remove_recipient, send_test
from governance.alerts.queries import recipients_of
from governance.console.forms.alerts import RecipientForm
from governance.console.pages.alerts import alerts_page
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.viewing.installed import installed_notifiers
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show what was passed and what is ahead; `?before=` an older page of what was passed."""
    if not viewer.sees_all:
        raise PermissionDenied("Alerts are for administrators, finance and auditors. A budget's page has its own.")
    before = request.GET.get("before", "")
    before_id = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    page = alerts_page(viewer=viewer, now=utc_now(), before_id=before_id)
    context = {"page": page, "viewer": viewer, "is_first": before_id is None}
    return render(request, "console/alerts.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def add(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Tell one more destination."""
    _refuse_readers(viewer)
    form = RecipientForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            recipient = add_recipient(
                organisation=viewer.organisation,
                notifier=form.cleaned_data["notifier"],
                destination=form.cleaned_data["destination"],
                notifiers=installed_notifiers(),
                actor=viewer.actor,
                hears_alerts=form.cleaned_data["hears_alerts"],
                changes=form.cleaned_data["changes"].split(),
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{recipient.destination} is told from now on. Send a test to see that it works.")
            return redirect("alerts")
    return render(request, "console/recipient_create.html", {"form": form, "viewer": viewer})


@require_POST
@for_viewer
def test(request: HttpRequest, viewer: Viewer, recipient_id: int) -> HttpResponse:
    """Send a test message now, and say what became of it."""
    _refuse_readers(viewer)
    recipient = _recipient(viewer, recipient_id)
    [trial] = send_test(
        organisation=viewer.organisation, notifiers=installed_notifiers(), at=utc_now(), recipient_id=recipient_id
    )
    if trial.error:
        messages.error(request, f"The test for {recipient.destination} was not delivered: {trial.error}")
    else:
        messages.success(request, f"The test for {recipient.destination} was delivered.")
    return redirect("alerts")


@require_http_methods(["GET", "POST"])
@for_viewer
def remove(request: HttpRequest, viewer: Viewer, recipient_id: int) -> HttpResponse:
    """Ask, then stop telling a destination."""
    _refuse_readers(viewer)
    recipient = _recipient(viewer, recipient_id)
    if request.method == "POST":
        remove_recipient(organisation=viewer.organisation, recipient_id=recipient_id, actor=viewer.actor)
        messages.success(request, f"{recipient.destination} is told nothing any more.")
        return redirect("alerts")
    return render(request, "console/recipient_remove.html", {"recipient": recipient, "viewer": viewer})


def _recipient(viewer: Viewer, recipient_id: int) -> Recipient:
    recipient = recipients_of(organisation=viewer.organisation).filter(pk=recipient_id).first()
    if recipient is None:
        raise Http404
    return recipient


def _refuse_readers(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators change who is told. Ask one of them.")
