"""The addresses of logging in: allauth's own pages, and those of identity providers."""

from importlib import import_module

from django.urls import URLPattern, URLResolver, include, path

from governance.identity import oidc, passwords
from governance.identity.optional import HAS_SAML

urlpatterns: list[URLPattern | URLResolver] = [
    path("password/set/", passwords.refuse, name="account_set_password"),
    path("", include("allauth.account.urls")),
    path("2fa/", include("allauth.mfa.urls")),
    path("sessions/", include("allauth.usersessions.urls")),
    path("oidc/<slug:provider_id>/login/", oidc.begin, name="openid_connect_login"),
    path("oidc/<slug:provider_id>/login/callback/", oidc.come_back, name="openid_connect_callback"),
]
if HAS_SAML:
    urlpatterns += import_module("governance.identity.saml").patterns
