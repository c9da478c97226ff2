"""Claude models by InvokeModel: Anthropic's messages wire, with the model and the stream in the address. (By Bedrock's
Messages API it is the wire as it is.)

The body is Anthropic's without `model` and `stream`, and with a version of Bedrock's own; what a client's header
`anthropic-beta` asks for stands in the body too. Usage is Anthropic's own. Where inference happens is said by the
model's name (`us.`, `eu.`, `global.`), and so is what it costs; service tiers, fast inference and web search are not
to be had by this API. Source: docs.aws.amazon.com/bedrock (Anthropic Claude Messages API).
"""

import msgspec

from bursar_plugin_bedrock.errors import read_error
from governance.plugin import ConnectionSettings, ErrorReading, GoverningFields, RequestUnbounded, Wire
from governance.plugin.anthropic_messages import AnthropicMessagesProvider

_VERSION = "bedrock-2023-05-31"
_MANTLE = "//bedrock-mantle."


class Claude(AnthropicMessagesProvider):
    """The base with Bedrock's body and errors."""

    wires = frozenset({Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_COUNT_TOKENS})

    def service_tiers(self, *, connection: ConnectionSettings, fields: GoverningFields) -> tuple[str, ...]:
        """Refuse what has no price here: a place but in the model's name, and speed. Raises RequestUnbounded."""
        if fields.inference_geo is not None:
            raise RequestUnbounded(
                "On Amazon Bedrock the model's name says where inference happens (us., eu., global.): remove the field "
                "'inference_geo' and name another model."
            )
        if fields.speed is not None:
            raise RequestUnbounded("Amazon Bedrock has one speed of inference: remove the field 'speed'.")
        return super().service_tiers(connection=connection, fields=fields)

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Take out what stands in the address, or has one value here, and put in what stands in headers elsewhere."""
        if not is_invoked(connection, wire):
            return {}
        edits: dict[str, object] = {
            "model": msgspec.UNSET,
            "stream": msgspec.UNSET,
            "service_tier": msgspec.UNSET,
            "anthropic_version": _VERSION,
        }
        return {**edits, "anthropic_beta": list(fields.betas)} if fields.betas else edits

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """Read the error as Bedrock means it."""
        return read_error(status=status, body=body)


def is_invoked(connection: ConnectionSettings, wire: Wire) -> bool:
    """Return whether this connection asks Claude models by the body of InvokeModel. Counts are asked so wherever the
    host is not the one that has Anthropic's own.
    """
    if wire is Wire.ANTHROPIC_COUNT_TOKENS:
        return _MANTLE not in connection.base_url
    return connection.options.get("api") != "messages"
