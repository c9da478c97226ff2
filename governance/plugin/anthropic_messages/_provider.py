"""A provider that speaks the Anthropic messages wire, from a few declarations."""

from enum import StrEnum

from governance.plugin.anthropic_messages._meter import MessageStreamMeter
from governance.plugin.anthropic_messages._request import MAXIMUM_FIELD
from governance.plugin.anthropic_messages._usage import STANDARD, read_count_reply, read_messages_reply, tier_name
from governance.plugin.errors import ConnectionInvalid, RequestUnbounded
from governance.plugin.openai_chat import base_url
from governance.plugin.provider import (
    AfterDisconnect,
    Billing,
    Bound,
    ConnectionSettings,
    ErrorReading,
    GoverningFields,
    StreamMeter,
    Upstream,
    Wire,
)
from governance.plugin.usage import UsageReport

DEFAULT_VERSION = "2023-06-01"
"""What goes out as `anthropic-version` where a client names none: the version that every request shape fits."""

PREAMBLE_TOKENS = 512
"""What a template adds once. The largest in the recordings, without tools, is about 40."""
TOOL_PREAMBLE_TOKENS = 2048
"""What tools add once: the vendor's page lists up to about 800 tokens of instructions for them."""
VENDOR_TOOL_TOKENS = 4096
"""One tool that the vendor defines: its page lists 245 (bash) to about 1,250 tokens (computer)."""
BLOCK_TOKENS = 16
"""What a template adds around a message or a content block: role names and separators."""
IMAGE_TOKENS = 5000
"""One image: a token for each 28 x 28 pixels, and larger images are scaled down to 4,784 tokens before they are
counted (platform.claude.com, "Vision"); the rest is for what stands around it.
"""

_UNBILLED = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
_RETRYABLE = frozenset({408, 409, 425, 429})
_ELSEWHERE = frozenset({401, 402, 403, 404})
_EXHAUSTED = (b"enforced_spend_limit_reached", b"billing_error", b"credit balance is too low")


class KeyHeader(StrEnum):
    """Where a vendor takes its key."""

    X_API_KEY = "x-api-key"
    BEARER = "authorization"


