"""What media can count as at most: by the catalogue's bounds, and by bytes that prove how long audio lasts."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.plugin.audio import longest_seconds
from governance.plugin.media import bound_for, is_bound_name

BOUNDS = {"a": 9, "a.big": 7, "a.high": 5, "a.big.high": 6, "a.small": 1}
EXTENSIBLE = b"\x16\x00\x10\x00\x04\x00\x00\x00" + b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


def chunk(kind: bytes, content: bytes, *, size: int | None = None) -> bytes:
    return kind + struct.pack("<I", len(content) if size is None else size) + content + bytes(len(content) % 2)


def pcm(*, kind: int = 1, channels: int = 1, rate: int = 100, bits: int = 16, per_second: int = 0) -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, per_second or rate * block, block, bits))


def wave(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize(
    ("asked", "bound"),
    [
        ((), 9),
        (("", ""), 9),
        (("big", "high"), 6),
        (("big", ""), 7),
        (("", "high"), 5),
        (("small", "high"), 5),
        (("none", "none"), 9),
    ],
)
def test_the_bound_that_fits_best_is_taken(asked: tuple[str, ...], bound: int) -> None:
    assert bound_for(BOUNDS, "a", *asked) == bound
    assert bound_for({}, "a", *asked) is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("image_input_tokens", True),
        ("image_output_tokens.1024x1024.high", True),
        ("image_output_tokens.", False),
        ("image_output_tokens.a.b.c", False),
        ("image_output_tokens.A", False),
        ("images", False),
    ],
)
def test_a_bound_has_a_name_that_somebody_asks_for(name: str, is_one: bool) -> None:
    assert is_bound_name(name) is is_one


@given(seconds=st.integers(0, 30), rate=st.integers(1, 500), extra=st.binary(max_size=9))
def test_no_wave_lasts_longer_than_its_bytes(seconds: int, rate: int, extra: bytes) -> None:
    sound = wave(chunk(b"LIST", extra), pcm(rate=rate), chunk(b"data", bytes(seconds * rate * 2)))
    bound = longest_seconds(memoryview(sound))
    assert bound is not None and seconds <= bound <= seconds + 1 + 80 // rate


@pytest.mark.parametrize(
    ("sound", "is_proof"),
    [
        (wave(pcm(), chunk(b"data", bytes(800), size=0xFFFFFFFF)), True),
        (wave(pcm(channels=2, bits=24), chunk(b"data", bytes(800))), True),
        (
            wave(
                chunk(b"fmt ", struct.pack("<HHIIHH", 0xFFFE, 1, 100, 200, 2, 16) + EXTENSIBLE),
                chunk(b"data", bytes(8)),
            ),
            True,
        ),
        (b"ID3" + bytes(900), False),
        (b"", False),
        (b"RIFF\x04\x00\x00\x00WAVE", False),
        (wave(chunk(b"data", bytes(800)), pcm()), False),
        (wave(pcm(), pcm(rate=1), chunk(b"data", bytes(800))), False),
        (wave(pcm(), chunk(b"data", bytes(8)), pcm(rate=1)), False),
        (wave(pcm(kind=0x55), chunk(b"data", bytes(800))), False),
        (wave(pcm(kind=0xFFFE), chunk(b"data", bytes(800))), False),
        (wave(pcm(per_second=10**6), chunk(b"data", bytes(800))), False),
        (wave(pcm(bits=4), chunk(b"data", bytes(800))), False),
        (wave(pcm(rate=0, per_second=1), chunk(b"data", bytes(800))), False),
        (wave(pcm(), chunk(b"data", bytes(8)), b"junk"), False),
        (wave(*[chunk(b"LIST", b"")] * 64, pcm(), chunk(b"data", bytes(8))), False),
    ],
)
def test_only_uncompressed_samples_prove_a_length(sound: bytes, is_proof: bool) -> None:
    assert (longest_seconds(memoryview(sound)) is not None) is is_proof
