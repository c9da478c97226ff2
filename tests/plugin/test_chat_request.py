"""What governs a chat request's cost is read strictly; what is doubtful is refused with a sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.plugin import RequestInvalid
from governance.plugin.openai_chat import Members, read_chat_request
from governance.plugin.openai_chat._request import _all_fields, _plain_fields

USER = {"role": "user", "content": "Hello"}


def request(**fields: Any) -> bytes:
    return json.dumps({"model": "sandbox-1", "messages": [USER], **fields}).encode()


def test_a_plain_request_reads_as_what_it_says() -> None:
    body = request(stream=True, temperature=0.5, user="me")
    fields = read_chat_request(body)
    assert (fields.model, fields.stream, fields.messages, fields.choices) == ("sandbox-1", True, 1, 1)
    assert fields.body_bytes == len(body)
    assert fields.max_output_tokens is None
    assert fields.maximum_fields == fields.paid_tools == fields.modalities == ()


def test_the_smallest_of_both_maxima_counts() -> None:
    fields = read_chat_request(request(max_tokens=500, max_completion_tokens=20))
    assert fields.max_output_tokens == 20
    assert set(fields.maximum_fields) == {"max_tokens", "max_completion_tokens"}


def test_null_is_the_same_as_absent() -> None:
    fields = read_chat_request(request(max_tokens=None, n=None, stream=None, tools=None, stream_options=None))
    assert (fields.max_output_tokens, fields.choices, fields.stream, fields.maximum_fields) == (None, 1, False, ())


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "n", "best_of"])
@pytest.mark.parametrize(
    "value", ["0", "-1", "1.5", "1.0", "1e3", '"5"', "true", "[]", "{}", "99999999999", "9" * 400, "1e999"]
)
def test_a_doubtful_number_is_refused_and_named(field: str, value: str) -> None:
    body = request()[:-1] + f', "{field}": {value}}}'.encode()
    with pytest.raises(RequestInvalid, match="must be a whole number from 1 to") as caught:
        read_chat_request(body)
    assert caught.value.field == field


@pytest.mark.parametrize("value", ["NaN", "Infinity", "01", "+1", "0x10", "1_000"])
def test_a_number_that_is_not_json_is_refused(value: str) -> None:
    with pytest.raises(RequestInvalid, match="not JSON"):
        read_chat_request(request()[:-1] + f', "max_tokens": {value}}}'.encode())


def test_the_larger_of_n_and_best_of_multiplies() -> None:
    assert read_chat_request(request(n=3, best_of=5)).choices == 5


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": "m" * 300}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [5]}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": 5}]}]}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options"),
        ({"service_tier": 1}, "service_tier"),
        ({"modalities": "audio"}, "modalities"),
        ({"tools": {}}, "tools"),
        ({"models": ["gpt-6-astra"]}, "models"),
    ],
)
def test_a_wrong_type_is_refused_and_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        read_chat_request(request(**fields))
    assert caught.value.field == field
    assert str(caught.value).endswith(".")


def test_a_request_without_messages_or_model_says_what_to_set() -> None:
    with pytest.raises(RequestInvalid, match="set the field 'messages'"):
        read_chat_request(b'{"model":"a"}')
    with pytest.raises(RequestInvalid, match="set the field 'model'"):
        read_chat_request(b'{"messages":[]}')


def test_media_are_counted_by_reference_and_by_value() -> None:
    parts = [
        {"type": "text", "text": "What is this? http://example.test"},
        {"type": "image_url", "image_url": {"url": "https://example.test/cat.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "hologram"},
    ]
    fields = read_chat_request(request(messages=[USER, {"role": "user", "content": parts}]))
    assert (fields.remote_media, fields.inline_media, fields.messages) == (2, 3, 2)


def test_an_image_cannot_hide_behind_an_escaped_field_name() -> None:
    part = '{"type":"image_url","image_url":{"url":"https://example.test/cat.png"}}'
    body = '{"model":"a","messages":[{"role":"user","c\\u006fntent":[' + part + "]}]}"
    assert read_chat_request(body.encode()).remote_media == 1


def test_earlier_audio_by_reference_counts_as_media() -> None:
    fields = read_chat_request(request(messages=[{"role": "assistant", "audio": {"id": "audio_1"}}]))
    assert fields.remote_media == 1


@pytest.mark.parametrize(
    ("fields", "paid"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom"}]}, ()),
        ({"tools": [{"type": "web_search_preview"}]}, ("web_search",)),
        ({"tools": [{"type": "code_interpreter"}, {"type": "function"}]}, ("code_interpreter",)),
        ({"web_search_options": {"search_context_size": "high"}}, ("web_search",)),
        ({"search_parameters": {"mode": "auto"}}, ("web_search",)),
        ({"enable_search": True}, ("web_search",)),
        ({"enable_search": False}, ()),
        ({"plugins": [{"id": "web"}]}, ("plugins",)),
        ({"prediction": {"type": "content", "content": "x"}}, ("prediction",)),
    ],
)
def test_paid_features_are_named_and_functions_are_free(fields: dict[str, Any], paid: tuple[str, ...]) -> None:
    assert read_chat_request(request(**fields)).paid_tools == paid


def test_the_wish_for_usage_and_the_options_beside_it_are_kept() -> None:
    fields = read_chat_request(request(stream=True, stream_options={"include_usage": True, "x": 1}))
    assert fields.client_wants_usage
    assert json.loads(fields.stream_options or b"") == {"include_usage": True, "x": 1}
    assert not read_chat_request(request(stream_options={"include_usage": False})).client_wants_usage


def test_modalities_tier_and_schema_sizes_are_read() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    fields = read_chat_request(request(modalities=["text", "audio"], service_tier="flex", tools=tools))
    assert fields.modalities == ("text", "audio")
    assert fields.service_tier == "flex"
    assert fields.schema_bytes == len(json.dumps(tools))


@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_garbage_raises_nothing_but_a_typed_refusal(body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        read_chat_request(body)


PLAIN = st.fixed_dictionaries(
    {"model": st.sampled_from(["m", "", "é", "m" * 256, "m" * 257]), "messages": st.lists(st.just(USER), max_size=3)},
    optional={
        "max_tokens": st.sampled_from([None, 0, 1, 7, 2**31 - 1, 2**31]),
        "max_completion_tokens": st.sampled_from([None, 1, 9, -1]),
        "n": st.sampled_from([None, 1, 128, 129]),
        "best_of": st.sampled_from([None, 2]),
        "stream": st.sampled_from([None, True, False, 1]),
        "stream_options": st.sampled_from([None, {}, {"include_usage": True}, {"include_usage": None}]),
        "service_tier": st.sampled_from([None, "flex"]),
        "tools": st.sampled_from([None, [], [{"type": "function"}]]),
        "plugins": st.sampled_from([None, [], [{"id": "web"}]]),
        "models": st.sampled_from([None, []]),
        "temperature": st.floats(allow_nan=False, allow_infinity=False),
    },
)


@given(fields=PLAIN)
def test_the_quick_reading_of_a_usual_request_is_the_reading_field_by_field(fields: dict[str, Any]) -> None:
    members = Members(json.dumps(fields, ensure_ascii=False).encode())
    if (quick := _plain_fields(members)) is not None:
        assert quick == _all_fields(members)
    else:
        assert set(fields) & {"service_tier", "tools", "plugins", "models", "best_of"} or not _is_plain(fields)


def _is_plain(fields: dict[str, Any]) -> bool:
    """Whether a request of these few fields is in bounds."""
    caps = [fields[name] for name in ("max_tokens", "max_completion_tokens") if fields.get(name) is not None]
    in_bounds = all(1 <= cap < 2**31 for cap in caps) and (fields.get("n") or 1) <= 128
    return in_bounds and 0 < len(fields["model"]) <= 256 and isinstance(fields.get("stream"), bool | None)
