"""The provider for OpenRouter conforms, and narrows its choice of a vendor."""

import json

import pytest
from bursar_plugin_openrouter import OpenRouter, bursar_providers

from governance.plugin import ConnectionInvalid, ConnectionSettings, Provider, RequestInvalid, Wire
from governance.plugin.openai_chat import read_chat_request, splice
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

PROVIDER = OpenRouter()


def connection(base_url: str = PROVIDER.default_base_url, **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="prod", base_url=base_url, credential="sk-1", options=options)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(Subject(provider=PROVIDER, base_url="https://eu.example.test/api/v1"))


def test_the_plugin_offers_its_provider() -> None:
    offered: list[Provider] = []
    bursar_providers(offered.append)
    assert [provider.name for provider in offered] == ["openrouter"]


def test_what_a_connection_allows_is_written_into_every_request() -> None:
    narrow = connection(only="anthropic,google-vertex/us", max_input_price="3.00", max_output_price="15")
    body = b'{"model":"m","messages":[],"provider":{},"max_tokens":7}'
    edits = PROVIDER.body_edits(wire=Wire.OPENAI_CHAT, connection=narrow, fields=read_chat_request(body))
    after = json.loads(splice(body, edits))
    assert after["provider"] == {
        "only": ["anthropic", "google-vertex/us"],
        "max_price": {"prompt": 3.00, "completion": 15},
    }
    assert PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=narrow).url.startswith("https://openrouter.ai/api/v1/")


def test_without_options_nothing_is_written() -> None:
    fields = read_chat_request(b'{"model":"m","messages":[],"stream":true,"max_tokens":7}')
    assert PROVIDER.body_edits(wire=Wire.OPENAI_CHAT, connection=connection(), fields=fields) == {}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"order": "anthropic"}, "unknown option 'order': use only, max_input_price, max_output_price"),
        ({"only": ""}, "must be vendors' slugs between commas"),
        ({"only": "Anthropic, Google"}, "must be vendors' slugs between commas"),
        ({"max_input_price": "1e3"}, "must be USD per million tokens"),
        ({"max_output_price": "3.00}"}, "must be USD per million tokens"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=connection(**options))


def test_a_client_cannot_choose_among_vendors() -> None:
    for field in ("provider", "models", "route", "preset", "fallbacks"):
        with pytest.raises(RequestInvalid, match=f"{field!r} would let the vendor choose"):
            read_chat_request(json.dumps({"model": "m", "messages": [], field: ["x"]}).encode())
