"""Who calls: the token, and what its holder sees and may do."""

from dataclasses import dataclass

from django.conf import settings
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from governance.audit.operations import Actor
from governance.core.clock import utc_now
from governance.core.errors import Forbidden, RateLimited
from governance.teams.models import User
from governance.tokens.errors import ScopeMissing, TokenInvalid
from governance.tokens.models import Token
from governance.tokens.operations import check, count_call
from governance.tokens.scopes import allows
from governance.viewing.viewer import Viewer, service_viewer, viewer_of

CALLS_PER_MINUTE = 600


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A token that works, and the view of the person or service behind it. `secret` is what only its holder has."""

    token: Token
    viewer: Viewer
    secret: str

    @property
    def person(self) -> User:
        """The person who answers for a decision. Raises Forbidden for a service."""
        if self.token.user is None:
            raise Forbidden("Somebody must answer for this by name: use a personal token, not a service's.")
        return self.token.user

    def ensure_scope(self, *, area: str, verb: str) -> None:
        """Raise ScopeMissing unless the token is for this."""
        if not allows(self.token.scopes, area=area, verb=verb):
            raise ScopeMissing(f"The token has no scope {area}:{verb}: issue one that has it.")


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer bst_...` and nothing else: no cookie, no query."""

    def authenticate(self, request: Request) -> tuple[User, Caller]:
        """Return the person and the caller. Raises TokenInvalid and RateLimited."""
        origin = request.META.get("REMOTE_ADDR", "")
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenInvalid("Say who you are: send the header `Authorization: Bearer bst_...` with a token.")
        checked = check(text=text.strip(), pepper=settings.ENVIRONMENT.key_pepper, at=utc_now())
        viewer = _viewer(checked.token, origin)
        seconds = count_call(token=checked.token, most_per_minute=CALLS_PER_MINUTE)
        if seconds is not None:
            raise RateLimited(
                f"The token has made {CALLS_PER_MINUTE} calls in this minute: come again in {seconds} seconds.",
                counts="requests",
                retry_after_seconds=seconds,
            )
        return viewer.user, Caller(token=checked.token, viewer=viewer, secret=checked.secret)

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return 'Bearer realm="Bursar"'


def caller_of(request: Request) -> Caller:
    """Return who calls."""
    caller = request.auth
    if not isinstance(caller, Caller):
        raise TokenInvalid("Say who you are: send the header `Authorization: Bearer bst_...` with a token.")
    return caller


def _viewer(token: Token, origin: str) -> Viewer:
    if token.user is None:
        name = f"service token: {token.name} ({token.pk})"
        actor = Actor(name=name, origin=origin, organisation_id=token.organisation_id)
        return service_viewer(organisation=token.organisation, actor=actor)
    viewer = viewer_of(user=token.user, origin=origin, organisation_id=token.organisation_id)
    if viewer is None:
        raise TokenInvalid("The person whose token this is has no part in the organisation any more.")
    return viewer
