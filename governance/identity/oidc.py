"""OpenID Connect on allauth, held to what OpenID Connect Core 3.1.3.7, RFC 9207 and RFC 9700 ask of a client.

allauth brings the state, PKCE and the exchange of the code. Here: a nonce; the token's signature, checked although it
came over TLS; the issuer that the administrator named, not the one discovery names; whose answer it is (`iss`); and no
parameter of the request's own choosing.
"""

import secrets
from typing import Any

import jwt
import requests
from allauth.account.internal.decorators import login_not_required
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from governance.identity.addresses import absolute

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY_SECONDS = 60
_NONCE_BYTES = 24
_OF_THE_TOKEN_ALONE = frozenset({"iss", "sub", "aud", "exp", "iat", "nonce", "azp"})


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc] # allauth carries no types
    """One identity provider during one log-in."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What it publishes of itself, which must be the issuer that was named. Raises OAuth2Error."""
        config: dict[str, Any] = super().openid_config
        if config.get("issuer") != self.get_provider().app.settings["issuer"]:
            raise OAuth2Error("The issuer names itself otherwise.")
        return config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Return where the provider sends people back to: never made of the request's own words."""
        return absolute(reverse("openid_connect_callback", kwargs={"provider_id": self.provider_id}))

    def get_access_token_data(self, request: HttpRequest, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Exchange the code, if this provider is the one that answered."""
        named = request.GET.get("iss")
        is_always_named = self.openid_config.get("authorization_response_iss_parameter_supported") is True
        if (named is not None or is_always_named) and named != self.openid_config["issuer"]:
            raise OAuth2Error("Another issuer answered.")
        found: dict[str, Any] = super().get_access_token_data(request, *arguments, **options)
        return found

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **options: Any) -> SocialLogin:
        """Return who it is, by a token of theirs that was checked whole. Raises OAuth2Error."""
        claims = self._decode_id_token(app, options["response"].get("id_token"))
        if "email" not in claims and self.openid_config.get("userinfo_endpoint"):
            more = self._fetch_user_info(token.token)
            if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
                raise OAuth2Error("The user info is of somebody else.")
            claims = {**{name: more[name] for name in more.keys() - _OF_THE_TOKEN_ALONE}, **claims}
        login = self.get_provider().sociallogin_from_response(request, {"id_token": claims})
        login.claims = claims
        return login

    def _decode_id_token(self, app: SocialApp, id_token: object) -> dict[str, Any]:
        if not isinstance(id_token, str):
            raise OAuth2Error("There is no ID token.")
        try:
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key=self._signing_key(id_token),
                algorithms=_ALGORITHMS,
                audience=app.client_id,
                issuer=app.settings["issuer"],
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise OAuth2Error("The ID token is not one of theirs for us.") from error
        if not claims["sub"]:
            raise OAuth2Error("The ID token is of nobody.")
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("The ID token was made for another client.")
        return claims

    def _signing_key(self, id_token: str) -> jwt.PyJWK:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        wanted = jwt.get_unverified_header(id_token).get("kid")
        fitting = [key for key in keys if wanted is None or key.key_id == wanted]
        if len(fitting) != 1:
            raise OAuth2Error("The ID token is signed with a key that they do not publish.")
        return fitting[0]


class Provider(OpenIDConnectProvider):  # type: ignore[misc] # allauth carries no types
    """An identity provider as allauth sees it."""

    oauth2_adapter_class = Adapter

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Return where to go afterwards, and nothing else that the request may ask for."""
        asked: dict[str, Any] = super().get_redirect_from_request_kwargs(request)
        return {"process": AuthProcess.LOGIN} | ({"next_url": asked["next_url"]} if "next_url" in asked else {})

    def redirect(self, request: HttpRequest, process: str, **options: Any) -> HttpResponseBase:
        """Send somebody there, with a nonce that must come back inside the signed token."""
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        answer: HttpResponseBase = super().redirect(
            request, AuthProcess.LOGIN, options.get("next_url"), auth_params={"nonce": nonce}, nonce=nonce
        )
        return answer

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Keep nothing of what they say: it is asked for anew at each log-in."""
        return {}

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Make nobody of what they say: see `arrivals`."""
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """Find nobody by what they say: see `arrivals`."""
        return []


@login_not_required  # type: ignore[untyped-decorator]
def begin(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Send somebody to their identity provider."""
    return _answer(OAuth2LoginView, request, provider_id)


@login_not_required  # type: ignore[untyped-decorator]
def come_back(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Let in whoever comes back from there."""
    return _answer(OAuth2CallbackView, request, provider_id)


def _answer(
    view: type[OAuth2LoginView] | type[OAuth2CallbackView], request: HttpRequest, slug: str
) -> HttpResponseBase:
    adapter = Adapter(request, slug)
    try:
        answer: HttpResponseBase = view.adapter_view(adapter)(request)
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    except (OAuth2Error, requests.RequestException, KeyError) as error:
        # What the provider publishes of itself is asked for outside of what allauth answers for.
        refusal: HttpResponseBase = render_authentication_error(request, adapter.get_provider(), exception=error)
        return refusal
    return answer
