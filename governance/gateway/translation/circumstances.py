"""What an answer's wire must say and another vendor's answer may not: told by the gateway, which has the clock."""

from enum import StrEnum

import msgspec

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""How much of a stream is held to be translated: one event of the vendor's, or the arguments of one call."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """`created_at_seconds` is Unix time; `request_id` stands in for an answer's id, `model` for its model's name."""

    created_at_seconds: int
    request_id: str
    model: str


class Framing(StrEnum):
    """How a stream of the Gemini wire is framed, as the client's address asks. Others have one way."""

    EVENTS = "sse"
    ARRAY = "array"


class StreamShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the client asked of its stream beyond the answer."""

    wants_usage: bool
    framing: Framing = Framing.EVENTS
