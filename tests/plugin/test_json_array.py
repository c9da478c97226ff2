"""A growing JSON array is cut the same way however the network cuts it, and no byte is changed."""

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.plugin.json_array import ArraySplitter
from governance.plugin.sse import ServerSentEvent

PIECES = [
    b"[",
    b"]",
    b",\r\n",
    b"{",
    b"}",
    b'"',
    b"\\",
    b'\\"',
    b'"a": 1',
    b'{"text": "a } in a \\" string {"}',
    b"\n",
    b"\xc3\xa9",
    b"",
]
streams = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
elements = st.lists(st.dictionaries(st.text(max_size=4), values, max_size=4), max_size=5)


def events_of(stream: bytes, cuts: list[int], *, max_event_bytes: int = 1000) -> list[ServerSentEvent]:
    splitter = ArraySplitter(max_event_bytes=max_event_bytes)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = [event for start, end in pairwise(edges) for event in splitter.feed(stream[start:end])]
    return events + splitter.close()


@given(stream=streams, cuts=st.lists(st.integers(0, 10_000), max_size=40))
@settings(max_examples=250)
def test_any_chunking_gives_the_same_events_and_every_byte(stream: bytes, cuts: list[int]) -> None:
    whole = events_of(stream, [])
    assert events_of(stream, cuts) == whole
    assert b"".join(event.raw for event in whole) == stream


@given(found=elements, cuts=st.lists(st.integers(0, 10_000), max_size=40), indent=st.sampled_from([None, 2]))
@settings(max_examples=300)
def test_every_element_is_an_event(found: list[dict[str, object]], cuts: list[int], indent: int | None) -> None:
    stream = b"[" + b"\n,\r\n".join(json.dumps(each, indent=indent).encode() for each in found) + b"\n]"
    data = [event.data for event in events_of(stream, cuts, max_event_bytes=1_000_000) if event.data]
    assert [json.loads(each) for each in data] == found


@given(stream=streams, cuts=st.lists(st.integers(0, 10_000), max_size=40))
@settings(max_examples=300)
def test_elements_over_the_limit_are_relayed_without_being_read(stream: bytes, cuts: list[int]) -> None:
    events = events_of(stream, cuts, max_event_bytes=12)
    assert b"".join(event.raw for event in events) == stream
    assert all(len(event.data) <= 12 for event in events if event.data)


def test_little_is_held_of_an_endless_element() -> None:
    splitter = ArraySplitter(max_event_bytes=100)
    piece = b'{"text": "' + b"x" * 90
    relayed = sum(len(event.raw) for _ in range(1000) for event in splitter.feed(piece))
    assert relayed >= 1000 * len(piece) - 200


def test_an_element_after_an_oversized_one_is_read_again() -> None:
    splitter = ArraySplitter(max_event_bytes=20)
    events = splitter.feed(b'[{"text": "' + b"x" * 50) + splitter.feed(b'"},\r\n{"a": 1}') + splitter.feed(b"\n]")
    assert [event.data for event in events] == [None, None, b'{"a": 1}']
    assert splitter.close() == [ServerSentEvent(b"\n]", b"")]


def test_white_space_without_end_is_let_go() -> None:
    splitter = ArraySplitter(max_event_bytes=100)
    assert sum(len(event.raw) for _ in range(50) for event in splitter.feed(b" " * 90)) >= 4400
