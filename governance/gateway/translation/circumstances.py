"""What an answer's wire must say and another vendor's answer may not: told by the gateway, which has the clock."""

from enum import StrEnum

import msgspec

from governance.gateway.translation.canonical import NOTHING_ASKED, Asked

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""How much of a stream is held to be translated: one event of the vendor's, or the arguments of one call."""
MAX_ANSWER_CHARACTERS = 16 * 1024 * 1024
"""How much of a streamed answer is held for a wire that says all of it again at the end."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """`created_at_seconds` is Unix time; `request_id` stands in for an answer's id, `model` for its model's name.
    `asked` is what the client's request said that its answer must know.
    """

    created_at_seconds: int
    request_id: str
    model: str
    asked: Asked = NOTHING_ASKED


class Framing(StrEnum):
    """How a stream of the Gemini wire is framed, as the client's address asks. Others have one way."""

    EVENTS = "sse"
    ARRAY = "array"


class StreamShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the client asked of its stream beyond the answer."""

    wants_usage: bool
    framing: Framing = Framing.EVENTS
