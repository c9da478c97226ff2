"""Requests of every wire, for the conformance kit: how each is read, and where its clients put a cap."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from governance.plugin.gemini import read_generate_request
from governance.plugin.openai_chat import read_chat_request
from governance.plugin.provider import GoverningFields, Wire

CAP: Final = 7
"""The maximum of output tokens in every capped example."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One wire whose answers have output. `bare` gives no cap, each of `capped` gives `CAP` in another way."""

    read: Callable[[bytes], GoverningFields]
    bare: bytes
    capped: tuple[bytes, ...]


_CHAT: Final = b'{"model":"m","messages":[{"role":"user","content":"Hello"}]'
_GENERATE: Final = b'{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]'

EXAMPLES: Final[Mapping[Wire, Example]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: Example(
            read=read_chat_request,
            bare=_CHAT + b"}",
            capped=tuple(
                _CHAT + b',"%s":7,"stream":%s}' % (name, stream)
                for name in (b"max_tokens", b"max_completion_tokens")
                for stream in (b"true", b"false")
            ),
        ),
        Wire.GEMINI_GENERATE: Example(
            read=lambda body: read_generate_request(body, model="m", stream=True),
            bare=_GENERATE + b',"generation_config":{"temperature":1,"max_output_tokens":null}}',
            capped=tuple(
                _GENERATE + b',"%s":{"topK":3,"%s":7}}' % (config, maximum)
                for config in (b"generationConfig", b"generation_config")
                for maximum in (b"maxOutputTokens", b"max_output_tokens")
            ),
        ),
    }
)
"""By wire; a wire that is not here has no cap, or its examples are still to be written."""

WITHOUT_OUTPUT: Final = frozenset({Wire.GEMINI_COUNT_TOKENS, Wire.GEMINI_EMBED, Wire.GEMINI_BATCH_EMBED})
"""The wires whose answers are no output."""
