"""The entrance of the console: who is signed in, as pages need them."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from governance.teams.models import User
from governance.viewing.viewer import Viewer, viewer_of

View = Callable[..., HttpResponseBase]


def for_viewer(view: View) -> View:
    """Let only people of an organisation in; the view gets its Viewer as second argument."""

    @login_required
    @wraps(view)
    def entered(request: HttpRequest, **arguments: object) -> HttpResponseBase:
        viewer = viewer_of_request(request)
        if viewer is None:
            raise PermissionDenied("You are not in a team yet. Ask an administrator of Bursar to add you to one.")
        return view(request, viewer, **arguments)

    return entered


def viewer_of_request(request: HttpRequest) -> Viewer | None:
    """Return who looks, which is looked up once for a page; None for somebody not signed in or in no team."""
    if not hasattr(request, "viewer"):
        user, origin = request.user, request.META.get("REMOTE_ADDR", "")
        found = viewer_of(user=user, origin=origin) if isinstance(user, User) else None
        request.viewer = found  # type: ignore[attr-defined] # an attribute of our own
    return request.viewer  # type: ignore[attr-defined,no-any-return]
