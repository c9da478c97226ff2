"""allauth's hooks for identity providers: they stand in our own table, and who comes in is decided in `arrivals`."""

import secrets
from collections.abc import Mapping
from typing import Any

import requests
import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from governance.core.errors import BursarError
from governance.identity.addresses import absolute
from governance.identity.arrivals import Arrival, admit
from governance.identity.group_rules import MAX_GROUPS
from governance.identity.models import IdentityProvider
from governance.identity.providers import client_secret_of
from governance.identity.queries import enabled_providers

# What python3-saml holds answers to: all that it can, and answers to questions that were asked here.
SAML_RULES = {
    "strict": True,
    "want_assertion_signed": True,
    "want_name_id": True,
    "want_attribute_statement": False,
    "reject_deprecated_algorithm": True,
    "reject_idp_initiated_sso": True,
    "allow_single_label_domains": True,
}
_PROVIDERS = {IdentityProvider.Kind.OIDC: "openid_connect", IdentityProvider.Kind.SAML: "saml"}

log = structlog.get_logger(__name__)


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc] # allauth carries no types
    """Nobody signs up, connects, or is found by an address here: `pre_social_login` decides alone."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the enabled identity providers as allauth knows them."""
        rows = enabled_providers()
        apps = [_app(row) for row in rows if provider in (None, row.slug, _PROVIDERS[IdentityProvider.Kind(row.kind)])]
        return [app for app in apps if client_id in (None, app.client_id)]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Put the person who comes in, known or made just now, into allauth's log-in."""
        row = IdentityProvider.objects.get(slug=sociallogin.account.provider)
        expected = sociallogin.state.get("nonce")
        if row.kind == IdentityProvider.Kind.OIDC and not (
            expected and secrets.compare_digest(expected, str(sociallogin.claims.get("nonce")))
        ):
            raise ImmediateHttpResponse(
                _refuse(request, row.name, "The answer belongs to another log-in: begin again.")
            )
        try:
            link = admit(
                provider=row,
                arrival=arrival_of(sociallogin.account.uid, sociallogin.claims, groups_claim=row.groups_claim),
                origin=request.META.get("REMOTE_ADDR", ""),
            )
        except BursarError as error:
            raise ImmediateHttpResponse(_refuse(request, row.name, error.message)) from error
        sociallogin.account, sociallogin.user = link, link.user

    def authenticate_by_email(self, sociallogin: SocialLogin) -> None:
        """Find nobody: see `arrivals`."""

    def on_authentication_error(self, request: HttpRequest, provider: Any, **details: Any) -> None:
        """Say that it did not work, and write down what, without a token in it."""
        exception = details.get("exception")
        reasons = (details.get("extra_context") or {}).get("saml_errors")
        log.warning(
            "identity_provider_failed",
            provider=str(provider),
            error=type(exception).__name__ if exception is not None else str(details.get("error")),
            reasons=reasons,
        )
        raise ImmediateHttpResponse(
            _refuse(request, str(provider), f"{provider} gave no answer that can be trusted: begin again.")
        )

    def get_requests_session(self) -> requests.Session:
        """Return what asks identity providers: with a time limit, and never led elsewhere."""
        session: requests.Session = super().get_requests_session()
        session.max_redirects = 0
        return session


def arrival_of(subject: str, claims: Mapping[str, Any], *, groups_claim: str) -> Arrival:
    """Return what the claims say. What is not of the expected type says nothing."""
    email, is_verified, groups = claims.get("email"), claims.get("email_verified"), claims.get(groups_claim)
    if isinstance(groups, str):
        groups = [groups]
    return Arrival(
        subject=subject,
        email=email if isinstance(email, str) else "",
        is_email_verified=is_verified is True or is_verified == "true",
        groups=[name for name in groups[:MAX_GROUPS] if isinstance(name, str)] if isinstance(groups, list) else None,
    )


def _app(row: IdentityProvider) -> SocialApp:
    kind = IdentityProvider.Kind(row.kind)
    app = SocialApp(provider=_PROVIDERS[kind], provider_id=row.slug, name=row.name, client_id=row.slug)
    if kind == IdentityProvider.Kind.OIDC:
        app.client_id = row.client_id
        app.secret = client_secret_of(row, sealing_keys=settings.ENVIRONMENT.sealing_keys)
        app.settings = {"server_url": row.issuer, "issuer": row.issuer, "oauth_pkce_enabled": True}
    else:
        app.settings = {
            "idp": {"entity_id": row.issuer, "sso_url": row.sso_url, "x509cert": row.certificate},
            "sp": {"entity_id": absolute(reverse("saml_metadata", args=[row.slug]))},
            "advanced": SAML_RULES,
        }
    return app


def _refuse(request: HttpRequest, name: str, sentence: str) -> HttpResponse:
    return render(request, "identity/refused.html", {"provider": name, "message": sentence}, status=403)
