"""SAML 2.0 on allauth and python3-saml, where people begin here. An extra: `pip install bursar[saml]`.

python3-saml checks signatures and what they cover, the audience, the recipient, the times and the issuer. Here: the
signed assertion itself must answer the question that this browser asked (allauth compares the outer, perhaps unsigned,
envelope); subjects that change from one log-in to the next are refused; nothing is taken from the request but where to
go afterwards.
"""

from http import HTTPStatus
from typing import Any

from allauth.account.internal.decorators import login_not_required
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.saml import views
from allauth.socialaccount.providers.saml.provider import SAMLProvider
from allauth.socialaccount.providers.saml.utils import get_app_or_404
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from lxml import etree
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.errors import OneLogin_Saml2_Error

_MAX_ANSWER_CHARACTERS = 262_144
_TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
_MAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
_ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
# Attributes that name somebody for good, before the name id, which may be an address.
_SUBJECTS = (
    "urn:oasis:names:tc:SAML:attribute:subject-id",
    "http://schemas.microsoft.com/identity/claims/objectidentifier",
)
_EMAILS = (
    "urn:oid:0.9.2342.19200300.100.1.3",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "email",
    "mail",
)


class Provider(SAMLProvider):  # type: ignore[misc] # allauth carries no types
    """An identity provider as allauth sees it."""

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Return where to go afterwards, and nothing else that the request may ask for."""
        asked: dict[str, Any] = super().get_redirect_from_request_kwargs(request)
        return {"process": AuthProcess.LOGIN} | ({"next_url": asked["next_url"]} if "next_url" in asked else {})

    def sociallogin_from_response(self, request: HttpRequest, response: OneLogin_Saml2_Auth) -> SocialLogin:
        """Return who it is, by an assertion that answers what was asked here."""
        if response.get_last_response_in_response_to() != _answers(response):
            raise ImmediateHttpResponse(render_authentication_error(request, self))
        login = super().sociallogin_from_response(request, response)
        login.claims = _claims(response)
        return login

    def unstash_redirect_state(self, request: HttpRequest, state_id: str) -> dict[str, Any]:
        """Return what was kept when this browser asked; each question is answered once."""
        try:
            state: dict[str, Any] = super().unstash_redirect_state(request, state_id)
        except PermissionDenied as error:
            raise ImmediateHttpResponse(render_authentication_error(request, self, exception=error)) from error
        return state

    def extract_uid(self, data: OneLogin_Saml2_Auth) -> str:
        """Return what names somebody for good. Who comes under another name each time is nobody."""
        attributes = data.get_attributes()
        for name in _SUBJECTS:
            if attributes.get(name):
                return str(attributes[name][0])
        if data.get_nameid_format() == _TRANSIENT or not data.get_nameid():
            raise ImmediateHttpResponse(render_authentication_error(self.request, self))
        return str(data.get_nameid())

    def extract_extra_data(self, data: OneLogin_Saml2_Auth) -> dict[str, Any]:
        """Keep nothing of what they say: it is asked for anew at each log-in."""
        return {}

    def extract_common_fields(self, data: OneLogin_Saml2_Auth) -> dict[str, Any]:
        """Make nobody of what they say: see `arrivals`."""
        return {}


@csrf_exempt
@login_not_required  # type: ignore[untyped-decorator]
def take(request: HttpRequest, organization_slug: str) -> HttpResponseBase:
    """Take an answer that a provider lets the browser post; it is read at the next address, in the session."""
    get_app_or_404(request, organization_slug)
    if request.method != "POST" or len(request.POST.get("SAMLResponse", "")) > _MAX_ANSWER_CHARACTERS:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    answer: HttpResponseBase = views.acs(request, organization_slug=organization_slug)
    return answer


@login_not_required  # type: ignore[untyped-decorator]
def finish(request: HttpRequest, organization_slug: str) -> HttpResponseBase:
    """Let in whoever the answer is about. What is no XML, or more than XML, is no answer."""
    provider = get_app_or_404(request, organization_slug).get_provider(request)
    try:
        answer: HttpResponseBase = views.finish_acs(request, organization_slug=organization_slug)
    except (etree.LxmlError, ValueError, OneLogin_Saml2_Error) as error:
        answer = render_authentication_error(request, provider, exception=error)
    return answer


def nothing(request: HttpRequest, organization_slug: str) -> HttpResponseBase:
    """Serve no single log-out: sessions end here."""
    raise Http404


def _answers(response: OneLogin_Saml2_Auth) -> str | None:
    """Return which question the assertion that was verified answers; None where it says none, or not one."""
    assertion = response.get_last_assertion_id()
    document = etree.fromstring(response.get_last_response_xml().encode())
    found = document.xpath(
        "//saml:Assertion[@ID=$id]/saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData/@InResponseTo",
        namespaces={"saml": _ASSERTION},
        id=assertion,
    )
    return str(found[0]) if assertion and len(found) == 1 else None


def _claims(response: OneLogin_Saml2_Auth) -> dict[str, Any]:
    claims: dict[str, Any] = dict(response.get_attributes())
    emails = [values[0] for name in _EMAILS if (values := claims.get(name))]
    if response.get_nameid_format() == _MAIL:
        emails.append(response.get_nameid())
    # Nothing in SAML says that an address was verified: whether it counts is the administrator's word.
    return claims | {"email": emails[0] if emails else "", "email_verified": False}


patterns = [
    path("saml/<slug:organization_slug>/login/", views.login, name="saml_login"),
    path("saml/<slug:organization_slug>/acs/", take, name="saml_acs"),
    path("saml/<slug:organization_slug>/acs/finish/", finish, name="saml_finish_acs"),
    path("saml/<slug:organization_slug>/metadata/", views.metadata, name="saml_metadata"),
    path("saml/<slug:organization_slug>/sls/", nothing, name="saml_sls"),
]
