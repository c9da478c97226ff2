"""The provider for xAI conforms, and knows where it is."""

import pytest
from bursar_plugin_xai import XAI, bursar_providers

from governance.plugin import ConnectionInvalid, ConnectionSettings, GoverningFields, Provider, Wire
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

PROVIDER = XAI()


def connection(base_url: str = PROVIDER.default_base_url, **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="prod", base_url=base_url, credential="sk-1", options=options)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(Subject(provider=PROVIDER, base_url="https://api.example.test/v1"))


def test_the_plugin_offers_its_provider() -> None:
    offered: list[Provider] = []
    bursar_providers(offered.append)
    assert [provider.name for provider in offered] == ["xai"]


def test_an_option_that_means_nothing_is_refused() -> None:
    with pytest.raises(ConnectionInvalid, match="unknown option 'region': this provider has none"):
        PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=connection(region="china"))


def test_the_prompt_that_the_vendor_adds_and_bills_is_held_for() -> None:
    fields = GoverningFields(model="m", stream=False, body_bytes=60, messages=1)
    bound = PROVIDER.bound(wire=Wire.OPENAI_CHAT, connection=connection(), fields=fields)
    assert bound.input_tokens >= 60 + 2000


def test_requests_go_to_the_vendors_own_host() -> None:
    upstream = PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=connection())
    assert upstream.url == "https://api.x.ai/v1/chat/completions"
    assert dict(upstream.headers)["authorization"] == "Bearer sk-1"
