"""A provider that speaks the Gemini wires: for Gemini's own API, and for others that have them."""

from collections.abc import Mapping

import msgspec

from governance.plugin.errors import ConnectionInvalid, RequestUnbounded
from governance.plugin.gemini._errors import read_error
from governance.plugin.gemini._meter import GeminiStreamMeter
from governance.plugin.gemini._request import CONFIG, MAXIMUM
from governance.plugin.gemini._usage import read_reply
from governance.plugin.media import IMAGE_INPUT_TOKENS, bound_for
from governance.plugin.openai_chat import base_url
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
from governance.plugin.splicing import Members, splice
from governance.plugin.usage import Usage, UsageReport

IMAGE_TOKENS = "image_tokens"
"""The option of a connection that says what an image costs at most, at whatever resolution: by it images are held."""
MAX_IMAGE_TOKENS = 100_000
PREAMBLE_TOKENS = 512
"""What the vendor's template adds once, with tool instructions. In the recordings it is less than the body's bytes."""
MESSAGE_TOKENS = 16
"""What a template adds around one content or one text to embed."""

_METHODS = {
    Wire.GEMINI_GENERATE: "generateContent",
    Wire.GEMINI_COUNT_TOKENS: "countTokens",
    Wire.GEMINI_EMBED: "embedContent",
    Wire.GEMINI_BATCH_EMBED: "batchEmbedContents",
}
_EMBEDDING = frozenset({Wire.GEMINI_EMBED, Wire.GEMINI_BATCH_EMBED})
_TIERS: Mapping[str, tuple[str, ...]] = {"unspecified": (), "standard": ()}
_SNAKE_MAXIMUM = "max_output_tokens"
_NOTHING = Usage(input_tokens=0, output_tokens=0)


