"""Texts of a JSON document: found, decoded, and replaced without touching another byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.gateway.texts import Piece, byte_offsets, decoded, is_json, replaced, texts_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    return [text for inner in value for text in strings(inner)] if isinstance(value, list) else []


def whole(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_every_string_that_is_a_value_is_found_and_no_name(value: object, is_ascii: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
    if not is_json(body):
        return
    found = list(texts_of(body))
    assert [decoded(text.raw) for text in found] == [whole(text) for text in strings(value)]
    assert all(body[text.start : text.start + len(text.raw)] == text.raw for text in found)


@given(st.text(), st.booleans(), st.data())
def test_a_replaced_piece_leaves_every_other_byte_as_it_was(text: str, is_ascii: bool, data: st.DataObject) -> None:
    raw = json.dumps(whole(text), ensure_ascii=is_ascii).encode()[1:-1]
    ends = st.integers(0, len(text))
    start, end = sorted((data.draw(ends), data.draw(ends)))
    first, last = byte_offsets(raw, [start, end])
    assert decoded(raw[:first]) == whole(text)[:start]
    assert decoded(raw[last:]) == whole(text)[end:]
    body = b'{ "a":"%s" ,"b": 1e3}' % raw
    at = body.index(b':"') + 2
    masked = replaced(body, [Piece(at + first, at + last, 'a "word"')], is_json=True)
    assert masked == body[: at + first] + b'[a \\"word\\"]' + body[at + last :]
    assert json.loads(masked)["a"] == f'{whole(text)[:start]}[a "word"]{whole(text)[end:]}'


def test_escapes_of_every_kind_are_counted_as_one_character() -> None:
    raw = rb"\u00e9\n\ud83d\ude00\ud83d/\/" + "é😀".encode()
    text = decoded(raw)
    assert text == "é\n😀\ufffd//é😀"
    assert byte_offsets(raw, range(len(text) + 1)) == [0, 6, 8, 20, 26, 27, 29, 31, 35]


def test_overlapping_pieces_are_replaced_by_one_word() -> None:
    pieces = [Piece(4, 8, "second"), Piece(2, 6, "first"), Piece(2, 3, "inner"), Piece(9, 10, "other")]
    assert replaced(b"0123456789", pieces, is_json=False) == b"01[first]8[other]"


def test_what_stands_in_a_span_outside_is_left_out() -> None:
    body = b'{"model":"a","user":"b"}'
    assert [text.raw for text in texts_of(body, outside=[(9, 12)])] == [b"b"]


@pytest.mark.parametrize("body", [b'["\\ud83d"]', b"[1e999]", b"9" * 5000, b'"\\ud83d\\u0041"', b" {} "])
def test_what_some_readers_refuse_is_json_all_the_same(body: bytes) -> None:
    assert is_json(body)


@pytest.mark.parametrize("body", [b"", b"plain text", b'{"a":', b'{"a":"\xff"}', b'{"a":[1,}', b'["\\x"]', b"{'a':1}"])
def test_what_is_no_json_is_told(body: bytes) -> None:
    assert not is_json(body)
