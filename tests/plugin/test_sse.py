"""Server-sent events are cut the same way however the network cuts them, and no byte is changed."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.plugin.sse import EventSplitter, ServerSentEvent

PIECES = [
    b"data: {}",
    b"data:x",
    b"data",
    b": comment",
    b"event: ping",
    b"data: \xc3\xa9",
    b"id: 1",
    b"dat",
    b"\xef\xbb\xbf",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\r\r",
    b"",
]
streams = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


def events_of(stream: bytes, cuts: list[int], *, max_event_bytes: int = 1000) -> list[ServerSentEvent]:
    splitter = EventSplitter(max_event_bytes=max_event_bytes)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = [event for start, end in pairwise(edges) for event in splitter.feed(stream[start:end])]
    return events + splitter.close()


def data_by_the_standard(stream: bytes) -> list[bytes]:
    """A slow reading of the HTML standard to compare with: the data of every finished event that has any."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))
    finished, data = [], []
    for line in lines[:-1]:
        name, _, value = line.partition(b":")
        if line == b"":
            finished += [b"\n".join(data)] if data else []
            data = []
        elif name == b"data":
            data.append(value.removeprefix(b" "))
    return finished


@given(stream=streams, cuts=st.lists(st.integers(0, 10_000), max_size=40))
@settings(max_examples=250)
def test_any_chunking_gives_the_same_events_and_every_byte(stream: bytes, cuts: list[int]) -> None:
    whole = events_of(stream, [])
    assert events_of(stream, cuts) == whole
    assert b"".join(event.raw for event in whole) == stream


@given(stream=streams)
@settings(max_examples=250)
def test_the_data_is_what_the_standard_says(stream: bytes) -> None:
    ended = stream + b"\n\n"
    assert [event.data for event in events_of(ended, []) if event.data] == [d for d in data_by_the_standard(ended) if d]


@given(stream=streams, cuts=st.lists(st.integers(0, 10_000), max_size=40), limit=st.integers(4, 30))
@settings(max_examples=250)
def test_oversized_events_pass_unread_and_the_others_are_still_read(stream: bytes, cuts: list[int], limit: int) -> None:
    events = events_of(stream, cuts, max_event_bytes=limit)
    assert b"".join(event.raw for event in events) == stream
    small = [event for event in events_of(stream, []) if len(event.raw) <= limit]
    assert [event for event in events if event.data is not None] == small


def test_one_byte_at_a_time_is_the_hardest_chunking() -> None:
    stream = b"\xef\xbb\xbfdata: a\r\n\r\n: hello\n\ndata: b\ndata: c\r\rdata:d\n\n"
    events = events_of(stream, list(range(len(stream))))
    assert [event.data for event in events] == [b"a", b"", b"b\nc", b"d"]


def test_an_event_is_given_as_soon_as_its_empty_line_is_there() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n") == []
    assert splitter.feed(b"\ndata: 2\r\n\r\nda") == [
        ServerSentEvent(b"data: 1\n\n", b"1"),
        ServerSentEvent(b"data: 2\r\n\r\n", b"2"),
    ]


def test_a_line_of_five_megabytes_is_relayed_without_being_kept() -> None:
    splitter = EventSplitter()
    relayed, kept = 0, 0
    for _ in range(80):
        relayed += sum(len(event.raw) for event in splitter.feed(b"x" * 65_536))
        kept = max(kept, 65_536 * (_ + 1) - relayed)
    assert kept <= 128 * 1024
    events = splitter.feed(b"\n\ndata: after\n\n")
    assert events[-1] == ServerSentEvent(b"data: after\n\n", b"after")


@pytest.mark.parametrize("ending", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_an_unfinished_last_event_is_given_on_close(ending: bytes) -> None:
    splitter = EventSplitter()
    splitter.feed(b"data: 1" + ending + b"data: cut")
    assert splitter.close()[-1].raw == b"data: cut"
    assert splitter.close() == []
