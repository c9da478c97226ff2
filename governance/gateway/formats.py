"""The wires that are served: how each one's requests are read, and what of them goes on to a vendor beside the body."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec

from governance.gateway.exchange import Exchange
from governance.plugin.anthropic_messages import count_tokens_fields, messages_fields
from governance.plugin.forms import Form
from governance.plugin.gemini import batch_embed_fields, count_fields, embed_fields, generate_fields, renamed
from governance.plugin.json_array import ArraySplitter
from governance.plugin.openai_audio import speech_fields, transcriptions_fields, translations_fields
from governance.plugin.openai_chat import Members, chat_fields
from governance.plugin.openai_embeddings import embeddings_fields
from governance.plugin.openai_images import image_edits_fields, images_fields
from governance.plugin.openai_moderations import moderations_fields
from governance.plugin.openai_responses import input_tokens_fields, responses_fields
from governance.plugin.pieces import PieceSplitter
from governance.plugin.provider import GoverningFields, Upstream, Wire
from governance.plugin.sse import EventSplitter, Splitter

EVENT_STREAM: Final = "text/event-stream"
EVENT_STREAM_HEADER: Final = (b"content-type", b"text/event-stream; charset=utf-8")
ANTHROPIC_ID_HEADER: Final = b"request-id"


_LONG_EVENT_BYTES: Final = 64 * 1024 * 1024
"""As long as a whole reply may be: the event that ends a response holds all of it, and what was asked as well."""
_SERVER_SENT_EVENTS: Final = MappingProxyType({EVENT_STREAM: EventSplitter})

_SOUNDS: Final = (
    "audio/mpeg",
    "audio/mp3",
    "audio/ogg",
    "audio/opus",
    "audio/aac",
    "audio/flac",
    "audio/wav",
    "audio/x-wav",
    "audio/pcm",
    "audio/l16",
    "application/octet-stream",
)
_AUDIO: Final[Mapping[str, Callable[[], Splitter]]] = MappingProxyType(
    {EVENT_STREAM: partial(EventSplitter, max_event_bytes=_LONG_EVENT_BYTES)} | dict.fromkeys(_SOUNDS, PieceSplitter)
)
"""Speech comes in events or bare; of another type it is read whole."""
_LONG_EVENTS: Final = MappingProxyType({EVENT_STREAM: partial(EventSplitter, max_event_bytes=_LONG_EVENT_BYTES)})


class WireFormat(msgspec.Struct, frozen=True, kw_only=True):
    """One wire, as the gateway serves it.

    `read` returns what governs the cost of a request, from its located members and, where the wire says it there, from
    its address; it raises RequestInvalid. `read_form` does so where a wire's body is a form. `names_model`: the model
    stands in the body. `is_heard`: its answers are sounds, at which no guard can look. `passed_headers` and
    `passed_queries` are what of a client's headers (by name) and of its query (whole, as `beta=true`) a vendor of the
    same wire gets to see. `splitters` are the framings of its streams by content type. `rename` returns the fields to
    set for the vendor's own name of the model, where a body repeats what stands in its address. `id_header` is where
    this API's SDKs look for a request's id, if not where every answer has it.
    """

    wire: Wire
    read: Callable[[Members, Exchange], GoverningFields] | None = None
    read_form: Callable[[Form], GoverningFields] | None = None
    names_model: bool = True
    is_heard: bool = False
    passed_headers: tuple[bytes, ...] = ()
    passed_queries: frozenset[str] = frozenset()
    splitters: Mapping[str, Callable[[], Splitter]] = _SERVER_SENT_EVENTS
    id_header: bytes = b""
    rename: Callable[[GoverningFields, str], dict[str, object]] | None = None

    def opened(self, body: bytes, exchange: Exchange) -> tuple[Members | Form, GoverningFields]:
        """Return the located body of a request, and what governs its cost. Raises RequestInvalid."""
        if self.read is not None:
            members = Members(body)
            return members, self.read(members, exchange)
        if self.read_form is None:
            raise TypeError(f"Nothing reads the wire {self.wire}.")
        form = Form(body, content_type=exchange.headers.get(b"content-type", b""))
        return form, self.read_form(form)

    def passed(self, exchange: Exchange) -> "Passed":
        """Return what of this request goes on beside its body."""
        if not self.passed_headers and not self.passed_queries:
            return NOTHING_PASSED
        headers = [(name, exchange.headers[name]) for name in self.passed_headers if name in exchange.headers]
        asked = exchange.query.decode("latin-1").split("&") if exchange.query and self.passed_queries else ()
        return Passed(
            headers=tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]),
            query="&".join([part for part in asked if part in self.passed_queries]),
        )


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """What of a client's request goes on to a vendor beside its body, in its own wire."""

    headers: tuple[tuple[str, str], ...]
    query: str

    def addressed(self, upstream: Upstream, *, is_stream: bool) -> Upstream:
        """Return where and how to send a request that has these."""
        url = upstream.stream_url if is_stream and upstream.stream_url else upstream.url
        if url is upstream.url and not self.headers and not self.query:
            return upstream
        if not upstream.takes_client_headers:
            return msgspec.structs.replace(upstream, url=url)
        own = {name for name, _ in self.headers}
        return msgspec.structs.replace(
            upstream,
            url=f"{url}?{self.query}" if self.query else url,
            headers=(*[header for header in upstream.headers if header[0] not in own], *self.headers),
        )


