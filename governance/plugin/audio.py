"""How long audio can last at most, where its bytes prove that.

A length that stands in a file's head is a claim: ten bytes of a compressed format can stand for an hour of silence.
Only uncompressed samples are proof, since each second of them takes its bytes: WAV with PCM (Microsoft's "Multiple
Channel Audio Data and WAVE Files"), whose chunks are walked from the first to the last.
"""

import struct
from typing import Final

_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE
_PCM_FORMAT: Final = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""The GUID of PCM, where the format is spelt at length."""
_SAMPLE_BITS: Final = frozenset({8, 16, 24, 32})
_MAX_CHUNKS: Final = 64


def longest_seconds(audio: memoryview) -> int | None:
    """Return the seconds that this audio lasts at most, begun ones counted whole; None where nothing proves it."""
    if bytes(audio[:4]) != b"RIFF" or bytes(audio[8:12]) != b"WAVE":
        return None
    position = 12
    bytes_per_second: int | None = None
    for _ in range(_MAX_CHUNKS):
        if position == len(audio):
            break
        if position + 8 > len(audio):
            return None
        kind, size = bytes(audio[position : position + 4]), int.from_bytes(audio[position + 4 : position + 8], "little")
        begins = position + 8
        if kind == b"fmt ":
            if bytes_per_second is not None:
                return None
            bytes_per_second = _rate(audio[begins : begins + size])
            if bytes_per_second is None:
                return None
        elif kind == b"data" and bytes_per_second is None:
            return None
        if kind == b"data" and begins + size >= len(audio):
            # Writers that stream do not know the size beforehand: the rest of the file is samples.
            break
        position = begins + size + size % 2
    else:
        return None
    # Every byte of the file counts as a sample: what is none makes the bound larger.
    return None if bytes_per_second is None else -(-len(audio) // bytes_per_second)


def _rate(form: memoryview) -> int | None:
    """Return the bytes of a second of samples, where all that says so agrees."""
    if len(form) < 16:
        return None
    kind, channels, rate, per_second, block, bits = struct.unpack("<HHIIHH", form[:16])
    if kind == _EXTENSIBLE and (len(form) < 40 or bytes(form[24:40]) != _PCM_FORMAT):
        return None
    if kind not in (_PCM, _EXTENSIBLE) or bits not in _SAMPLE_BITS or not 1 <= channels <= 8:
        return None
    is_consistent = block == channels * bits // 8 and per_second == rate * block
    return int(per_second) if is_consistent and rate > 0 else None
