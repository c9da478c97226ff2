"""A provider that speaks the Responses wire beside the chat wire, from a few declarations."""

import msgspec

from governance.plugin.openai_chat import OpenAIChatProvider
from governance.plugin.openai_responses._meter import ResponsesStreamMeter
from governance.plugin.openai_responses._request import MAXIMUM_FIELD
from governance.plugin.openai_responses._usage import read_response
from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, StreamMeter, Wire
from governance.plugin.usage import TokenClass, Usage, UsageReport


class ResponsesConventions(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor's counts on this wire mean; they may differ from those of its chat wire. There are no defaults.

    `input_includes_cache`: `input_tokens` counts cached tokens. `output_includes_reasoning`: `output_tokens` counts
    reasoning.
    """

    input_includes_cache: bool
    output_includes_reasoning: bool


class OpenAIResponsesProvider(OpenAIChatProvider):
    """The chat base with `POST /responses`, and `POST /responses/input_tokens` where a subclass has it among its wires.

    A subclass sets `responses_conventions`. The bound is the chat wire's: bytes of the request, and what a template
    adds around each item.
    """

    wires = frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES})
    responses_path = "/responses"
    responses_conventions: ResponsesConventions

    def path_of(self, wire: Wire) -> str:
        """Return what follows the base URL."""
        if wire is Wire.OPENAI_RESPONSES:
            return self.responses_path
        if wire is Wire.OPENAI_INPUT_TOKENS:
            return f"{self.responses_path}/input_tokens"
        return super().path_of(wire)

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound a count of tokens by nothing, since it is free; all else as the base does; a cache that is to
        last needs a price of its own. Raises RequestUnbounded.
        """
        if wire is Wire.OPENAI_INPUT_TOKENS:
            return Bound(input_tokens=0, choices=0)
        bound = super().bound(wire=wire, connection=connection, fields=fields)
        if fields.asks_long_cache:
            return msgspec.structs.replace(bound, priced=(TokenClass.CACHE_WRITE_LONG,))
        return bound

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Usage comes without asking, and there is but one cap."""
        if wire in _OWN:
            return {}
        return super().body_edits(wire=wire, connection=connection, fields=fields)

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """Write the maximum where this wire has it."""
        if wire in _OWN:
            return {MAXIMUM_FIELD: maximum} if wire is Wire.OPENAI_RESPONSES else {}
        return super().maximum_edits(wire=wire, connection=connection, fields=fields, maximum=maximum)

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read the `usage` of a whole reply. Raises UsageUnreadable."""
        if wire is Wire.OPENAI_INPUT_TOKENS:
            return UsageReport(usage=Usage(input_tokens=0, output_tokens=0), raw=b"")
        if wire is not Wire.OPENAI_RESPONSES:
            return super().read_reply(wire=wire, connection=connection, body=body)
        conventions = self.responses_conventions
        return read_response(
            body,
            input_includes_cache=conventions.input_includes_cache,
            output_includes_reasoning=conventions.output_includes_reasoning,
        )

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter that waits for the event which ends the response."""
        if wire not in _OWN:
            return super().stream_meter(wire=wire, connection=connection, fields=fields)
        conventions = self.responses_conventions
        return ResponsesStreamMeter(
            input_includes_cache=conventions.input_includes_cache,
            output_includes_reasoning=conventions.output_includes_reasoning,
        )


_OWN = frozenset({Wire.OPENAI_RESPONSES, Wire.OPENAI_INPUT_TOKENS})
