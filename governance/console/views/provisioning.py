"""The tokens of a company's directory. A token's text is in the one answer that issues it."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from governance.console.forms.provisioning import TokenForm
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.identity.addresses import absolute
from governance.identity.errors import ScimTokenNotFound
from governance.identity.scim import tokens
from governance.viewing.viewer import Viewer


@require_http_methods(["GET", "POST"])
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the tokens, and issue one."""
    _ensure_administers(viewer)
    form = TokenForm(request.POST if request.method == "POST" else None)
    context = {"form": form, "address": absolute("/scim/v2"), "viewer": viewer}
    if request.method == "POST" and form.is_valid():
        try:
            context["issued"] = tokens.issue_token(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                name=form.cleaned_data["name"],
                pepper=settings.ENVIRONMENT.key_pepper,
            )
        except BursarError as error:
            form.add_error(None, error.message)
    context["tokens"] = tokens.tokens_of(organisation_id=viewer.organisation.pk)
    return render(request, "console/provisioning.html", context)


@require_POST
@for_viewer
def revoke(request: HttpRequest, viewer: Viewer, token_id: int) -> HttpResponse:
    """Stop a token."""
    _ensure_administers(viewer)
    try:
        token = tokens.revoke_token(
            actor=viewer.actor, at=utc_now(), organisation_id=viewer.organisation.pk, token_id=token_id
        )
    except ScimTokenNotFound as error:
        raise Http404 from error
    messages.success(request, f"The token {token.name} does not work any more.")
    return redirect("provisioning")


def _ensure_administers(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators let a directory in. Ask one of them.")