class AnthropicMessagesProvider:
    """The shared base of vendors with this wire: construct it with what differs, or override a method.

    `/v1/messages` follows the base URL, which may end with or without `/v1`. A subclass says otherwise where a stream's
    first event does not tell what the input was (`tells_input_at_once`), or where nothing is known of what an image
    costs (`bounds_images`).
    """

    wires = frozenset({Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_COUNT_TOKENS})
    tells_input_at_once = True
    bounds_images = True

    def __init__(self, *, name: str, title: str, default_base_url: str, needs_credential: bool) -> None:
        self.name = name
        self.title = title
        self.default_base_url = default_base_url
        self.needs_credential = needs_credential
        self.after_disconnect = AfterDisconnect.DRAIN

    def key_header(self, connection: ConnectionSettings) -> KeyHeader:
        """Return where this connection's key goes; override where an option decides, or the vendor differs."""
        return KeyHeader.X_API_KEY

    def service_tiers(self, *, connection: ConnectionSettings, fields: GoverningFields) -> tuple[str, ...]:
        """Return the names of the prices that this request may be billed at (see `tier_name`). Raises RequestUnbounded.

        Override it where the account itself decides. What was asked for has to have a price, or it is refused; fast
        inference may come back as standard.
        """
        if fields.service_tier not in (None, "auto", "standard_only"):
            raise self._unpriced("service tier", fields.service_tier, "service_tier")
        if fields.speed not in (None, STANDARD, "fast"):
            raise self._unpriced("speed", fields.speed, "speed")
        speeds = (STANDARD, "fast") if fields.speed == "fast" else (STANDARD,)
        return tuple(tier_name(None, speed, fields.inference_geo) for speed in speeds)

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Join base URL and path, authorise, and name a version for who names none. Raises ConnectionInvalid."""
        headers = [("content-type", "application/json"), ("anthropic-version", DEFAULT_VERSION)]
        if connection.credential:
            if not connection.credential.isascii() or not connection.credential.isprintable():
                raise ConnectionInvalid(
                    f"The credential of connection {connection.name!r} has characters that no header can carry: "
                    "paste the vendor's key alone, without spaces or line ends."
                )
            header = self.key_header(connection)
            value = f"Bearer {connection.credential}" if header is KeyHeader.BEARER else connection.credential
            headers.append((header.value, value))
        elif self.needs_credential:
            raise ConnectionInvalid(f"Connection {connection.name!r} has no credential: {self.title} needs an API key.")
        base = base_url(connection)
        versioned = base if base.endswith("/v1") else f"{base}/v1"
        path = "/messages/count_tokens" if wire is Wire.ANTHROPIC_COUNT_TOKENS else "/messages"
        return Upstream(url=versioned + path, headers=tuple(headers))

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound the input by bytes, and images by the number of tokens to which the vendor scales them down. Text is at
        most a token per byte, and JSON never spells it in fewer bytes than UTF-8 does; a template writes tools and
        schemas out anew, with at most a space for each of their bytes. A count of tokens is free. Raises
        RequestUnbounded.
        """
        if wire is Wire.ANTHROPIC_COUNT_TOKENS:
            return Bound(input_tokens=0, choices=fields.choices)
        if fields.paid_tools:
            raise RequestUnbounded(
                f"The request uses {fields.paid_tools[0]!r}, whose cost at {self.title} has no known bound: remove it."
            )
        if fields.images and not self.bounds_images:
            raise RequestUnbounded(
                f"The request holds images, whose cost at {self.title} has no known bound: send text."
            )
        if fields.remote_media + fields.inline_media > fields.images:
            raise RequestUnbounded(
                f"The request holds documents that are not text, whose cost at {self.title} has no known bound: send "
                "their text, or images of their pages."
            )
        tools = TOOL_PREAMBLE_TOKENS if fields.schema_bytes else 0
        return Bound(
            input_tokens=fields.body_bytes
            - fields.media_bytes
            + fields.images * IMAGE_TOKENS
            + fields.schema_bytes
            + tools
            + fields.vendor_tools * VENDOR_TOOL_TOKENS
            + PREAMBLE_TOKENS
            + BLOCK_TOKENS * fields.messages,
            choices=fields.choices,
            service_tiers=self.service_tiers(connection=connection, fields=fields),
        )

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Nothing has to be asked for: this wire always reports usage."""
        return {}

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """Write the one maximum of this wire; a count of tokens has none."""
        return {MAXIMUM_FIELD: maximum} if wire is Wire.ANTHROPIC_MESSAGES else {}

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read the `usage` of a whole reply. Raises UsageUnreadable."""
        return read_count_reply(body) if wire is Wire.ANTHROPIC_COUNT_TOKENS else read_messages_reply(body)

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter that knows the input once the message begins, unless the vendor's tools may add to it."""
        return MessageStreamMeter(
            service_tiers=self.service_tiers(connection=connection, fields=fields),
            may_grow=bool(fields.paid_tools) or not self.tells_input_at_once,
        )

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """A refusal before any work is unbilled; anything else, an overload (529) included, is unknown. A spend limit
        or an empty balance is not worth a retry, though another vendor may be, as for a credential or a model that this
        one does not take.
        """
        is_exhausted = status == 402 or any(code in body for code in _EXHAUSTED)
        is_retryable = (status in _RETRYABLE or status >= 500) and not is_exhausted
        return ErrorReading(
            billing=Billing.UNBILLED if status in _UNBILLED else Billing.UNKNOWN,
            is_retryable=is_retryable,
            may_work_elsewhere=is_retryable or is_exhausted or status in _ELSEWHERE,
        )

    def _unpriced(self, what: str, value: str | None, field: str) -> RequestUnbounded:
        return RequestUnbounded(
            f"The {what} {str(value)[:64]!r} has no known price at {self.title}: remove the field {field!r}."
        )
