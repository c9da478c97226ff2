"""A provider that speaks the OpenAI chat wire, from a few declarations."""

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from governance.plugin.errors import ConnectionInvalid, RequestUnbounded
from governance.plugin.media import IMAGE_INPUT_TOKENS, MediaRequest, bound_for
from governance.plugin.openai_chat._errors import KNOWN_SIGNS, read_error
from governance.plugin.openai_chat._meter import ChatStreamMeter
from governance.plugin.openai_chat._request import MAXIMUM_FIELDS
from governance.plugin.openai_chat._usage import read_chat_reply
from governance.plugin.provider import (
    AfterDisconnect,
    Bound,
    ConnectionSettings,
    ErrorReading,
    GoverningFields,
    StreamMeter,
    Upstream,
    Wire,
)
from governance.plugin.splicing import splice
from governance.plugin.usage import UsageReport

PREAMBLE_TOKENS = 512
"""What a chat template adds once: system preambles, tool instructions. The largest in the recordings is about 350."""
MESSAGE_TOKENS = 16
"""What a chat template adds around one message: role names and separators, 4 to 10 tokens in known templates."""

_NO_TIERS: Mapping[str, tuple[str, ...]] = {"auto": (), "default": (), "standard": ()}


class StreamUsage(StrEnum):
    """How a vendor is brought to report usage in a stream."""

    ASK = "ask"
    """Only when `stream_options.include_usage` is true."""
    ALWAYS = "always"
    """Without being asked."""


