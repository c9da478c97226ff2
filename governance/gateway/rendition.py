"""A request as its vendor gets it: as it came where the vendor speaks its wire, translated where it does not."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from governance.gateway.exchange import JSON, Exchange, Headers
from governance.gateway.formats import EVENT_STREAM, EVENT_STREAM_HEADER, NOTHING_PASSED, Passed, WireFormat
from governance.gateway.translation import (
    ANTHROPIC_VERSION,
    Circumstances,
    CountTranslation,
    Destination,
    Dialect,
    Framing,
    StreamShape,
    StreamTranslation,
    TranslatedRequest,
    Translation,
)
from governance.plugin.anthropic_messages import count_tokens_fields, messages_fields
from governance.plugin.forms import Form
from governance.plugin.gemini import count_fields, generate_fields
from governance.plugin.openai_chat import Members, chat_fields
from governance.plugin.openai_responses import input_tokens_fields, responses_fields
from governance.plugin.provider import GoverningFields, Wire
from governance.policy.snapshot import DeploymentPolicy

_DIALECTS: Final[Mapping[Wire, Dialect]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: Dialect.OPENAI_CHAT,
        Wire.ANTHROPIC_MESSAGES: Dialect.ANTHROPIC_MESSAGES,
        Wire.GEMINI_GENERATE: Dialect.GEMINI,
        Wire.OPENAI_RESPONSES: Dialect.OPENAI_RESPONSES,
    }
)
COUNTS: Final[Mapping[Wire, Dialect]] = MappingProxyType(
    {
        Wire.ANTHROPIC_COUNT_TOKENS: Dialect.ANTHROPIC_MESSAGES,
        Wire.GEMINI_COUNT_TOKENS: Dialect.GEMINI,
        Wire.OPENAI_INPUT_TOKENS: Dialect.OPENAI_RESPONSES,
    }
)
"""What counts the tokens of requests, and of requests in which dialect. The chat wire has no counter."""
_READERS: Final[Mapping[Wire, Callable[[Members, str, bool], GoverningFields]]] = MappingProxyType(
    {
        Wire.OPENAI_CHAT: lambda members, model, is_stream: chat_fields(members),
        Wire.OPENAI_RESPONSES: lambda members, model, is_stream: responses_fields(members),
        Wire.ANTHROPIC_MESSAGES: lambda members, model, is_stream: messages_fields(members),
        Wire.GEMINI_GENERATE: lambda members, model, is_stream: generate_fields(members, model=model, stream=is_stream),
        Wire.ANTHROPIC_COUNT_TOKENS: lambda members, model, is_stream: count_tokens_fields(members),
        Wire.GEMINI_COUNT_TOKENS: lambda members, model, is_stream: count_fields(members, model=model),
        Wire.OPENAI_INPUT_TOKENS: lambda members, model, is_stream: input_tokens_fields(members),
    }
)
_VERSION: Final = Passed(headers=(("anthropic-version", ANTHROPIC_VERSION),), query="")
_PASSED: Final[Mapping[Wire, Passed]] = MappingProxyType(
    {Wire.ANTHROPIC_MESSAGES: _VERSION, Wire.ANTHROPIC_COUNT_TOKENS: _VERSION}
)
_GEMINI_STREAM: Final = Passed(headers=(), query="alt=sse")
_UNDERSTOOD: Final = frozenset(
    {b"retry-after", b"retry-after-ms", b"x-should-retry", b"request-id", b"deprecation", b"sunset"}
)


def others_of(wire: Wire) -> tuple[Wire, ...]:
    """Return the wires that requests of this wire can be translated to, in the order of preference."""
    alike = _DIALECTS if wire in _DIALECTS else COUNTS if wire in COUNTS else ()
    return tuple(other for other in alike if other is not wire)


def read_as(wire: Wire, body: bytes, *, model: str, is_stream: bool) -> GoverningFields:
    """Read a request of this wire; `model` and `is_stream` are what its address would say. Raises RequestInvalid."""
    return _READERS[wire](Members(body), model, is_stream)


def translated(
    wire: Wire, other: Wire, body: bytes, *, model: str, default_maximum: int | None, is_stream: bool
) -> TranslatedRequest:
    """Translate a request of one wire into another. `is_stream` is what its address says. Raises RequestInvalid."""
    translation = _translation(wire, other)
    destination = Destination(model=model, default_maximum_tokens=default_maximum)
    return translation.request(body, destination, is_streamed=is_stream)


def _translation(wire: Wire, other: Wire) -> Translation:
    if wire in COUNTS:
        return CountTranslation(client=COUNTS[wire], vendor=COUNTS[other])
    return Translation(client=_DIALECTS[wire], vendor=_DIALECTS[other])


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """How the answers of a translated call are shown to its client."""

    translation: Translation
    circumstances: Circumstances
    shape: StreamShape

    def answer(self, body: bytes) -> bytes:
        """Translate a whole answer. Raises AnswerUntranslatable."""
        return self.translation.answer(body, self.circumstances)

    def error(self, status: int, body: bytes) -> bytes:
        """Translate an error reply."""
        return self.translation.error(status, body)

    def stream(self) -> StreamTranslation:
        """Open the translation of a stream."""
        return self.translation.stream(self.circumstances, self.shape)

    @property
    def content_type(self) -> str:
        """The media type of a stream as its client gets it."""
        return EVENT_STREAM if self.shape.framing is Framing.EVENTS else "application/json"

    def headers(self, headers: Headers, *, is_stream: bool) -> Headers:
        """Return which of the headers reach the client: Bursar's own, and those that every wire understands."""
        is_events = is_stream and self.shape.framing is Framing.EVENTS
        kept = [header for header in headers if header[0].startswith(b"x-bursar-") or header[0] in _UNDERSTOOD]
        return [EVENT_STREAM_HEADER if is_events else JSON, *kept]


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One request in one wire. `spoken` is the client's own. `id_header` is where the client's SDK looks for the
    request's id, if anywhere special; `shown` is None where the vendor's bytes are what the client gets.
    """

    wire: Wire
    spoken: Wire
    members: Members | Form
    fields: GoverningFields
    passed: Passed
    id_header: bytes = b""
    shown: Shown | None = None


class Renditions:
    """One request in the wires of the deployments that may answer it, each made when it is first needed."""

    __slots__ = ("_at", "_body", "_default_maximum", "_exchange", "_translated", "native")

    def __init__(
        self, form: WireFormat, exchange: Exchange, body: bytes, *, default_maximum: int | None, at: datetime
    ) -> None:
        """Read the request as it came at this instant. Raises RequestInvalid."""
        members, fields = form.opened(body, exchange)
        self.native = Rendition(
            wire=form.wire,
            spoken=form.wire,
            members=members,
            fields=fields,
            passed=form.passed(exchange),
            id_header=form.id_header,
        )
        self._exchange = exchange
        self._body = body
        self._at = at
        self._default_maximum = default_maximum
        self._translated: dict[int, Rendition] | None = None

    @property
    def fields(self) -> GoverningFields:
        """What governs the request as it came."""
        return self.native.fields

    @property
    def members(self) -> Members | Form:
        """The fields of the request as it came."""
        return self.native.members

    def of(self, deployment: DeploymentPolicy) -> Rendition:
        """Return the request as this deployment gets it. Raises RequestInvalid for what its wire has no words for."""
        native = self.native
        if native.wire in deployment.upstreams:
            return native
        if self._translated is None:
            self._translated = {}
        found = self._translated.get(deployment.id)
        if found is None:
            wire = next(other for other in others_of(native.wire) if other in deployment.upstreams)
            found = self._translated[deployment.id] = self._render(deployment, wire)
        return found

    def _render(self, deployment: DeploymentPolicy, wire: Wire) -> Rendition:
        native, exchange = self.native, self._exchange
        request = translated(
            native.wire,
            wire,
            self._body,
            model=deployment.upstream_name,
            default_maximum=self._default_maximum or deployment.model.max_output_tokens,
            is_stream=native.fields.stream,
        )
        members = Members(request.body)
        fields = _READERS[wire](members, deployment.upstream_name, request.is_streamed)
        is_gemini_stream = wire is Wire.GEMINI_GENERATE and request.is_streamed
        is_array = native.wire is Wire.GEMINI_GENERATE and b"alt=sse" not in exchange.query
        return Rendition(
            wire=wire,
            spoken=native.wire,
            members=members,
            # The name that the client used: what is written, allowed and charged goes by it.
            fields=msgspec.structs.replace(fields, model=native.fields.model),
            passed=_GEMINI_STREAM if is_gemini_stream else _PASSED.get(wire, NOTHING_PASSED),
            id_header=native.id_header,
            shown=Shown(
                translation=_translation(native.wire, wire),
                circumstances=Circumstances(
                    created_at_seconds=int(self._at.timestamp()),
                    request_id=str(exchange.request_id),
                    model=native.fields.model,
                    asked=request.asked,
                ),
                shape=StreamShape(
                    wants_usage=request.wants_usage, framing=Framing.ARRAY if is_array else Framing.EVENTS
                ),
            ),
        )
