"""What the log-in page says of identity providers."""

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.urls import reverse
from django.utils.http import urlencode

from governance.identity.models import IdentityProvider
from governance.identity.queries import enabled_providers

register = template.Library()

_BEGINNINGS = {IdentityProvider.Kind.OIDC: "openid_connect_login", IdentityProvider.Kind.SAML: "saml_login"}


@register.simple_tag(takes_context=True)
def log_in_links(context: Context) -> list[tuple[str, str]]:
    """Return the name of each identity provider and where logging in through it begins."""
    request: HttpRequest = context["request"]
    wanted = request.GET.get("next")
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    return [
        (row.name, reverse(_BEGINNINGS[IdentityProvider.Kind(row.kind)], args=[row.slug]) + query)
        for row in enabled_providers()
    ]
