"""What governs a Gemini request is read under either spelling, and nothing that could cost slips past."""

import json
from typing import Any

import pytest
from msgspec import structs

from governance.plugin import ConnectionInvalid, GoverningFields, RequestInvalid, RequestUnbounded, Wire
from governance.plugin.gemini import (
    GeminiProvider,
    batch_embed_fields,
    count_fields,
    embed_fields,
    generate_fields,
    renamed,
)
from governance.plugin.provider import ConnectionSettings
from governance.plugin.splicing import Members, splice

PROVIDER = GeminiProvider(name="tiny", title="Tiny", default_base_url="https://api.example.test")
CONNECTION = ConnectionSettings(id=1, name="tiny", base_url="https://api.example.test", credential="k")
CONTENTS = [{"role": "user", "parts": [{"text": "Hi"}]}]


def read(text: str) -> GoverningFields:
    return generate_fields(Members(text.encode()), model="flash", stream=False)


def request(**fields: Any) -> str:
    return json.dumps({"contents": CONTENTS, **fields})


def refusal(text: str) -> RequestInvalid:
    with pytest.raises(RequestInvalid, match=r"\.$") as refused:
        read(text)
    return refused.value


def test_a_plain_request_is_read() -> None:
    fields = read(request(systemInstruction={"parts": [{"text": "Be brief."}]}, generationConfig={"candidateCount": 2}))
    assert (fields.model, fields.messages, fields.choices, fields.stream) == ("flash", 2, 2, False)
    assert (fields.max_output_tokens, fields.maximum_fields) == (None, ())


@pytest.mark.parametrize("config", ["generationConfig", "generation_config"])
@pytest.mark.parametrize("maximum", ["maxOutputTokens", "max_output_tokens"])
def test_a_cap_counts_under_either_spelling_and_is_lowered_where_it_stands(config: str, maximum: str) -> None:
    text = request(**{config: {"temperature": 0.5, maximum: 900, "topK": 4}})
    fields = read(text)
    assert (fields.max_output_tokens, fields.maximum_fields) == (900, (maximum,))
    edits = PROVIDER.maximum_edits(wire=Wire.GEMINI_GENERATE, connection=CONNECTION, fields=fields, maximum=20)
    assert splice(text.encode(), edits).decode() == text.replace("900", "20")


@pytest.mark.parametrize(
    ("config", "lowered"),
    [
        ({}, {"generationConfig": {"maxOutputTokens": 20}}),
        ({"generationConfig": None}, {"generationConfig": {"maxOutputTokens": 20}}),
        ({"generation_config": {}}, {"generation_config": {"maxOutputTokens": 20}}),
        ({"generationConfig": {"max_output_tokens": None}}, {"generationConfig": {"max_output_tokens": 20}}),
    ],
)
def test_a_maximum_is_written_where_there_was_none(config: dict[str, Any], lowered: dict[str, Any]) -> None:
    text = request(**config)
    edits = PROVIDER.maximum_edits(wire=Wire.GEMINI_GENERATE, connection=CONNECTION, fields=read(text), maximum=20)
    assert json.loads(splice(text.encode(), edits)) == {"contents": CONTENTS, **lowered}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"contents":[],"generationConfig":{},"generation_config":{"maxOutputTokens":9}}', "stands twice"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}', "stands twice"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":9}}', "stands twice"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":1,"max\\u004futputTokens":9}}', "stands twice"),
        ('{"contents":[],"generationConfig":{"MaxOutputTokens":9}}', "spell it 'maxOutputTokens'"),
        ('{"contents":[],"generationConfig":{"max_outputTokens":9}}', "spell it 'maxOutputTokens'"),
        ('{"contents":[],"generationconfig":{"maxOutputTokens":9}}', "spell it 'generationConfig'"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":"9"}}', "must be a whole number"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":0}}', "must be a whole number"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":1.5}}', "must be a whole number"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":true}}', "must be a whole number"),
        ('{"contents":[],"generationConfig":{"maxOutputTokens":99999999999}}', "must be a whole number"),
        ('{"contents":[],"generationConfig":{"candidateCount":-1}}', "must be a whole number"),
        ('{"contents":[],"generationConfig":{"candidateCount":1000}}', "must be a whole number"),
        ('{"contents":[],"generationConfig":{"responseModalities":[2]}}', "must be an array of strings"),
        ('{"contents":[],"generationConfig":7}', "must be a JSON object"),
    ],
)
def test_doubtful_caps_are_refused(text: str, sentence: str) -> None:
    assert sentence in str(refusal(text))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cachedContent": "cachedContents/1"}, "cachedContent"),
        ({"cached_content": "cachedContents/1"}, "cached_content"),
        ({"continuationToken": "AA=="}, "continuationToken"),
        ({"generationConfig": {"modelSelectionConfig": {"featureSelectionPreference": 1}}}, "generationConfig"),
        ({"generation_config": {"routing_config": {"autoMode": {}}}}, "generation_config"),
        ({"newPaidFeature": {}}, "newPaidFeature"),
        ({"generationConfig": {"newPaidFeature": 1}}, "generationConfig"),
        ({"tools": [{"newPaidTool": {}}]}, "tools"),
        ({"contents": [{"parts": [{"newKindOfMedia": {}}]}]}, "contents"),
        ({"contents": [{"parts": [{"text": {"a": 1}}]}]}, "contents"),
        ({"contents": "Hi"}, "contents"),
        ({"contents": [{"parts": "Hi"}]}, "contents"),
        ({"model": "models/pro"}, "model"),
        ({"serviceTier": 2}, "serviceTier"),
    ],
)
def test_what_would_cost_unseen_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    assert refusal(request(**fields)).field == field


