"""Splicing sets top-level fields of a JSON body and changes no other byte."""

import json
import string
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from governance.plugin import RequestInvalid
from governance.plugin.splicing import MAX_MEMBERS, splice

names = st.sampled_from(["model", "max_tokens", "messages", 'qu"ote', "\\", "é", "", "stream_options", "n"]) | st.text(
    alphabet=string.printable, max_size=5
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(names, values, max_size=6)
blanks = st.text(alphabet=" \t\r\n", max_size=3)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """A JSON object spelt with arbitrary white space and escapes, and what it means."""
    meaning = draw(objects)
    members = []
    for name, value in meaning.items():
        spelt = json.dumps(name, ensure_ascii=draw(st.booleans()))
        if name == "model" and draw(st.booleans()):
            spelt = '"mod\\u0065l"'
        text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
        members.append(f"{draw(blanks)}{spelt}{draw(blanks)}:{draw(blanks)}{text}{draw(blanks)}")
    body = f"{draw(blanks)}{{{','.join(members) or draw(blanks)}}}{draw(blanks)}"
    return body.encode(), meaning


@given(body=bodies(), edits=objects)
@settings(max_examples=200)
def test_the_spliced_body_means_the_body_with_the_edits(
    body: tuple[bytes, dict[str, Any]], edits: dict[str, Any]
) -> None:
    text, meaning = body
    assert json.loads(splice(text, edits)) == {**meaning, **edits}


@given(before=objects, old=values, after=objects, value=values, space=blanks)
@settings(max_examples=150)
def test_bytes_outside_an_edit_stay_as_they_are(
    before: dict[str, Any], old: object, after: dict[str, Any], value: object, space: str
) -> None:
    def members(side: str, group: dict[str, Any]) -> list[str]:
        return [f"{space}{json.dumps(side + name)}{space}:{space}{json.dumps(item)}" for name, item in group.items()]

    head = "{" + ",".join([*members("before ", before), f'{space}"max_tokens"{space}:{space}'])
    tail = ",".join([space, *members("after ", after)]) + "}" + space
    body = f"{head}{json.dumps(old)}{tail}"
    expected = f"{head}{msgspec.json.encode(value).decode()}{tail}"
    assert splice(body.encode(), {"max_tokens": value}) == expected.encode()


@given(body=bodies())
def test_no_edit_gives_the_same_bytes(body: tuple[bytes, dict[str, Any]]) -> None:
    assert splice(body[0], {}) == body[0]


@pytest.mark.parametrize(
    ("body", "edits", "expected"),
    [
        (b'{"model":"a"}', {"model": "b"}, b'{"model":"b"}'),
        (b'{ "model" : "a" , "n":1 }\n', {"model": "b"}, b'{ "model" : "b" , "n":1 }\n'),
        (b'{"messages":[{"model":"x"}],"model":"a"}', {"model": "b"}, b'{"messages":[{"model":"x"}],"model":"b"}'),
        (b'{"a":1 }', {"max_tokens": 5}, b'{"a":1,"max_tokens":5 }'),
        (b"{ }", {"a": None}, b'{"a":null }'),
        (b'{"a":{}}', {"b": msgspec.Raw(b'{"x": 1.10}')}, b'{"a":{},"b":{"x": 1.10}}'),
        (b'{"t":1.10,"big":12345678901234567890123}', {"n": 1}, b'{"t":1.10,"big":12345678901234567890123,"n":1}'),
        (b'{"b":1,"a":2}', {"a": 20, "b": 10}, b'{"b":10,"a":20}'),
    ],
)
def test_it_replaces_in_place_or_adds_at_the_end(body: bytes, edits: dict[str, Any], expected: bytes) -> None:
    assert splice(body, edits) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"max_tokens":1,"max_tokens":100000}',
        b'{"max_tokens":1,"max\\u005ftokens":100000}',
        b'{"a":12,"b":3,"a":1}',
        b'{"a":{"x":1,"b":2},"a":[[[[[[],"b":2}',
        b'{"a":"x","b":1,"a":"x"}',
    ],
)
def test_a_field_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        splice(body, {"model": "x"})


def test_the_refusal_names_the_field_that_stands_twice() -> None:
    with pytest.raises(RequestInvalid, match="'max_tokens' stands twice") as caught:
        splice(b'{"messages":[],"max_tokens":1,"max_tokens":2}', {"model": "x"})
    assert caught.value.field == "max_tokens"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"{" + b",".join(b'"%d":1' % n for n in range(MAX_MEMBERS + 1)) + b"}", "more than 1000 fields"),
    ],
)
def test_what_is_no_json_object_is_refused_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(RequestInvalid, match=sentence):
        splice(body, {"model": "x"})


@pytest.mark.parametrize(
    ("body", "edits", "expected"),
    [
        (b'{"a":1,"b":2,"c":3}', {"a": UNSET}, b'{"b":2,"c":3}'),
        (b'{"a":1,"b":2,"c":3}', {"b": UNSET}, b'{"a":1,"c":3}'),
        (b'{"a":1,"b":2,"c":3}', {"c": UNSET}, b'{"a":1,"b":2}'),
        (b'{"a":1,"b":2,"c":3}', {"a": UNSET, "b": UNSET}, b'{"c":3}'),
        (b'{"a":1,"b":2,"c":3}', {"b": UNSET, "c": UNSET, "d": 4}, b'{"a":1,"d":4}'),
        (b'{"a":1,"b":2,"c":3}', {"a": UNSET, "c": UNSET, "b": 5}, b'{"b":5}'),
        (b'{"a":1,"b":2}', {"b": UNSET, "a": UNSET}, b"{}"),
        (b'{"a":1,"b":2}', {"a": UNSET, "b": UNSET, "c": 3}, b'{"c":3}'),
        (b'{"a":1}', {"b": UNSET}, b'{"a":1}'),
        (b"{}", {"a": UNSET, "b": 1}, b'{"b":1}'),
        (b' {\n "a" : "x,}" ,\n "b" : [1, 2]\n}\n', {"a": UNSET}, b' {\n "b" : [1, 2]\n}\n'),
        (b' {\n "a" : "x,}" ,\n "b" : [1, 2]\n}\n', {"b": UNSET, "c": 1}, b' {\n "a" : "x,}","c":1\n}\n'),
    ],
)
def test_a_field_is_taken_out_with_one_comma(body: bytes, edits: dict[str, object], expected: bytes) -> None:
    assert splice(body, edits) == expected


@given(body=bodies(), data=st.data(), edits=objects)
@settings(max_examples=150)
def test_what_is_left_is_what_a_dictionary_would_have(
    body: tuple[bytes, dict[str, Any]], data: st.DataObject, edits: dict[str, Any]
) -> None:
    text, meaning = body
    gone = data.draw(st.sets(st.sampled_from([*meaning, "absent"])))
    expected = {name: value for name, value in {**meaning, **edits}.items() if name not in gone}
    assert json.loads(splice(text, {**edits, **dict.fromkeys(gone, UNSET)})) == expected
