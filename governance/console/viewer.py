"""The entrance of the console: who is signed in, as pages need them."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from governance.teams.models import User
from governance.viewing.viewer import Viewer, viewer_of

__all__ = ["Viewer", "for_viewer", "viewer_of"]

View = Callable[..., HttpResponseBase]


def for_viewer(view: View) -> View:
    """Let only people of an organisation in; the view gets its Viewer as second argument."""

    @login_required
    @wraps(view)
    def entered(request: HttpRequest, **arguments: object) -> HttpResponseBase:
        user = request.user
        viewer = viewer_of(user=user, origin=request.META.get("REMOTE_ADDR", "")) if isinstance(user, User) else None
        if viewer is None:
            raise PermissionDenied("You are not in a team yet. Ask an administrator of Bursar to add you to one.")
        request.viewer = viewer  # type: ignore[attr-defined] # read by the navigation, so that it is looked up once
        return view(request, viewer, **arguments)

    return entered