class ChatConventions(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor's counts mean. There are no defaults: read the vendor's page, then a recorded reply.

    `input_includes_cache`: `prompt_tokens` counts cached tokens. `output_includes_reasoning`: `completion_tokens`
    counts reasoning. `stream_usage`: see StreamUsage.
    """

    input_includes_cache: bool
    output_includes_reasoning: bool
    stream_usage: StreamUsage


class OpenAIChatProvider:
    """The shared base of vendors with this wire: construct it with what differs, or override a method.

    `path` follows the base URL, which may end with or without a slash (see `base_url`).
    `maximum_fields` are the names of the output cap that the vendor enforces, the one to write first. `service_tiers`
    maps a tier a request may ask for to the tiers it may be billed at; any other tier is refused as unbounded.
    `error_signs` are the words by which the vendor tells its errors apart, and `preamble_tokens` is what it puts before
    a conversation at most, and once more before tools; a subclass has its own.
    """

    wires = frozenset({Wire.OPENAI_CHAT})
    path = "/chat/completions"
    error_signs = KNOWN_SIGNS
    preamble_tokens = PREAMBLE_TOKENS

    def __init__(
        self,
        *,
        name: str,
        title: str,
        default_base_url: str,
        needs_credential: bool,
        conventions: ChatConventions,
        maximum_fields: tuple[str, ...] = MAXIMUM_FIELDS,
        service_tiers: Mapping[str, tuple[str, ...]] = _NO_TIERS,
    ) -> None:
        self.name = name
        self.title = title
        self.default_base_url = default_base_url
        self.needs_credential = needs_credential
        self.after_disconnect = AfterDisconnect.DRAIN
        self._conventions = conventions
        self._maximum_fields = maximum_fields
        self._service_tiers = service_tiers

    def conventions(self, connection: ConnectionSettings) -> ChatConventions:
        """Return what the counts of this connection mean; override where a connection's option decides."""
        return self._conventions

    def enforced_maximum_fields(self, connection: ConnectionSettings) -> tuple[str, ...]:
        """Return the output caps this vendor enforces; override where a connection's option decides."""
        return self._maximum_fields

    def path_of(self, wire: Wire) -> str:
        """Return what follows the base URL; override for other wires."""
        return self.path

    def authorisation(self, credential: str) -> tuple[str, str]:
        """Return the header that carries the credential; override where the vendor has one of its own."""
        return ("authorization", f"Bearer {credential}")

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Join base URL and path, and authorise. Raises ConnectionInvalid."""
        headers = [("content-type", "application/json")]
        if connection.credential:
            if not connection.credential.isascii() or not connection.credential.isprintable():
                raise ConnectionInvalid(
                    f"The credential of connection {connection.name!r} has characters that no header can carry: "
                    "paste the vendor's key alone, without spaces or line ends."
                )
            headers.append(self.authorisation(connection.credential))
        elif self.needs_credential:
            raise ConnectionInvalid(f"Connection {connection.name!r} has no credential: {self.title} needs an API key.")
        return Upstream(url=base_url(connection) + self.path_of(wire), headers=tuple(headers))

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound the input by bytes: a byte-level tokenizer makes at most one token of a byte, and JSON never spells
        text in fewer bytes than UTF-8 does. A template writes tool and reply schemas out anew, with at most a space
        for each of their bytes, and adds its own words once and around each message. Images count as much as the
        catalogue says of the model. Raises RequestUnbounded.
        """
        shown = 0
        if fields.remote_media or fields.inline_media or any(kind != "text" for kind in fields.modalities):
            shown = self._media_tokens(fields)
        if fields.paid_tools:
            raise RequestUnbounded(
                f"The request uses {fields.paid_tools[0]!r}, whose cost at {self.title} has no known bound: remove it."
            )
        schemas = fields.schema_bytes + self.preamble_tokens if fields.schema_bytes else 0
        return Bound(
            input_tokens=fields.body_bytes
            - fields.media_bytes
            + shown
            + schemas
            + self.preamble_tokens
            + MESSAGE_TOKENS * fields.messages,
            choices=fields.choices,
            has_media=shown > 0,
            service_tiers=self._billable_tiers(fields.service_tier),
        )

    def image_tokens(self, media: MediaRequest) -> int:
        """Return the most tokens that the images which a request shows count as. Raises RequestUnbounded."""
        tokens = 0
        for detail in media.details:
            bound = bound_for(media.bounds, IMAGE_INPUT_TOKENS, detail)
            if bound is None:
                asked = f" at the level of detail {detail[:64]!r}" if detail else ""
                raise RequestUnbounded(
                    f"The request holds images, whose cost at {self.title} has no known bound with this model{asked}: "
                    "send text, ask for another level of detail, or have whoever administers Bursar give the model "
                    f"the bound {IMAGE_INPUT_TOKENS}."
                )
            tokens += bound + MESSAGE_TOKENS
        return tokens

    def _media_tokens(self, fields: GoverningFields) -> int:
        has_others = fields.remote_media + fields.inline_media > fields.images
        if has_others or fields.media is None or any(kind != "text" for kind in fields.modalities):
            raise RequestUnbounded(
                f"The request holds audio or files, or asks for more than text, and its cost at {self.title} has no "
                "known bound: send text or images, and ask for text."
            )
        return self.image_tokens(fields.media)

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Ask for usage in a stream, and make the client's cap one that this vendor enforces."""
        edits: dict[str, object] = {}
        asks = self.conventions(connection).stream_usage is StreamUsage.ASK
        if fields.stream and asks and not fields.client_wants_usage:
            edits["stream_options"] = msgspec.Raw(splice(fields.stream_options or b"{}", {"include_usage": True}))
        enforced = self.enforced_maximum_fields(connection)
        if fields.maximum_fields and (len(fields.maximum_fields) > 1 or fields.maximum_fields[0] not in enforced):
            for name in {*fields.maximum_fields, enforced[0]}:
                edits[name] = fields.max_output_tokens
        return edits

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """Write the maximum where this vendor enforces it, and wherever the client gave one."""
        return dict.fromkeys((self.enforced_maximum_fields(connection)[0], *fields.maximum_fields), maximum)

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read the `usage` of a whole reply. Raises UsageUnreadable."""
        conventions = self.conventions(connection)
        return read_chat_reply(
            body,
            input_includes_cache=conventions.input_includes_cache,
            output_includes_reasoning=conventions.output_includes_reasoning,
        )

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter that hides the usage chunk which `body_edits` asked for and the client did not."""
        conventions = self.conventions(connection)
        return ChatStreamMeter(
            input_includes_cache=conventions.input_includes_cache,
            output_includes_reasoning=conventions.output_includes_reasoning,
            choices=fields.choices,
            hides_usage_chunk=conventions.stream_usage is StreamUsage.ASK and not fields.client_wants_usage,
        )

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """Read the error by HTTP's own statuses and by what this vendor says in the body; see ErrorSigns."""
        return read_error(self.error_signs, status=status, body=body)

    def _billable_tiers(self, asked: str | None) -> tuple[str, ...]:
        if asked is None:
            return ()
        if asked not in self._service_tiers:
            raise RequestUnbounded(
                f"The service tier {asked[:64]!r} has no known price at {self.title}: remove the field 'service_tier'."
            )
        return self._service_tiers[asked]


def base_url(connection: ConnectionSettings, *, version: str = "v1") -> str:
    """Return the connection's base URL without a closing slash, with `/v1` (or another `version` of the wire's) where
    it names a host alone: every server of the wire has its routes there, and a vendor with another version has it in
    its base URL. Raises ConnectionInvalid.
    """
    named = f"The base URL of connection {connection.name!r}"
    if not connection.base_url.isprintable() or " " in connection.base_url:
        raise ConnectionInvalid(f"{named} must not hold spaces or line ends.")
    try:
        parts = urlsplit(connection.base_url)
        _ = parts.port
    except ValueError as error:
        raise ConnectionInvalid(f"{named} is not a URL: give one such as http://localhost:8000/v1.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConnectionInvalid(f"{named} must begin with http:// or https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise ConnectionInvalid(f"{named} must not hold a user or password: store the key as the credential.")
    if parts.query or parts.fragment:
        raise ConnectionInvalid(f"{named} must not hold a query or fragment: give the part before '?' and '#'.")
    base = connection.base_url.rstrip("/")
    return base if parts.path.strip("/") else f"{base}/{version}"
