"""Identity providers, and what groups give."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.console.forms.providers import FORMS, ChangeProviderForm, GroupRuleForm
from governance.console.viewer import for_viewer
from governance.core.errors import BursarError
from governance.identity.addresses import absolute
from governance.identity.group_rules import add_rule, remove_rule
from governance.identity.models import IdentityProvider
from governance.identity.optional import HAS_SAML
from governance.identity.providers import add_provider, change_provider, replace_secret
from governance.identity.queries import group_rules_of, providers_of
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List identity providers and what groups give."""
    here = viewer.organisation.pk
    if not viewer.access.may_see_settings(here):
        raise PermissionDenied("Only administrators and auditors see identity providers.")
    context = {
        "providers": providers_of(organisation_id=here),
        "rules": group_rules_of(organisation_id=here),
        "kinds": list(FORMS),
        "viewer": viewer,
    }
    return render(request, "console/identity_providers.html", context)


@sensitive_post_parameters("client_secret")
@require_http_methods(["GET", "POST"])
@for_viewer
def create(request: HttpRequest, viewer: Viewer, kind: str) -> HttpResponse:
    """Add an identity provider."""
    _ensure_administers(viewer)
    if kind not in FORMS:
        raise Http404
    form = FORMS[kind](request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            added = add_provider(
                actor=viewer.actor, new=form.new_provider(viewer), sealing_keys=settings.ENVIRONMENT.sealing_keys
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{added.name} is added. Tell it the addresses on this page.")
            return redirect("identity_provider", provider_id=added.pk)
    return render(request, "console/identity_provider_create.html", {"form": form, "kind": kind, "viewer": viewer})


@sensitive_post_parameters("client_secret")
@require_http_methods(["GET", "POST"])
@for_viewer
def change(request: HttpRequest, viewer: Viewer, provider_id: int) -> HttpResponse:
    """Show what the provider must know of us, and change how far it is believed."""
    _ensure_administers(viewer)
    provider = providers_of(organisation_id=viewer.organisation.pk).filter(pk=provider_id).first()
    if provider is None:
        raise Http404
    form = ChangeProviderForm(request.POST if request.method == "POST" else None, provider=provider)
    if request.method == "POST" and form.is_valid():
        try:
            _apply(viewer, provider, form)
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{provider.name} is changed.")
            return redirect("identity_providers")
    context = {"form": form, "provider": provider, "addresses": _addresses(provider), "viewer": viewer}
    return render(request, "console/identity_provider.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def add_group_rule(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Let a group give something."""
    _ensure_administers(viewer)
    form = GroupRuleForm(request.POST if request.method == "POST" else None, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        role, team_id, part = form.given()
        try:
            add_rule(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                group=form.cleaned_data["group"],
                role=role,
                team_id=team_id,
                part=part,
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Whoever is known to be in the group has it now, the others when they log in.")
            return redirect("identity_providers")
    return render(request, "console/group_rule_create.html", {"form": form, "viewer": viewer})


@require_POST
@for_viewer
def remove_group_rule(request: HttpRequest, viewer: Viewer, rule_id: int) -> HttpResponse:
    """Take back what a group gives."""
    _ensure_administers(viewer)
    if not group_rules_of(organisation_id=viewer.organisation.pk).filter(pk=rule_id).exists():
        raise Http404
    remove_rule(actor=viewer.actor, organisation_id=viewer.organisation.pk, rule_id=rule_id)
    messages.success(request, "The group gives this no more. What people have by hand stays.")
    return redirect("identity_providers")


@transaction.atomic
def _apply(viewer: Viewer, provider: IdentityProvider, form: ChangeProviderForm) -> None:
    change_provider(
        actor=viewer.actor,
        provider_id=provider.pk,
        is_enabled=form.cleaned_data["is_enabled"],
        trust=form.trust(),
    )
    if form.cleaned_data.get("client_secret"):
        replace_secret(
            actor=viewer.actor,
            provider_id=provider.pk,
            client_secret=form.cleaned_data["client_secret"],
            sealing_keys=settings.ENVIRONMENT.sealing_keys,
        )


def _addresses(provider: IdentityProvider) -> list[tuple[str, str]]:
    """What the provider must know of us."""
    if provider.kind == IdentityProvider.Kind.OIDC:
        return [("Redirect URI", absolute(reverse("openid_connect_callback", args=[provider.slug])))]
    if not HAS_SAML:
        return []
    return [
        ("Entity id, and metadata", absolute(reverse("saml_metadata", args=[provider.slug]))),
        ("Assertion consumer service", absolute(reverse("saml_acs", args=[provider.slug]))),
    ]


def _ensure_administers(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators change how people log in. Ask one of them.")
