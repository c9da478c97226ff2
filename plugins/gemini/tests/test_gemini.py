"""The provider of Google's Gemini API conforms, and reads real replies into exact token classes."""

import pytest
from bursar_plugin_gemini import Gemini

from governance.plugin import ConnectionSettings, GoverningFields, RequestUnbounded, Wire
from governance.plugin.gemini import read_generate_request
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

PROVIDER = Gemini()
BASE = "https://api.example.test/v1beta"
CONTENTS = b'"contents":[{"parts":[{"text":"Hi"}]}]'


def connection(base_url: str = BASE) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="google", base_url=base_url, credential="a-key")


def read(extra: bytes) -> GoverningFields:
    return read_generate_request(b"{" + CONTENTS + b"," + extra + b"}", model="m", stream=False)


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("options", [{}, {"image_tokens": "2240"}])
def test_the_provider_conforms(check: ProviderCheck, options: dict[str, str]) -> None:
    check(Subject(provider=PROVIDER, base_url=BASE, options=options))


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("https://api.example.test", "https://api.example.test/v1beta"),
        ("https://api.example.test/v1", "https://api.example.test/v1"),
        ("https://api.example.test/v1beta/", "https://api.example.test/v1beta"),
    ],
)
def test_model_and_method_stand_in_the_address_and_the_key_in_a_header(base_url: str, root: str) -> None:
    upstreams = {wire: PROVIDER.upstream(wire=wire, connection=connection(base_url)) for wire in PROVIDER.wires}
    generate = upstreams[Wire.GEMINI_GENERATE]
    assert generate.url == f"{root}/models/{{model}}:generateContent"
    assert generate.stream_url == f"{root}/models/{{model}}:streamGenerateContent"
    assert upstreams[Wire.GEMINI_COUNT_TOKENS].url == f"{root}/models/{{model}}:countTokens"
    assert upstreams[Wire.GEMINI_EMBED].url == f"{root}/models/{{model}}:embedContent"
    assert upstreams[Wire.GEMINI_BATCH_EMBED].url == f"{root}/models/{{model}}:batchEmbedContents"
    assert dict(generate.headers)["x-goog-api-key"] == "a-key"


@pytest.mark.parametrize(
    ("asked", "billable"),
    [
        (b'"serviceTier":"standard"', ()),
        (b'"service_tier":"FLEX"', ("flex", "standard")),
        (b'"serviceTier":"priority"', ("priority", "standard")),
        (b'"serviceTier":null', ()),
    ],
)
def test_a_tier_is_bounded_by_all_that_it_may_be_billed_at(asked: bytes, billable: tuple[str, ...]) -> None:
    bound = PROVIDER.bound(wire=Wire.GEMINI_GENERATE, connection=connection(), fields=read(asked))
    assert bound.service_tiers == billable


def test_a_model_may_draw_unless_the_request_wants_text() -> None:
    text = read(b'"generationConfig":{"responseModalities":["TEXT"]}')
    for fields, may_draw in ((text, False), (read(b'"generationConfig":{}'), True)):
        bound = PROVIDER.bound(wire=Wire.GEMINI_GENERATE, connection=connection(), fields=fields)
        assert (bound.may_output_media, bound.has_media) == (may_draw, False)


@pytest.mark.parametrize(
    "extra",
    [
        b'"serviceTier":"ultra"',
        b'"tools":[{"google_search":{}}]',
        b'"tools":{"codeExecution":{}}',
        b'"tools":[{"functionDeclarations":[]},{"urlContext":{}}]',
        b'"generationConfig":{"responseModalities":["TEXT","IMAGE"]}',
        b'"generationConfig":{"response_modalities":["AUDIO"]}',
        b'"generationConfig":{"responseFormat":[{"image":{}}]}',
        b'"systemInstruction":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}',
        b'"system_instruction":{"parts":{"file_data":{"fileUri":"https://example.test/film"}}}',
    ],
)
def test_what_has_no_bound_is_refused_with_a_sentence(extra: bytes) -> None:
    with pytest.raises(RequestUnbounded, match=r"Google Gemini.*(: send text|: remove).*\.$"):
        PROVIDER.bound(wire=Wire.GEMINI_GENERATE, connection=connection(), fields=read(extra))