@pytest.mark.parametrize("text", ["{}", '{"contents":[{"parts":[{"text":"a","text":"b"}]}]}', "[]", '{"contents":'])
def test_a_body_that_is_no_request_is_refused(text: str) -> None:
    refusal(text)


def test_a_body_nested_too_deeply_is_refused() -> None:
    deep = '{"args":' * 5_000 + "1" + "}" * 5_000
    refusal('{"contents":[{"parts":[{"functionCall":' + deep + "}]}]}")


def test_stored_context_that_is_switched_off_passes() -> None:
    assert read(request(cachedContent="", generationConfig={"routingConfig": None})).model == "flash"


def test_single_messages_count_as_arrays_of_one() -> None:
    fields = read('{"contents":{"parts":{"text":"Hi"}},"tools":{"google_search":{}}}')
    assert (fields.messages, fields.paid_tools) == (1, ("googleSearch",))


def test_the_words_of_functions_are_the_clients_own() -> None:
    part = {"functionCall": {"name": "f", "args": {"max_output_tokens": 1, "maxOutputTokens": 2}}}
    answer = {"function_response": {"name": "f", "response": {"inlineData": "not media"}}}
    tools = [{"functionDeclarations": [{"name": "f", "parameters": {"properties": {"aB": {}, "a_b": {}}}}]}]
    fields = read(request(contents=[{"parts": [part]}, {"parts": [answer]}], tools=tools))
    assert (fields.paid_tools, fields.inline_media, fields.messages) == ((), 0, 2)
    assert fields.schema_bytes == len(json.dumps(tools))


IMAGE = {"inlineData": {"mimeType": "image/png", "data": "A" * 4000}}


@pytest.mark.parametrize(
    ("part", "images"),
    [
        (IMAGE, 1),
        ({"inline_data": {"mime_type": "image/webp", "data": "AA=="}, "media_resolution": {"level": "HIGH"}}, 1),
        ({"functionResponse": {"name": "f", "parts": [IMAGE, IMAGE]}}, 2),
        ({"inlineData": {"mimeType": "application/pdf", "data": "AA=="}}, 0),
        ({"inlineData": {"data": "AA=="}}, 0),
    ],
)
def test_images_are_told_from_other_media(part: dict[str, Any], images: int) -> None:
    assert read(request(contents=[{"parts": [part]}])).images == images


def test_an_image_is_held_for_by_what_the_connection_says_and_not_by_its_bytes() -> None:
    told = structs.replace(CONNECTION, options={"image_tokens": "2240"})
    plain, seen = read(request()), read(request(contents=[*CONTENTS, {"parts": [IMAGE, IMAGE]}]))
    without, with_images = (
        PROVIDER.bound(wire=Wire.GEMINI_GENERATE, connection=told, fields=fields) for fields in (plain, seen)
    )
    added = with_images.input_tokens - without.input_tokens
    assert 2 * 2240 < added < 2 * 2240 + 300 and with_images.has_media and not without.has_media
    for connection, part in ((CONNECTION, IMAGE), (told, {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}})):
        with pytest.raises(RequestUnbounded, match="no known bound"):
            fields = read(request(contents=[{"parts": [part, part]}]))
            PROVIDER.bound(wire=Wire.GEMINI_GENERATE, connection=connection, fields=fields)


def test_a_number_of_tokens_for_an_image_is_refused() -> None:
    part = {**IMAGE, "mediaResolution": {"numTokens": 90_000}}
    assert "numTokens" in str(refusal(request(contents=[{"parts": [part]}])))