class GeminiProvider:
    """The shared base of vendors with these wires: construct it with what differs, or override a method.

    `models_path` follows the base URL, which may end with or without a slash; `version` does where the base URL names a
    host alone. `known_options` are options of the vendor's own, which it checks itself. `service_tiers` maps a tier a
    request may ask for (in lower case) to the tiers it may be billed at; any other is refused as unbounded.
    """

    wires = frozenset(_METHODS)
    known_options: tuple[str, ...] = ()
    models_path = "/models"
    version = "v1beta"

    def __init__(
        self,
        *,
        name: str,
        title: str,
        default_base_url: str,
        service_tiers: Mapping[str, tuple[str, ...]] = _TIERS,
    ) -> None:
        self.name = name
        self.title = title
        self.default_base_url = default_base_url
        self.needs_credential = True
        self.after_disconnect = AfterDisconnect.DRAIN
        self._service_tiers = service_tiers

    def authorisation(self, connection: ConnectionSettings) -> tuple[str, str]:
        """Return the header that carries the credential; override where a vendor wants another."""
        return "x-goog-api-key", connection.credential

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Put the model and the method into the address. Raises ConnectionInvalid."""
        _refuse_options(connection, known=(IMAGE_TOKENS, *self.known_options))
        if not connection.credential:
            raise ConnectionInvalid(f"Connection {connection.name!r} has no credential: {self.title} needs an API key.")
        if not connection.credential.isascii() or not connection.credential.isprintable():
            raise ConnectionInvalid(
                f"The credential of connection {connection.name!r} has characters that no header can carry: "
                "paste the vendor's key alone, without spaces or line ends."
            )
        model = f"{base_url(connection, version=self.version)}{self.models_path}/{{model}}"
        return Upstream(
            url=f"{model}:{_METHODS[wire]}",
            stream_url=f"{model}:streamGenerateContent" if wire is Wire.GEMINI_GENERATE else "",
            headers=(("content-type", "application/json"), self.authorisation(connection)),
        )

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound the input by bytes: the tokenizer makes at most one token of a byte, and JSON never spells text in
        fewer bytes than UTF-8 does. Schemas are written out anew by a template, which adds its own words once and
        around each content. Of a request for embeddings only the texts reach the model. An image costs what the
        connection says, or the catalogue of the model. Where a request does not ask for text, a model may draw or
        speak. Raises RequestUnbounded.
        """
        if wire is Wire.GEMINI_COUNT_TOKENS:
            return Bound(input_tokens=0, choices=0)
        images = self._image_tokens(connection, fields) if wire is Wire.GEMINI_GENERATE else 0
        others = fields.inline_media - (fields.images if images else 0)
        if fields.remote_media or others or any(kind != "text" for kind in fields.modalities):
            allowed = "text, or images by value" if images else "text"
            raise RequestUnbounded(
                f"The request holds images, audio, video or files, or asks for them, and their cost at {self.title} "
                f"has no known bound: send {allowed}."
            )
        if fields.paid_tools:
            raise RequestUnbounded(
                f"The request uses {fields.paid_tools[0]!r}, which runs at {self.title} and brings in what is not in "
                "the request, so that nothing bounds its cost: remove it, or offer it as a function of your own."
            )
        if wire in _EMBEDDING:
            return Bound(input_tokens=_embedded(fields), choices=0)
        schemas = fields.schema_bytes + PREAMBLE_TOKENS if fields.schema_bytes else 0
        return Bound(
            input_tokens=fields.body_bytes
            - fields.media_bytes
            + images * fields.images
            + schemas
            + PREAMBLE_TOKENS
            + MESSAGE_TOKENS * fields.messages,
            has_media=fields.images > 0,
            choices=fields.choices,
            may_output_media=not fields.modalities,
            service_tiers=self._billable_tiers(fields.service_tier),
        )

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Nothing: the vendor reports usage without being asked."""
        return {}

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """Write the maximum into the generation config, in the client's own spelling if it has one."""
        if wire is not Wire.GEMINI_GENERATE:
            return {}
        holder, raw = next(((name, raw) for name, raw in fields.holders.items() if name != "model"), (CONFIG, b"{}"))
        config = b"{}" if raw == b"null" else raw
        spelling = next((name for name in Members(config).values if name == _SNAKE_MAXIMUM), MAXIMUM)
        return {holder: msgspec.Raw(splice(config, {spelling: maximum}))}

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read the `usageMetadata` of a whole reply; counting tokens uses none. Raises UsageUnreadable."""
        if wire is Wire.GEMINI_COUNT_TOKENS:
            return UsageReport(usage=_NOTHING, raw=b"")
        return read_reply(body)

    def unreported(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Usage | None:
        """Embeddings are answered without usage: the most that their texts can be is booked."""
        return Usage(input_tokens=_embedded(fields), output_tokens=0) if wire in _EMBEDDING else None

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter that hides nothing."""
        return GeminiStreamMeter(choices=fields.choices)

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """Read what the vendor documents of its errors."""
        return read_error(status=status, body=body)

    def _image_tokens(self, connection: ConnectionSettings, fields: GoverningFields) -> int:
        """Return the most tokens that an image costs: with the models of this connection, or else with the one that is
        asked; 0 where nobody said.
        """
        if IMAGE_TOKENS in connection.options:
            return int(connection.options[IMAGE_TOKENS])
        return 0 if fields.media is None else bound_for(fields.media.bounds, IMAGE_INPUT_TOKENS) or 0

    def _billable_tiers(self, asked: str | None) -> tuple[str, ...]:
        if asked is None:
            return ()
        if asked not in self._service_tiers:
            raise RequestUnbounded(
                f"The service tier {asked[:64]!r} has no known price at {self.title}: remove the field 'serviceTier'."
            )
        return self._service_tiers[asked]


def _refuse_options(connection: ConnectionSettings, *, known: tuple[str, ...]) -> None:
    for option, value in connection.options.items():
        if option not in known:
            raise ConnectionInvalid(
                f"Connection {connection.name!r} has the unknown option {option!r}: use {' or '.join(known)}."
            )
        if option == IMAGE_TOKENS and not (
            value.isascii() and value.isdecimal() and 0 < len(value) <= 6 and 1 <= int(value) <= MAX_IMAGE_TOKENS
        ):
            raise ConnectionInvalid(
                f"Option {option!r} of connection {connection.name!r} must be a whole number from 1 to "
                f"{MAX_IMAGE_TOKENS}: the most tokens that an image costs with its models."
            )


def _embedded(fields: GoverningFields) -> int:
    return (fields.text_bytes or fields.body_bytes) + MESSAGE_TOKENS * fields.messages
