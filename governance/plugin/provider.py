"""The provider contract: a plugin describes requests and reads replies; it never sends anything itself."""

from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from governance.plugin.errors import RequestUnbounded
from governance.plugin.media import MediaRequest
from governance.plugin.sse import Splitter
from governance.plugin.usage import TokenClass, Usage, UsageReport


class Wire(StrEnum):
    """A request format that clients speak and vendors serve: one endpoint of one API. Records keep these words."""

    OPENAI_CHAT = "openai.chat"
    OPENAI_RESPONSES = "openai.responses"
    OPENAI_INPUT_TOKENS = "openai.input_tokens"
    OPENAI_EMBEDDINGS = "openai.embeddings"
    OPENAI_MODERATIONS = "openai.moderations"
    OPENAI_IMAGES = "openai.images"
    OPENAI_IMAGE_EDITS = "openai.image_edits"
    OPENAI_SPEECH = "openai.speech"
    OPENAI_TRANSCRIPTIONS = "openai.transcriptions"
    OPENAI_TRANSLATIONS = "openai.translations"
    ANTHROPIC_MESSAGES = "anthropic.messages"
    ANTHROPIC_COUNT_TOKENS = "anthropic.count_tokens"
    GEMINI_GENERATE = "gemini.generate"
    GEMINI_COUNT_TOKENS = "gemini.count_tokens"
    GEMINI_EMBED = "gemini.embed"
    GEMINI_BATCH_EMBED = "gemini.batch_embed"


class Billing(StrEnum):
    """What is known about the cost of an attempt that ended in an error."""

    UNBILLED = "unbilled"
    """The vendor documents that it does not charge for this: the reservation is released."""
    UNKNOWN = "unknown"
    """Nothing proves that it was free: the reservation stays held as suspense."""


