"""The provider for GLM conforms, and finds the host of a region."""

import json
from typing import Any

import pytest
from bursar_plugin_glm import GLM, bursar_providers

from governance.plugin import ConnectionInvalid, ConnectionSettings, Provider, Wire
from governance.plugin.anthropic_messages import read_messages_request
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject
from tests.support.recordings import counted

PROVIDER = GLM()


def connection(base_url: str = PROVIDER.default_base_url, **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="prod", base_url=base_url, credential="sk-1", options=options)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(Subject(provider=PROVIDER, base_url="https://api.example.test"))


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
    messages = PROVIDER.upstream(wire=Wire.ANTHROPIC_MESSAGES, connection=connection(base_url, **options))
    assert messages.url == f"{url.partition('/api/')[0]}/api/anthropic/v1/messages"


def test_trap_07_a_first_event_that_counts_nothing_bounds_nothing_and_the_last_one_is_billed() -> None:
    fields = read_messages_request(
        b'{"model":"glm-5.3","max_tokens":32,"stream":true,"messages":[{"role":"user","content":"Hi"}]}'
    )
    meter: Any = PROVIDER.stream_meter(wire=Wire.ANTHROPIC_MESSAGES, connection=connection(), fields=fields)
    begun = {"model": "glm-5.3", "usage": {"input_tokens": 0, "output_tokens": 0}}
    meter.feed(json.dumps({"type": "message_start", "message": begun}).encode())
    assert meter.bounds() is None
    usage = {"input_tokens": 14, "output_tokens": 5, "cache_read_input_tokens": 6}
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    meter.feed(json.dumps(delta).encode())
    assert counted(meter.report()) == {"input": 14, "cache_read": 6, "output": 5}


def test_trap_24_the_vendors_codes_are_read_in_anthropics_wire_too() -> None:
    body = b'{"type":"error","error":{"type":"1113","code":"1113","message":"Insufficient balance"}}'
    reading = PROVIDER.read_error(wire=Wire.ANTHROPIC_MESSAGES, status=429, body=body)
    assert (reading.is_retryable, reading.may_work_elsewhere) == (False, True)


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
