"""Results as they come: cut into lines, however they arrive."""

from collections.abc import AsyncIterator

import pytest

from governance.jobs import results
from governance.jobs.results import lines_of


async def arriving(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def lines(*chunks: bytes) -> list[bytes]:
    return [line async for line in lines_of(arriving(*chunks))]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
async def test_lines_are_the_same_however_the_stream_is_cut(size: int) -> None:
    text = b'{"a":1}\r\n\n{"b":2}\n  \n{"c":3}'
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    assert await lines(*chunks) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


async def test_a_line_that_is_too_long_is_passed_over_and_the_next_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LONGEST_LINE_BYTES", 10)
    assert await lines(b"short\n", b"x" * 8, b"x" * 8, b"x", b"yy\nnext\n", b"z" * 11) == [b"short", b"next"]
