"""Cuts a binary event stream of AWS into frames (`application/vnd.amazon.eventstream`).

A frame is its length and that of its headers (4 bytes each, big-endian), a CRC-32 of those 8 bytes, headers, payload,
and a CRC-32 of all before it. A header is a name and a value, each with its length or type before it. Source:
docs.aws.amazon.com, "Event stream encoding" (Amazon Transcribe, Lex), and recorded frames of ConverseStream.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from governance.plugin import StreamBroken

_PRELUDE: Final = struct.Struct(">III")
_CHECKSUM: Final = struct.Struct(">I")
_SHORTEST: Final = _PRELUDE.size + _CHECKSUM.size
_LONGEST: Final = 24 * 1024 * 1024
"""AWS allows a payload of 24 MB at most; a longer one is damage, or an attack on the memory."""
_TEXT: Final = 7
_BYTES: Final = 6
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""The sizes of values of the other types: booleans, integers, a timestamp, a UUID. None of them is needed."""


class Frame(NamedTuple):
    """One frame: its text headers by name (`:event-type` and the like), and its payload."""

    headers: Mapping[str, str]
    payload: bytes


class FrameReader:
    """Feed it chunks as they arrive, cut anywhere; it returns the frames that are complete.

    What cannot be a frame, or is not what it was when it was sent, ends it: the frames before it are returned, and the
    next call raises StreamBroken.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._broken = ""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames this chunk completes, in order. Raises StreamBroken."""
        if self._broken:
            raise StreamBroken(self._broken)
        self._held += chunk
        frames: list[Frame] = []
        try:
            while (frame := self._next()) is not None:
                frames.append(frame)
        except StreamBroken as broken:
            if not frames:
                raise
            self._broken = str(broken)
        return frames

    def close(self) -> None:
        """The stream has ended. Raises StreamBroken where it ended within a frame, or was broken before."""
        if self._broken or self._held:
            raise StreamBroken(self._broken or "The vendor's stream ended within a frame.")

    def _next(self) -> Frame | None:
        held = self._held
        if len(held) < _PRELUDE.size:
            return None
        length, headers_length, checksum = _PRELUDE.unpack_from(held)
        if zlib.crc32(held[:8]) != checksum:
            raise StreamBroken("A frame of the vendor's stream has a beginning that does not fit its checksum.")
        if not _SHORTEST + headers_length <= length <= _LONGEST:
            raise StreamBroken(f"A frame of the vendor's stream says that it is {length} bytes long.")
        if len(held) < length:
            return None
        whole = bytes(held[:length])
        del held[:length]
        (checksum,) = _CHECKSUM.unpack_from(whole, length - _CHECKSUM.size)
        if zlib.crc32(whole[: -_CHECKSUM.size]) != checksum:
            raise StreamBroken("A frame of the vendor's stream does not fit its checksum.")
        payload_at = _PRELUDE.size + headers_length
        return Frame(_headers(whole[_PRELUDE.size : payload_at]), whole[payload_at : -_CHECKSUM.size])


def _headers(raw: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(raw):
            name_end = at + 1 + raw[at]
            name, kind = raw[at + 1 : name_end].decode(), raw[name_end]
            at = name_end + 1
            if kind in (_TEXT, _BYTES):
                (size,) = struct.unpack_from(">H", raw, at)
                at += 2
                if kind == _TEXT:
                    headers[name] = raw[at : at + size].decode()
            else:
                size = _FIXED[kind]
            at += size
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise StreamBroken("A frame of the vendor's stream has headers that cannot be read.") from error
    if at != len(raw):
        raise StreamBroken("A frame of the vendor's stream has headers that end beyond it.")
    return headers
