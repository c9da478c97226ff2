"""The provider for Azure OpenAI conforms, completes URLs, and knows what priority processing may cost."""

import pytest
from bursar_plugin_azure_openai import AzureOpenAI, bursar_providers

from governance.plugin import (
    ConnectionInvalid,
    ConnectionSettings,
    GoverningFields,
    Provider,
    RequestUnbounded,
    Wire,
)
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

WIRE = Wire.OPENAI_CHAT

PROVIDER = AzureOpenAI()


def connection(base_url: str = "https://acme.openai.azure.com", **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="prod", base_url=base_url, credential="sk-1", options=options)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(Subject(provider=PROVIDER, base_url="https://acme.openai.azure.com/openai/v1"))


def test_the_plugin_offers_its_provider() -> None:
    offered: list[Provider] = []
    bursar_providers(offered.append)
    assert [provider.name for provider in offered] == ["azure_openai"]


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://acme.openai.azure.com", "https://acme.openai.azure.com/openai/v1"),
        ("https://acme.openai.azure.com/", "https://acme.openai.azure.com/openai/v1"),
        ("https://acme.openai.azure.com/openai/v1/", "https://acme.openai.azure.com/openai/v1"),
        ("https://acme.services.ai.azure.com/openai/v1", "https://acme.services.ai.azure.com/openai/v1"),
    ],
)
def test_a_resource_is_completed_and_its_key_has_its_own_header(base_url: str, url: str) -> None:
    upstream = PROVIDER.upstream(wire=WIRE, connection=connection(base_url))
    assert upstream.url == f"{url}/chat/completions"
    assert upstream.headers == (("content-type", "application/json"), ("api-key", "sk-1"))


@pytest.mark.parametrize(
    ("base_url", "options", "sentence"),
    [
        ("", {}, "has no base URL: give the resource's"),
        ("https://acme.openai.azure.com/openai/deployments/gpt", {}, "names a deployment: give the resource's alone"),
        ("https://acme.openai.azure.com", {"processing": "fast"}, "must be standard or priority"),
    ],
)
def test_a_connection_that_cannot_work_is_refused(base_url: str, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.upstream(wire=WIRE, connection=connection(base_url, **options))


@pytest.mark.parametrize(
    ("processing", "asked", "tiers"),
    [
        ("standard", None, ()),
        ("standard", "priority", ("standard", "priority")),
        ("priority", None, ("standard", "priority")),
        ("priority", "auto", ("standard", "priority")),
        ("priority", "default", ()),
    ],
)
def test_a_deployment_set_to_priority_is_bounded_at_both_prices(
    processing: str, asked: str | None, tiers: tuple[str, ...]
) -> None:
    fields = GoverningFields(model="m", stream=False, body_bytes=1, messages=1, service_tier=asked)
    bound = PROVIDER.bound(wire=WIRE, connection=connection(processing=processing), fields=fields)
    assert bound.service_tiers == tiers


def test_a_tier_that_azure_has_no_price_for_is_refused() -> None:
    fields = GoverningFields(model="m", stream=False, body_bytes=1, messages=1, service_tier="flex")
    with pytest.raises(RequestUnbounded, match="'flex' has no known price at Azure OpenAI"):
        PROVIDER.bound(wire=WIRE, connection=connection(), fields=fields)


ENTRA = {"tenant": "8f5b0f3e-acme", "client_id": "3c1d-app"}


def of_entra(**options: str) -> ConnectionSettings:
    return ConnectionSettings(
        id=1, name="azure", base_url="https://acme.openai.azure.com", credential="secret-canary", options=options
    )


def test_an_applications_secret_is_exchanged_at_its_tenant_and_a_resources_key_is_not() -> None:
    grant = AzureOpenAI().token_grant(connection=of_entra(**ENTRA))
    assert grant is not None
    assert grant.url == "https://login.microsoftonline.com/8f5b0f3e-acme/oauth2/v2.0/token"
    assert grant.form == {
        "grant_type": "client_credentials",
        "client_id": "3c1d-app",
        "client_secret": "secret-canary",
        "scope": "https://cognitiveservices.azure.com/.default",
    }
    assert AzureOpenAI().token_grant(connection=of_entra()) is None


def test_a_token_is_sent_as_a_bearers_and_not_as_a_key() -> None:
    upstream = AzureOpenAI().upstream(wire=Wire.OPENAI_CHAT, connection=of_entra(**ENTRA))
    assert dict(upstream.headers) == {"content-type": "application/json", "authorization": "Bearer secret-canary"}


@pytest.mark.parametrize("options", [{"tenant": "a"}, {"client_id": "a"}, {"tenant": "a/../b", "client_id": "a"}])
def test_half_an_application_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConnectionInvalid, match="both options 'tenant' and 'client_id'"):
        AzureOpenAI().token_grant(connection=of_entra(**options))
