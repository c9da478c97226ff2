"""What decides the cost of a Responses request, read strictly: a doubtful number is refused, never guessed.

Fields that decide nothing are not read; the body itself is forwarded as bytes.
"""

import re
from typing import Final

import msgspec

from governance.plugin import reading
from governance.plugin.errors import RequestInvalid
from governance.plugin.media import MediaRequest
from governance.plugin.openai_responses._items import InputReading, read_input
from governance.plugin.openai_responses._tools import paid_tools
from governance.plugin.provider import GoverningFields
from governance.plugin.splicing import Members

MAX_OUTPUT_TOKENS: Final = 2**31 - 1
MAXIMUM_FIELD: Final = "max_output_tokens"

_STORED_CONTEXT: Final = ("previous_response_id", "conversation", "prompt")
_PAID_FIELDS: Final = (
    "access_programs",
    "context_management",
    "deferred",
    "enable_search",
    "inference_geo",
    "moderation",
    "n",
    "plugins",
    "search_parameters",
    "speed",
)
"""Fields that can cost what is neither their own bytes nor output within the maximum."""
_SCHEMA_FIELDS: Final = ("tools", "text")
_CACHED: Final = ("prompt_cache_options", "input")
_LONG_CACHE: Final = re.compile(rb'"ttl"\s*:\s*"(?!30m")')
"""A cache breakpoint, or the default of all, that is to last longer than the usual half hour."""


class _Reasoning(msgspec.Struct):
    mode: str | None = None


_string = msgspec.json.Decoder(str | None)
_boolean = msgspec.json.Decoder(bool | None)
_reasoning = msgspec.json.Decoder(_Reasoning | None)


def read_responses_request(body: bytes) -> GoverningFields:
    """Return what governs the cost of this request. Raises RequestInvalid with a sentence for the client."""
    return responses_fields(Members(body))


def responses_fields(members: Members) -> GoverningFields:
    """Read an already located body: a caller that splices it afterwards locates its members only once."""
    values = _values(members)
    if "background_options" in values and reading.is_set(values["background_options"]):
        raise RequestInvalid(
            "Options of background replies are not served, because nobody documents what they cost: remove "
            "'background_options'.",
            field="background_options",
        )
    is_background = bool(reading.value(values, "background", _boolean, "true or false"))
    maximum = reading.count(values, MAXIMUM_FIELD, MAX_OUTPUT_TOKENS)
    stream = reading.value(values, "stream", _boolean, "true or false")
    fields = _fields(members.body, values, maximum=maximum, is_stream=bool(stream))
    return msgspec.structs.replace(fields, background=True) if is_background else fields


def input_tokens_fields(members: Members) -> GoverningFields:
    """Read a request that only counts its own tokens, without an answer: it is never a stream."""
    return _fields(members.body, _values(members), maximum=0, is_stream=False)


def _values(members: Members) -> dict[str, msgspec.Raw]:
    """Return the members. Letters that are spelt as escapes hide names: then all are spelt anew, which is seldom."""
    return reading.respelt(members.values) if reading.has_spelt_letters(members.body) else members.values


def _fields(body: bytes, values: dict[str, msgspec.Raw], *, maximum: int | None, is_stream: bool) -> GoverningFields:
    reading.refuse_choosers(values)
    reading.refuse_stored(values, _STORED_CONTEXT)
    found = read_input(values["input"]) if "input" in values else InputReading()
    has_instructions = reading.value(values, "instructions", _string, "a string") is not None
    return GoverningFields(
        model=reading.model_name(values),
        stream=is_stream,
        body_bytes=len(body),
        messages=found.items + has_instructions,
        max_output_tokens=maximum,
        maximum_fields=(MAXIMUM_FIELD,) if maximum else (),
        schema_bytes=sum(map(len, found.tools))
        + sum(len(bytes(values[name])) for name in _SCHEMA_FIELDS if name in values),
        client_wants_usage=True,
        service_tier=reading.value(values, "service_tier", _string, "a string"),
        remote_media=found.shown.remote,
        inline_media=found.shown.inline,
        images=len(found.shown.details),
        media_bytes=found.shown.bytes,
        media=MediaRequest(details=tuple(found.shown.details)) if found.shown.details else None,
        paid_tools=_paid(values, found.paid),
        asks_long_cache=any(_LONG_CACHE.search(values[name]) is not None for name in _CACHED if name in values),
    )


def _paid(values: dict[str, msgspec.Raw], found: set[str]) -> tuple[str, ...]:
    paid = found | {name for name in _PAID_FIELDS if name in values and reading.is_set(values[name])}
    reasoning = reading.value(values, "reasoning", _reasoning, "an object")
    if reasoning is not None:
        Members(bytes(values["reasoning"]))
        if reasoning.mode not in (None, "standard"):
            paid.add(f"reasoning.mode {reasoning.mode[:64]}")
    if "tools" in values:
        paid.update(paid_tools(values["tools"], field="tools"))
    return tuple(sorted(paid))
