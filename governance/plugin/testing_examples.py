"""Requests of every wire, for the conformance kit: how each is read, and where its clients put a cap."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from governance.plugin.anthropic_messages import read_count_tokens_request, read_messages_request
from governance.plugin.forms import Form
from governance.plugin.gemini import batch_embed_fields, count_fields, embed_fields, read_generate_request
from governance.plugin.media import BOUND_NAMES, MediaRequest
from governance.plugin.openai_audio import speech_fields, transcriptions_fields, translations_fields
from governance.plugin.openai_chat import Members, read_chat_request
from governance.plugin.openai_embeddings import embeddings_fields
from governance.plugin.openai_images import image_edits_fields, images_fields
from governance.plugin.openai_moderations import moderations_fields
from governance.plugin.openai_responses import input_tokens_fields, read_responses_request
from governance.plugin.provider import GoverningFields, Wire

CAP: Final = 7
"""The maximum of output tokens in every capped example."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One wire. `bare` is a request without a cap (None where the wire demands one), each of `capped` gives `CAP` in
    another way: none of them where answers are no output. `media` is what its bounds are asked with.
    """

    read: Callable[[bytes], GoverningFields]
    bare: bytes | None
    capped: tuple[bytes, ...] = ()
    media: MediaRequest | None = None


_CHAT: Final = b'{"model":"m","messages":[{"role":"user","content":"Hello"}]'
_RESPONSES: Final = b'{"model":"m","input":[{"role":"user","content":"Hello"}]'
_MESSAGES: Final = b'{"model":"m","messages":[{"role":"user","content":"Hello"}]'
_GENERATE: Final = b'{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]'

_MEDIA: Final = MediaRequest(bounds=dict.fromkeys(BOUND_NAMES, 1_000), images=1, characters=5, details=("",))
_FORM: Final = b"multipart/form-data; boundary=b"


def _form(disposition: bytes) -> bytes:
    model = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
    return model + b"--b\r\nContent-Disposition: form-data; %s\r\n\r\n...\r\n--b--\r\n" % disposition


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
        Wire.OPENAI_RESPONSES: Example(
            read=read_responses_request,
            bare=_RESPONSES + b"}",
            capped=tuple(_RESPONSES + b',"max_output_tokens":7,"stream":%s}' % each for each in (b"true", b"false")),
        ),
        Wire.OPENAI_INPUT_TOKENS: Example(read=lambda body: input_tokens_fields(Members(body)), bare=_RESPONSES + b"}"),
        Wire.OPENAI_EMBEDDINGS: Example(
            read=lambda body: embeddings_fields(Members(body)), bare=b'{"model":"m","input":"Hello"}'
        ),
        Wire.OPENAI_MODERATIONS: Example(
            read=lambda body: moderations_fields(Members(body)), bare=b'{"model":"m","input":"Hello"}'
        ),
        Wire.OPENAI_IMAGES: Example(
            read=lambda body: images_fields(Members(body)), bare=b'{"model":"m","prompt":"A dog"}', media=_MEDIA
        ),
        Wire.OPENAI_IMAGE_EDITS: Example(
            read=lambda body: image_edits_fields(Form(body, content_type=_FORM)),
            bare=_form(b'name="image"; filename="a.png"'),
            media=_MEDIA,
        ),
        Wire.OPENAI_SPEECH: Example(
            read=lambda body: speech_fields(Members(body)), bare=b'{"model":"m","input":"Hello"}', media=_MEDIA
        ),
        Wire.OPENAI_TRANSCRIPTIONS: Example(
            read=lambda body: transcriptions_fields(Form(body, content_type=_FORM)),
            bare=_form(b'name="file"; filename="a.wav"'),
            media=_MEDIA,
        ),
        Wire.OPENAI_TRANSLATIONS: Example(
            read=lambda body: translations_fields(Form(body, content_type=_FORM)),
            bare=_form(b'name="file"; filename="a.wav"'),
            media=_MEDIA,
        ),
        Wire.ANTHROPIC_MESSAGES: Example(
            read=read_messages_request,
            bare=None,
            capped=tuple(_MESSAGES + b',"max_tokens":7,"stream":%s}' % stream for stream in (b"true", b"false")),
        ),
        Wire.ANTHROPIC_COUNT_TOKENS: Example(read=read_count_tokens_request, bare=_MESSAGES + b"}"),
        Wire.GEMINI_GENERATE: Example(
            read=lambda body: read_generate_request(body, model="m", stream=True),
            bare=_GENERATE + b',"generation_config":{"temperature":1,"max_output_tokens":null}}',
            capped=tuple(
                _GENERATE + b',"%s":{"topK":3,"%s":7}}' % (config, maximum)
                for config in (b"generationConfig", b"generation_config")
                for maximum in (b"maxOutputTokens", b"max_output_tokens")
            ),
        ),
        Wire.GEMINI_COUNT_TOKENS: Example(
            read=lambda body: count_fields(Members(body), model="m"), bare=_GENERATE + b"}"
        ),
        Wire.GEMINI_EMBED: Example(
            read=lambda body: embed_fields(Members(body), model="m"), bare=b'{"content":{"parts":[{"text":"Hello"}]}}'
        ),
        Wire.GEMINI_BATCH_EMBED: Example(
            read=lambda body: batch_embed_fields(Members(body), model="m"),
            bare=b'{"requests":[{"model":"models/m","content":{"parts":[{"text":"Hello"}]}}]}',
        ),
    }
)
"""By wire."""