@pytest.mark.parametrize(
    "options", [{"image_tokens": "0"}, {"image_tokens": "-1"}, {"image_tokens": "x"}, {"other": "1"}]
)
def test_an_option_that_means_nothing_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConnectionInvalid, match="image_tokens"):
        PROVIDER.upstream(wire=Wire.GEMINI_GENERATE, connection=structs.replace(CONNECTION, options=options))


@pytest.mark.parametrize(
    ("part", "inline", "remote"),
    [
        ({"inlineData": {"mimeType": "image/png", "data": "AA=="}}, 1, 0),
        ({"inline_data": {"mime_type": "image/png", "data": "AA=="}}, 1, 0),
        ({"fileData": {"fileUri": "files/1"}}, 0, 1),
        ({"functionResponse": {"name": "f", "parts": [{"inlineData": {}}, {"file_data": {}}]}}, 1, 1),
        ({"text": "Hi", "inlineData": None}, 0, 0),
    ],
)
def test_media_are_counted_wherever_they_stand(part: dict[str, Any], inline: int, remote: int) -> None:
    fields = read(request(contents=[{"parts": [part]}]))
    assert (fields.inline_media, fields.remote_media) == (inline, remote)


def test_the_vendors_name_takes_the_alias_place_wherever_a_body_repeats_it() -> None:
    one = b'{"model": "models/flash", "content": {"parts": [{"text": "Hi"}]}}'
    fields = embed_fields(Members(one), model="flash")
    assert splice(one, renamed(fields, "g-1")) == one.replace(b"models/flash", b"models/g-1")
    batch = b'{"requests": [%s,%s]}' % (one, one.replace(b'"model": "models/flash", ', b""))
    fields = batch_embed_fields(Members(batch), model="flash")
    assert json.loads(splice(batch, renamed(fields, "g-1"))) == json.loads(
        batch.replace(b"models/flash", b"models/g-1")
    )
    counted = b'{"generateContentRequest": {"model": "models/flash", "contents": []}}'
    fields = count_fields(Members(counted), model="flash")
    assert splice(counted, renamed(fields, "g-1")) == counted.replace(b"models/flash", b"models/g-1")
    plain = b'{"contents": [{"parts": [{"text": "the model \\"model\\""}]}]}'
    assert renamed(generate_fields(Members(plain), model="flash", stream=False), "g-1") == {}


@pytest.mark.parametrize(
    "body",
    [
        b'{"requests":[{"model":"models/pro","content":{"parts":[{"text":"Hi"}]}}]}',
        b'{"requests":[{"content":{"parts":[{"text":"Hi"}]},"newPaidFeature":1}]}',
        b'{"requests":[{"model":"models/flash"}]}',
        b'{"requests":[]}',
        b'{"requests":{}}',
        b'{"requests":[7]}',
        b"{}",
        b'{"requests":[' + b",".join([b'{"content":{"parts":[]}}'] * 1001) + b"]}",
    ],
)
def test_a_doubtful_batch_is_refused(body: bytes) -> None:
    with pytest.raises(RequestInvalid, match=r"\.$"):
        batch_embed_fields(Members(body), model="flash")


def test_only_the_texts_of_embeddings_are_bounded() -> None:
    body = '{"content": {"parts": [{"text": "Grüße"}, {"text": "!"}]}, "taskType": "RETRIEVAL_QUERY"}'.encode()
    fields = embed_fields(Members(body), model="flash")
    assert (fields.text_bytes, fields.max_output_tokens, fields.messages) == (8, 0, 1)
    bound = PROVIDER.bound(wire=Wire.GEMINI_EMBED, connection=CONNECTION, fields=fields)
    booked = PROVIDER.unreported(wire=Wire.GEMINI_EMBED, connection=CONNECTION, fields=fields)
    assert bound.input_tokens == 24 and booked is not None and booked.input_tokens == 24
    assert PROVIDER.unreported(wire=Wire.GEMINI_GENERATE, connection=CONNECTION, fields=fields) is None


def test_counting_tokens_is_bounded_by_nothing() -> None:
    fields = count_fields(Members(b'{"contents":[{"parts":[{"inlineData":{}}]}]}'), model="flash")
    bound = PROVIDER.bound(wire=Wire.GEMINI_COUNT_TOKENS, connection=CONNECTION, fields=fields)
    assert (bound.input_tokens, fields.max_output_tokens) == (0, 0)
    with pytest.raises(RequestInvalid, match="names the model 'pro'"):
        count_fields(Members(b'{"generateContentRequest":{"model":"pro"}}'), model="flash")
