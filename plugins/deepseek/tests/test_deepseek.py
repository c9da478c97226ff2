"""The provider for DeepSeek conforms, and knows where it is."""

import pytest
from bursar_plugin_deepseek import DeepSeek, bursar_providers

from governance.plugin import ConnectionInvalid, ConnectionSettings, Provider, Wire
from governance.plugin.openai_responses import read_responses_request
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject, check_recorded_stream
from tests.support.recordings import counted, exchange

PROVIDER = DeepSeek()


def connection(base_url: str = PROVIDER.default_base_url, **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="prod", base_url=base_url, credential="sk-1", options=options)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(Subject(provider=PROVIDER, base_url="https://api.example.test"))


def test_the_plugin_offers_its_provider() -> None:
    offered: list[Provider] = []
    bursar_providers(offered.append)
    assert [provider.name for provider in offered] == ["deepseek"]


def test_an_option_that_means_nothing_is_refused() -> None:
    with pytest.raises(ConnectionInvalid, match="unknown option 'region': this provider has none"):
        PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=connection(region="china"))


@pytest.mark.parametrize("base_url", [PROVIDER.default_base_url, "https://api.deepseek.com/"])
@pytest.mark.parametrize(
    ("wire", "path", "header"),
    [
        (Wire.OPENAI_CHAT, "/v1/chat/completions", ("authorization", "Bearer sk-1")),
        (Wire.OPENAI_RESPONSES, "/responses", ("authorization", "Bearer sk-1")),
        (Wire.ANTHROPIC_MESSAGES, "/anthropic/v1/messages", ("x-api-key", "sk-1")),
    ],
)
def test_requests_go_to_the_vendors_own_host(base_url: str, wire: Wire, path: str, header: tuple[str, str]) -> None:
    upstream = PROVIDER.upstream(wire=wire, connection=connection(base_url))
    assert upstream.url == f"https://api.deepseek.com{path}"
    assert header in upstream.headers


def test_a_recorded_stream_of_responses_is_read() -> None:
    body = exchange("deepseek-responses-v4-flash-stream.json")["response"]["body"].encode()
    fields = read_responses_request(b'{"model":"deepseek-v4-flash","input":"Hi","stream":true,"store":false}')
    subject = Subject(provider=PROVIDER, base_url="https://api.example.test")
    report = check_recorded_stream(subject, wire=Wire.OPENAI_RESPONSES, body=body, fields=fields)
    assert counted(report) == {"input": 90, "output": 8, "reasoning": 7}
    assert report.served_model == "deepseek-v4-flash"
