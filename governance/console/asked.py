"""What the address of a form names, so that it begins filled in."""

from django.http import HttpRequest

from governance.keys.models import VirtualKey
from governance.teams.models import Team
from governance.viewing.viewer import Viewer


def asked_key(request: HttpRequest, viewer: Viewer) -> VirtualKey | None:
    """Return the key that `?key=ID` names, if the viewer sees it."""
    number = _number(request, "key")
    return viewer.visible_keys().filter(id=number).first() if number is not None else None


def asked_team(request: HttpRequest, viewer: Viewer) -> Team | None:
    """Return the team that `?team=ID` names, if the viewer sees it."""
    number = _number(request, "team")
    return viewer.visible_teams().filter(id=number).first() if number is not None else None


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
