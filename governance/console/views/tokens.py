"""Tokens of the management API: list, issue, revoke. A text is in the answer to the form and nowhere else."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.console.forms.reason import ReasonForm
from governance.console.forms.tokens import TokenForm
from governance.console.pages.tokens import token_line, token_lines
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.tokens import operations
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List one's own tokens, and for an administrator everybody's."""
    return render(
        request, "console/tokens.html", {"lines": token_lines(viewer=viewer, now=utc_now()), "viewer": viewer}
    )


@require_http_methods(["GET", "POST"])
@for_viewer
def issue(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Issue a token and show its text once."""
    form = TokenForm(request.POST or None, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        now = utc_now()
        try:
            issued = operations.issue(
                actor=viewer.actor, at=now, pepper=settings.ENVIRONMENT.key_pepper, new=form.new_token(at=now)
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            address = f"{settings.ENVIRONMENT.public_console_url}/api/v1/me"
            context = {"issued": issued, "address": address, "viewer": viewer}
            return render(request, "console/token_issued.html", context)
    return render(request, "console/token_issue.html", {"form": form, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def revoke(request: HttpRequest, viewer: Viewer, token_id: int) -> HttpResponse:
    """Ask, then stop a token for good."""
    line = token_line(viewer=viewer, token_id=token_id, now=utc_now())
    if line is None:
        raise Http404
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        operations.revoke(actor=viewer.actor, at=utc_now(), token_id=token_id, reason=form.cleaned_data["reason"])
        messages.success(request, f"The token {line.token.name} is revoked. The API accepts it no more.")
        return redirect("tokens")
    return render(request, "console/token_revoke.html", {"form": form, "line": line, "viewer": viewer})
