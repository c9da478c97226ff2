"""Accounts at vendors: list them, and add one, also as a team's own."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from governance.connections import operations
from governance.connections.queries import connections_of
from governance.console.forms.connections import ConnectionForm
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.viewing.installed import installed_providers
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the organisation's connections: never their credentials."""
    if not viewer.access.may_see_settings(viewer.organisation.pk):
        raise PermissionDenied("Only administrators and auditors see connections to vendors.")
    found = connections_of(organisation_id=viewer.organisation.pk)
    return render(request, "console/connections.html", {"connections": found, "viewer": viewer})


@sensitive_post_parameters("credential")
@require_http_methods(["GET", "POST"])
@for_viewer
def create(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Add a connection, and seal its credential."""
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators add connections to vendors. Ask one of them.")
    form = ConnectionForm(request.POST or None, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        try:
            added = operations.add(
                actor=viewer.actor,
                at=utc_now(),
                sealing_keys=settings.ENVIRONMENT.sealing_keys,
                providers=installed_providers(),
                new=form.new_connection(),
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The connection {added.name} is added. `bursar models add` lets models use it.")
            return redirect("connections")
    return render(request, "console/connection_create.html", {"form": form, "viewer": viewer})
