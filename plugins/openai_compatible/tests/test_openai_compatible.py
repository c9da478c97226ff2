"""The provider for any server of the OpenAI chat wire conforms, and its options decide what counts mean."""

import json

import pytest
from bursar_plugin_openai_compatible import OpenAICompatible

from governance.plugin import ConnectionInvalid, ConnectionSettings, RequestUnbounded, Wire
from governance.plugin.openai_chat import read_chat_request, splice
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

PROVIDER = OpenAICompatible()
WIRE = Wire.OPENAI_CHAT


def connection(base_url: str = "http://localhost:8000", **options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="local", base_url=base_url, credential="", options=options)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "options", [{}, {"stream_usage": "always", "maximum_field": "max_completion_tokens"}, {"stream_usage": "ask"}]
)
def test_the_provider_conforms(check: ProviderCheck, options: dict[str, str]) -> None:
    check(Subject(provider=PROVIDER, base_url="https://api.example.test/v4", options=options))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/chat/completions"),
        ("http://localhost:8000/", "http://localhost:8000/v1/chat/completions"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"),
        ("https://api.example.test/api/paas/v4/", "https://api.example.test/api/paas/v4/chat/completions"),
    ],
)
def test_bases_with_and_without_a_version_join(base_url: str, url: str) -> None:
    upstream = PROVIDER.upstream(wire=WIRE, connection=connection(base_url))
    assert upstream.url == url
    assert "authorization" not in dict(upstream.headers)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reasoning": "no"}, "unknown option 'reasoning'"),
        ({"output_includes_reasoning": "maybe"}, "must be yes or no"),
        ({"stream_usage": ""}, "must be ask or always"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.upstream(wire=WIRE, connection=connection(**options))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_completion_tokens": 50}, {"max_completion_tokens": 50, "max_tokens": 50}),
        ({"max_tokens": 50}, {"max_tokens": 50}),
        ({"max_tokens": 90, "max_completion_tokens": 50}, {"max_completion_tokens": 50, "max_tokens": 50}),
        ({}, {}),
    ],
)
def test_a_cap_the_server_may_ignore_is_written_where_it_counts(
    given: dict[str, int], expected: dict[str, int]
) -> None:
    body = json.dumps({"model": "m", "messages": [], **given}).encode()
    edits = PROVIDER.body_edits(wire=WIRE, connection=connection(), fields=read_chat_request(body))
    after = json.loads(splice(body, edits))
    assert {name: value for name, value in after.items() if name.startswith("max")} == expected


def test_usage_is_asked_for_in_a_stream_beside_the_clients_own_options() -> None:
    body = b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_obfuscation": false}}'
    edits = PROVIDER.body_edits(wire=WIRE, connection=connection(), fields=read_chat_request(body))
    assert json.loads(splice(body, edits))["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    always = connection(stream_usage="always")
    assert PROVIDER.body_edits(wire=WIRE, connection=always, fields=read_chat_request(body)) == {}


@pytest.mark.parametrize(
    "extra",
    [
        '"service_tier":"priority"',
        '"web_search_options":{}, "tools":[{"type":"web_search"}]',
        '"modalities":["text","audio"]',
        '"prediction":{"type":"content","content":"x"}',
    ],
)
def test_what_has_no_bound_is_refused_with_a_sentence(extra: str) -> None:
    fields = read_chat_request(b'{"model":"m","messages":[],' + extra.encode() + b"}")
    with pytest.raises(RequestUnbounded, match=r"no known (bound|price).*\.$"):
        PROVIDER.bound(wire=WIRE, connection=connection(), fields=fields)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("data:,", "audio or files"),
        ("data:image/png;base64,AAAA", "image_input_tokens"),
        ("https://a.test/b", "images"),
    ],
)
def test_what_is_shown_has_no_known_bound(url: str, told: str) -> None:
    part = b'{"type":"image_url","image_url":{"url":"%s"}}' % url.encode()
    body = b'{"model":"m","messages":[{"role":"user","content":[%s]}]}' % part
    with pytest.raises(RequestUnbounded, match=told):
        PROVIDER.bound(wire=WIRE, connection=connection(), fields=read_chat_request(body))