class AfterDisconnect(StrEnum):
    """What to do with the vendor's answer, streamed or not, when the client has gone."""

    DRAIN = "drain"
    """Read on, within a bound, until the vendor reports usage."""
    CANCEL = "cancel"
    """Close the vendor's connection, also before its first byte. Unless its final usage was seen, what was seen of a
    stream is settled as an estimate, and the rest stays held.
    """


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account at a vendor, as the gateway sees it. `credential` is secret: it never enters a log or an error."""

    id: int
    name: str
    base_url: str
    credential: str
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"ConnectionSettings(id={self.id}, name={self.name!r}, base_url={self.base_url!r})"


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to send one wire's requests: computed once when the policy snapshot is compiled, not per call.

    `{model}` in a URL stands for the vendor's name of the model, which the gateway fills in. `stream_url` is where
    requests for a stream go, if not to `url`. Of `headers` (names in lower case) a client's own header of the same name
    takes the place, if it is one that its wire passes on, such as `anthropic-version`; nothing of a client's headers
    and query goes to a vendor that does not take them (`takes_client_headers`). They carry the credential, so the
    representation names them without their values. `is_signed`: each request is signed anew (SigningProvider).
    `is_enveloped`: each body stands inside another one (EnvelopingProvider).
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    method: str = "POST"
    stream_url: str = ""
    takes_client_headers: bool = True
    is_signed: bool = False
    is_enveloped: bool = False

    def __repr__(self) -> str:
        names = [name for name, _ in self.headers]
        return f"Upstream(url={self.url!r}, headers={names}, method={self.method!r})"


class GoverningFields(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the cost of a request, read from its body by the wire; the body itself stays bytes.

    `body_bytes` is the length of the body in bytes, `messages` the number of conversation items (with their parts,
    where a template frames those), `schema_bytes` the part of the body that defines tools and reply formats (templates
    write those out anew). `max_output_tokens` is the smallest of the caps the client gave in `maximum_fields`; zero for
    a wire whose answers are no output, such as embeddings. `stream_options` is the client's own JSON value, kept as
    bytes so that a plugin can add to it, and `holders` are other top-level values in which a cap, or the model's name
    again, is nested. `remote_media` and `inline_media` count images, audio and files by reference and by value; where a
    vendor bounds what an image costs, `images` says how many of them are images, and `media_bytes` how many bytes of
    the body are media that came by value. `vendor_tools` counts tools which the client runs and the vendor defines.
    `paid_tools` names server-side tools and other features that cost extra. `speed` and `inference_geo` are what the
    client asked for, where a price depends on it. `text_bytes` is the length of the texts alone, in UTF-8, where a wire
    sends nothing else to the model; 0 where nobody counted. `asks_long_cache`: what is written to the vendor's cache is
    to be kept longer than by default. `betas` are the features that Anthropic's header `anthropic-beta` asks for.
    `media` is what a request asks of images and audio, None where it has none.
    `background`: the reply is to be worked on after the call has ended.
    """

    model: str
    stream: bool
    body_bytes: int
    messages: int
    choices: int = 1
    max_output_tokens: int | None = None
    maximum_fields: tuple[str, ...] = ()
    schema_bytes: int = 0
    stream_options: bytes | None = None
    client_wants_usage: bool = False
    asks_long_cache: bool = False
    background: bool = False
    service_tier: str | None = None
    modalities: tuple[str, ...] = ()
    remote_media: int = 0
    inline_media: int = 0
    paid_tools: tuple[str, ...] = ()
    images: int = 0
    media_bytes: int = 0
    vendor_tools: int = 0
    speed: str | None = None
    inference_geo: str | None = None
    holders: dict[str, bytes] = {}
    text_bytes: int = 0
    betas: tuple[str, ...] = ()
    media: MediaRequest | None = None


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """An upper bound of what one attempt can use: counts the vendor cannot report more than.

    `input_tokens` may end in any input class, at any tier in `service_tiers` (empty: the standard tier alone). Output
    is bounded by the request's maximum (or the model's, where the request has none) times `choices`, which is zero
    for a wire whose answers are no output. `calls` bounds per-call fees by the name of their token class.
    `priced` are token classes that must have prices of their own: what is assumed without one would be too little.
    `has_media`: input and output may be images or audio; `may_output_media`: the output alone may. `output_tokens` is
    output that no maximum caps, such as that of drawn images, all of them together. `units` bounds what media are
    priced by beside tokens: a model that has prices for them alone is billed by them alone. Raises RequestUnbounded
    where a bound is no count.
    """

    input_tokens: int
    choices: int
    calls: dict[TokenClass, int] = {}
    has_media: bool = False
    may_output_media: bool = False
    service_tiers: tuple[str, ...] = ()
    priced: tuple[TokenClass, ...] = ()
    output_tokens: int = 0
    units: dict[TokenClass, int] = {}

    def __post_init__(self) -> None:
        counts: tuple[int, ...] = (self.input_tokens, self.choices, self.output_tokens)
        if self.calls or self.units:
            counts += (*self.calls.values(), *self.units.values())
        for count in counts:
            if type(count) is not int or count < 0:
                raise RequestUnbounded(f"The provider's plugin bounds this request by {count!r}, which is no count.")


