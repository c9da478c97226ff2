"""The OpenAI embeddings wire: reading requests and usage, and a provider base for vendors that speak it.

The vectors are passed on as they come and never read.
"""

from typing import Final

import msgspec

from governance.plugin import reading
from governance.plugin.errors import RequestInvalid, UsageUnreadable
from governance.plugin.openai_chat import OpenAIChatProvider
from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, Wire
from governance.plugin.splicing import Members
from governance.plugin.usage import Usage, UsageReport

_STORED: Final = ("file_id", "input_file", "input_file_id")


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Reply(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw(b"null")
    model: str | None = None


_string = msgspec.json.Decoder(str | None)
_inputs = msgspec.json.Decoder(list[str | int | list[int]])
_usage = msgspec.json.Decoder(_Usage)
_reply = msgspec.json.Decoder(_Reply)


def embeddings_fields(members: Members) -> GoverningFields:
    """Return what governs the cost of this request: texts, or lists of token numbers. Raises RequestInvalid."""
    values = members.values
    reading.refuse_choosers(values)
    reading.refuse_stored(values, _STORED)
    return GoverningFields(
        model=reading.model_name(values),
        stream=False,
        body_bytes=members.body_bytes,
        messages=_count_inputs(values),
        max_output_tokens=0,
        service_tier=reading.value(values, "service_tier", _string, "a string"),
    )


def read_embeddings_reply(body: bytes) -> UsageReport | None:
    """Read usage from a reply; None when it carries none. Raises UsageUnreadable when it cannot be believed."""
    try:
        reply = _reply.decode(body)
        raw = bytes(reply.usage)
        reported = None if raw == b"null" else _usage.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not the JSON of embeddings: {error}.") from error
    if reported is None:
        return None
    tokens = reported.prompt_tokens if reported.prompt_tokens is not None else reported.total_tokens
    if tokens is None:
        raise UsageUnreadable("The vendor reported neither prompt_tokens nor total_tokens.")
    return UsageReport(usage=Usage(input_tokens=tokens, output_tokens=0), raw=raw, served_model=reply.model)


class OpenAIEmbeddingsProvider(OpenAIChatProvider):
    """The chat base with `POST /embeddings`: combine it with others, and name all wires in `wires`."""

    wires = frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_EMBEDDINGS})

    def path_of(self, wire: Wire) -> str:
        """Return what follows the base URL."""
        return "/embeddings" if wire is Wire.OPENAI_EMBEDDINGS else super().path_of(wire)

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound the input as the base does; there is no output. Raises RequestUnbounded."""
        bound = super().bound(wire=wire, connection=connection, fields=fields)
        return msgspec.structs.replace(bound, choices=0) if wire is Wire.OPENAI_EMBEDDINGS else bound

    def maximum_edits(
        self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields, maximum: int
    ) -> dict[str, object]:
        """There is no output to cap."""
        if wire is Wire.OPENAI_EMBEDDINGS:
            return {}
        return super().maximum_edits(wire=wire, connection=connection, fields=fields, maximum=maximum)

    def read_reply(self, *, wire: Wire, connection: ConnectionSettings, body: bytes) -> UsageReport | None:
        """Read the `usage` of a reply. Raises UsageUnreadable."""
        if wire is Wire.OPENAI_EMBEDDINGS:
            return read_embeddings_reply(body)
        return super().read_reply(wire=wire, connection=connection, body=body)


def _count_inputs(values: dict[str, msgspec.Raw]) -> int:
    raw = values.get("input")
    if raw is None:
        raise RequestInvalid("The request has nothing to embed: set the field 'input'.", field="input")
    if bytes(raw).startswith(b'"'):
        return 1
    form = "a text, an array of texts, or arrays of token numbers: images and files have no known price here"
    return len(reading.decoded(raw, "input", _inputs, form))
