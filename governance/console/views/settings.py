"""What concerns the whole organisation, and what is installed."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from governance.alerts.drift import set_drift_alarm
from governance.chargeback.closing import set_close_rules
from governance.console.forms.settings import SettingsForm
from governance.console.viewer import for_viewer
from governance.core.errors import BursarError
from governance.teams.changes import rename_organisation
from governance.teams.operations import keep_in_regions
from governance.viewing.installed import installed_distributions
from governance.viewing.viewer import Viewer


@require_http_methods(["GET", "POST"])
@for_viewer
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the settings, and change those that can be changed here."""
    organisation = viewer.organisation
    if not viewer.access.may_see_settings(organisation.pk):
        raise PermissionDenied("Only administrators and auditors see settings.")
    if request.method == "POST" and not viewer.may_administer:
        raise PermissionDenied("Only administrators change settings. Ask one of them.")
    form = SettingsForm(request.POST if request.method == "POST" else None, initial=SettingsForm.present(organisation))
    if request.method == "POST" and form.is_valid():
        try:
            _apply(viewer, form)
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "The settings are changed.")
            return redirect("settings")
    context = {
        "form": form,
        "viewer": viewer,
        "gateway_url": settings.ENVIRONMENT.public_gateway_url,
        "console_url": settings.ENVIRONMENT.public_console_url,
        "plugins": installed_distributions(),
    }
    return render(request, "console/settings.html", context)


@transaction.atomic
def _apply(viewer: Viewer, form: SettingsForm) -> None:
    here = viewer.organisation.pk
    rename_organisation(actor=viewer.actor, organisation_id=here, name=form.cleaned_data["name"])
    keep_in_regions(actor=viewer.actor, organisation_id=here, regions=form.wanted_regions())
    set_drift_alarm(actor=viewer.actor, organisation=viewer.organisation, permille=form.wanted_permille())
    set_close_rules(
        actor=viewer.actor, organisation=viewer.organisation, second_person=form.cleaned_data["needs_second_person"]
    )