NOTHING_PASSED: Final = Passed(headers=(), query="")
_FORM_HEADERS = (b"content-type",)
"""It says where the parts of the form begin and end."""
_BETA = b"anthropic-beta"
_ANTHROPIC_HEADERS = (b"anthropic-version", _BETA)
_ANTHROPIC_QUERIES = frozenset({"beta=true"})


def _messages(members: Members, exchange: Exchange) -> GoverningFields:
    return messages_fields(members, betas=_betas(exchange))


def _counted_messages(members: Members, exchange: Exchange) -> GoverningFields:
    return count_tokens_fields(members, betas=_betas(exchange))


def _betas(exchange: Exchange) -> tuple[str, ...]:
    asked = exchange.headers.get(_BETA)
    return () if asked is None else _parts(asked.decode("latin-1"))


def _parts(listed: str) -> tuple[str, ...]:
    return tuple([part for each in listed.split(",") if (part := each.strip())])


def _streamed(members: Members, exchange: Exchange) -> GoverningFields:
    return generate_fields(members, model=exchange.named, stream=True)


_GEMINI_GENERATE: Final = WireFormat(
    wire=Wire.GEMINI_GENERATE,
    read=lambda members, exchange: generate_fields(members, model=exchange.named, stream=False),
    names_model=False,
    splitters=MappingProxyType({EVENT_STREAM: EventSplitter, "application/json": ArraySplitter}),
    rename=renamed,
)
GEMINI_STREAM: Final = msgspec.structs.replace(
    _GEMINI_GENERATE, read=_streamed, passed_queries=frozenset({"alt=sse", "$alt=sse", "%24alt=sse"})
)
"""The same wire by its other method, whose framing the client chooses in the query."""

FORMATS: Final[Mapping[Wire, WireFormat]] = {
    each.wire: each
    for each in (
        WireFormat(wire=Wire.OPENAI_CHAT, read=lambda members, exchange: chat_fields(members)),
        WireFormat(
            wire=Wire.ANTHROPIC_MESSAGES,
            read=_messages,
            passed_headers=_ANTHROPIC_HEADERS,
            passed_queries=_ANTHROPIC_QUERIES,
            id_header=ANTHROPIC_ID_HEADER,
        ),
        WireFormat(
            wire=Wire.ANTHROPIC_COUNT_TOKENS,
            read=_counted_messages,
            passed_headers=_ANTHROPIC_HEADERS,
            passed_queries=_ANTHROPIC_QUERIES,
            id_header=ANTHROPIC_ID_HEADER,
        ),
        _GEMINI_GENERATE,
        WireFormat(
            wire=Wire.GEMINI_COUNT_TOKENS,
            read=lambda members, exchange: count_fields(members, model=exchange.named),
            names_model=False,
            rename=renamed,
        ),
        WireFormat(
            wire=Wire.GEMINI_EMBED,
            read=lambda members, exchange: embed_fields(members, model=exchange.named),
            names_model=False,
            rename=renamed,
        ),
        WireFormat(
            wire=Wire.GEMINI_BATCH_EMBED,
            read=lambda members, exchange: batch_embed_fields(members, model=exchange.named),
            names_model=False,
            rename=renamed,
        ),
        WireFormat(
            wire=Wire.OPENAI_RESPONSES,
            read=lambda members, exchange: responses_fields(members),
            splitters=_LONG_EVENTS,
        ),
        WireFormat(wire=Wire.OPENAI_INPUT_TOKENS, read=lambda members, exchange: input_tokens_fields(members)),
        WireFormat(wire=Wire.OPENAI_EMBEDDINGS, read=lambda members, exchange: embeddings_fields(members)),
        WireFormat(wire=Wire.OPENAI_MODERATIONS, read=lambda members, exchange: moderations_fields(members)),
        WireFormat(
            wire=Wire.OPENAI_IMAGES, read=lambda members, exchange: images_fields(members), splitters=_LONG_EVENTS
        ),
        WireFormat(
            wire=Wire.OPENAI_IMAGE_EDITS,
            read_form=image_edits_fields,
            passed_headers=_FORM_HEADERS,
            splitters=_LONG_EVENTS,
        ),
        WireFormat(
            wire=Wire.OPENAI_SPEECH,
            read=lambda members, exchange: speech_fields(members),
            is_heard=True,
            splitters=_AUDIO,
        ),
        WireFormat(
            wire=Wire.OPENAI_TRANSCRIPTIONS,
            read_form=transcriptions_fields,
            passed_headers=_FORM_HEADERS,
            splitters=_LONG_EVENTS,
        ),
        WireFormat(wire=Wire.OPENAI_TRANSLATIONS, read_form=translations_fields, passed_headers=_FORM_HEADERS),
    )
}
