"""The provider for GLM conforms, and finds the host of a region."""

import pytest
from bursar_plugin_glm import GLM, bursar_providers

from governance.plugin import ConnectionInvalid, ConnectionSettings, Provider, Wire
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

PROVIDER = GLM()


def connection(base_url: str = PROVIDER.default_base_url, **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="prod", base_url=base_url, credential="sk-1", options=options)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(Subject(provider=PROVIDER, base_url="https://api.example.test/api/paas/v4"))


def test_the_plugin_offers_its_provider() -> None:
    offered: list[Provider] = []
    bursar_providers(offered.append)
    assert [provider.name for provider in offered] == ["glm"]


@pytest.mark.parametrize(
    ("base_url", "options", "url"),
    [
        (PROVIDER.default_base_url, {}, "https://api.z.ai/api/paas/v4"),
        (PROVIDER.default_base_url, {"region": "international"}, "https://api.z.ai/api/paas/v4"),
        (PROVIDER.default_base_url, {"region": "china"}, "https://open.bigmodel.cn/api/paas/v4"),
        ("https://api.z.ai/api/coding/paas/v4", {}, "https://api.z.ai/api/coding/paas/v4"),
    ],
)
def test_the_host_is_the_regions_or_the_base_urls(base_url: str, options: dict[str, str], url: str) -> None:
    upstream = PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=connection(base_url, **options))
    assert upstream.url == f"{url}/chat/completions"


@pytest.mark.parametrize(
    ("base_url", "region", "sentence"),
    [
        (PROVIDER.default_base_url, "mars", "must be international or"),
        ("https://proxy.example.test/v1", "china", "and the host 'proxy.example.test' as well: leave one out"),
    ],
)
def test_a_region_that_cannot_be_is_refused(base_url: str, region: str, sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=connection(base_url, region=region))