class ErrorReading(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor's error reply means for the money and for another attempt.

    `is_retryable`: the same request may succeed here a moment later; it also means that the vendor, not the request, is
    at fault. `may_work_elsewhere`: another deployment may answer it; true of everything retryable, and of what is wrong
    with this account or model alone, such as an unknown model or an empty balance. A request that every vendor would
    refuse is neither. `retry_after_seconds`: how long the vendor asks to be left alone, where its body says so.
    """

    billing: Billing
    is_retryable: bool
    may_work_elsewhere: bool
    retry_after_seconds: float | None = None


class StreamMeter(Protocol):
    """Watches one streamed reply. Fed every event's data once, in order; must not raise on unknown events."""

    def feed(self, data: bytes) -> bool:
        """Take the data of one event (without framing). Return whether the client should see the event."""

    def report(self) -> UsageReport | None:
        """Return the vendor's final usage, or None while it has not been seen."""

    def running(self) -> Usage | None:
        """Return the usage that the vendor has reported so far without saying that it is final; None if it has not."""

    def seen_output_bytes(self) -> int:
        """Return how many bytes of visible output have passed: the basis of an estimate when usage never comes."""

    def seen_output_events(self) -> int:
        """Return how many events carried visible output: each is at least a token."""


class BoundingMeter(StreamMeter, Protocol):
    """A meter of a vendor that says early what the input was: the gateway then holds less until the stream ends."""

    def bounds(self) -> Bound | None:
        """Return a bound of all that can be reported in the end, once it is known; None before. It must hold whatever
        follows: a count that may still grow is no bound. Asked until it says something, then no more.
        """


class Provider(Protocol):
    """One vendor. Stateless after construction and safe to share between requests.

    `connection` is passed wherever an option of the connection may decide (for example which counts its server sends);
    `upstream` refuses a connection whose options cannot work, so that the other methods may rely on them.
    """

    name: str
    title: str
    wires: frozenset[Wire]
    after_disconnect: AfterDisconnect
    needs_credential: bool
    default_base_url: str

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Describe where requests of this wire go, with authorisation. Raises ConnectionInvalid."""

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Return an upper bound of the request's use. Raises RequestUnbounded when there is none."""

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Return top-level body fields the vendor needs set, beyond model and clamped maximum (for example stream
        options). A value is anything msgspec can encode, `msgspec.Raw` for JSON that is already encoded, or
        `msgspec.UNSET` for a field that this vendor takes elsewhere, such as a model that stands in its address.
        """

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """Return the top-level body fields that cap the output at this many tokens, for a request that has no cap or a
        higher one: every cap that the client gave is among them. Values as in `body_edits`, whose fields they override.
        """

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read usage from a whole successful reply; None when it reports none. Raises UsageUnreadable."""

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter for one streamed reply."""

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """Say what an error reply (HTTP status >= 400) means."""


class SilentProvider(Provider, Protocol):
    """A provider with wires whose replies report no usage, such as embeddings, although their use is bounded."""

    def unreported(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Usage | None:
        """Return the most that a whole reply without a report can have used: it is booked, marked as an estimate. None
        where the reply ought to have had a report: the attempt's cost is unknown then.
        """


class SigningProvider(Provider, Protocol):
    """A provider whose requests carry a signature each, made when all of it is final."""

    def signature(
        self, *, connection: ConnectionSettings, upstream: Upstream, body: bytes
    ) -> tuple[tuple[str, str], ...]:
        """Return the headers (names in lower case) that authorise this one request, to be sent beside those of the
        upstream. On the path of every request whose upstream `is_signed`: no I/O.
        """


class EnvelopingProvider(Provider, Protocol):
    """A provider that takes the whole body of some wire inside one of its own, and answers in its own words."""

    def enveloped(self, *, wire: Wire, body: bytes) -> bytes:
        """Return what is sent in place of this body, to an upstream that `is_enveloped`."""

    def opened(self, *, wire: Wire, body: bytes) -> bytes:
        """Return a whole reply as clients of this wire read it: as it is, where it has that shape. Not for errors."""


class FramingProvider(Provider, Protocol):
    """A provider whose streams, or error replies, come in another shape than those of the wire that it serves."""

    def framing(self, *, wire: Wire, content_type: str) -> Splitter | None:
        """Return what makes events of this wire of a stream of this type; None for one that cannot be read."""

    def error_in_wire(self, *, wire: Wire, status: int, body: bytes) -> bytes:
        """Return the body of an error reply as clients of this wire read it: as it is, where it has that shape."""


class SelectiveProvider(Provider, Protocol):
    """A provider of models of many makers, which it does not serve in the same wires."""

    def serves(self, *, wire: Wire, model: str) -> bool:
        """Return whether the model of this name (the vendor's own) is served in this wire."""


class NamingProvider(Provider, Protocol):
    """A provider of which some addresses know its models by other names than the rest."""

    def addressed(self, *, wire: Wire, model: str) -> str:
        """Return what stands for `{model}` in the address of this wire, for the model of this name (the vendor's)."""


@runtime_checkable
class ChoosesWires(Protocol):
    """A provider of which some connections do not speak all of its wires."""

    def wires_of(self, *, connection: ConnectionSettings) -> frozenset[Wire]:
        """Return the wires that requests through this connection may use. Raises ConnectionInvalid."""


def wires_of(provider: Provider, connection: ConnectionSettings) -> frozenset[Wire]:
    """Return the wires of this connection: the provider's, unless it chooses among them. Raises ConnectionInvalid."""
    if not isinstance(provider, ChoosesWires):
        return provider.wires
    return provider.wires & provider.wires_of(connection=connection)
