"""Identifiers made by the process, sortable by time (RFC 9562, UUID version 7)."""

import os
import uuid


def uuid7(now_milliseconds: int, *, random_bytes: bytes | None = None) -> uuid.UUID:
    """Return a UUID version 7 for this instant (milliseconds since the Unix epoch)."""
    noise = int.from_bytes(random_bytes if random_bytes is not None else os.urandom(10), "big")
    value = (now_milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76
    value |= ((noise >> 62) & 0xFFF) << 64
    value |= 0b10 << 62
    value |= noise & (2**62 - 1)
    return uuid.UUID(int=value)
