"""Which requests may get the same answer again, and which answers are such. Pure."""

import re
from typing import Final

import msgspec

from governance.plugin.provider import Wire
from governance.plugin.splicing import Members

_WITHOUT_TEMPERATURE: Final = frozenset(
    {
        Wire.OPENAI_EMBEDDINGS,
        Wire.OPENAI_MODERATIONS,
        Wire.OPENAI_INPUT_TOKENS,
        Wire.ANTHROPIC_COUNT_TOKENS,
        Wire.GEMINI_COUNT_TOKENS,
        Wire.GEMINI_EMBED,
        Wire.GEMINI_BATCH_EMBED,
    }
)
"""Nothing is drawn by chance there."""
_STATEFUL: Final = ("background", "conversation")
"""Fields of requests that change something at the vendor, or are answered by more than they say."""
_CONFIGS: Final = ("generationConfig", "generation_config")
_BROKEN: Final = re.compile(
    rb'(?:^|\n)event: ?(?:error|response\.failed)\b|"type": ?"error"|(?:^|\n|\[|,\n)(?:data: ?)?\{[ \n]*"error"'
)
"""An error in the middle of a stream, in any wire: quotes that stand in a model's words are escaped."""


class _Sampling(msgspec.Struct):
    temperature: float | None = None


class _State(msgspec.Struct):
    status: str | None = None


_sampling = msgspec.json.Decoder(_Sampling)
_state = msgspec.json.Decoder(_State)


def is_repeatable(wire: Wire, members: Members, *, is_any_temperature: bool) -> bool:
    """Return whether the same request may get the same answer: it asks for temperature 0, unless any is allowed."""
    if any(_is_set(members, name) for name in _STATEFUL):
        return False
    return is_any_temperature or wire in _WITHOUT_TEMPERATURE or _is_cold(wire, members)


def is_over(body: bytes) -> bool:
    """Return whether this answer is complete, and no error: not one that goes on elsewhere, or broke off in words."""
    if _BROKEN.search(body) is not None:
        return False
    if not body.startswith(b"{"):
        return True
    try:
        return _state.decode(body).status in (None, "completed", "incomplete")
    except msgspec.DecodeError:
        return True


def _is_set(members: Members, name: str) -> bool:
    raw = members.values.get(name)
    return raw is not None and bytes(raw).strip() not in (b"null", b"false")


def _is_cold(wire: Wire, members: Members) -> bool:
    raw: bytes = members.body
    if wire is Wire.GEMINI_GENERATE:
        found = next((members.values[name] for name in _CONFIGS if name in members.values), None)
        raw = b"{}" if found is None else bytes(found)
    try:
        return _sampling.decode(raw).temperature == 0
    except msgspec.DecodeError:
        return False
