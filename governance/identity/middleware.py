"""Where an organisation requires a second factor, whoever has none sees the pages on which they add one, alone."""

from collections.abc import Callable

from allauth.account.internal.flows.login import get_authentication_records
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import ResolverMatch

from governance.identity.models import IdentityProvider, SignInRules
from governance.identity.sessions import has_second_factor
from governance.teams.models import User
from governance.teams.queries import homes_of

_OPEN = frozenset({"account_login", "account_logout", "account_reauthenticate", "healthz", "readyz"})
_OPEN_PREFIX = "mfa_"


class SecondFactorMiddleware:
    """Runs when the address is known, so that what is open is said by name; everything else is closed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        """Lead to the enrolment, or let pass."""
        match: ResolverMatch | None = request.resolver_match
        name = match.url_name or "" if match is not None else ""
        if name in _OPEN or name.startswith(_OPEN_PREFIX) or not isinstance(request.user, User):
            return None
        if not _is_required_of(request.user.pk) or _has_given_one(request, request.user):
            return None
        messages.error(
            request, "Your organisation requires a second factor: add an authenticator app or a passkey to go on."
        )
        return redirect("mfa_index")


def _has_given_one(request: HttpRequest, user: User) -> bool:
    """Return whether they have one here, or came through an identity provider that is trusted to have asked."""
    if has_second_factor(user_id=user.pk):
        return True
    came_by = [record.get("provider") for record in get_authentication_records(request, user)]
    return IdentityProvider.objects.filter(slug__in=came_by, is_enabled=True, is_second_factor_trusted=True).exists()


def _is_required_of(user_id: int) -> bool:
    return SignInRules.objects.filter(
        organisation_id__in=homes_of(user_id=user_id), is_second_factor_required=True
    ).exists()
