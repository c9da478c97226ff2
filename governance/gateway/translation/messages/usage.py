"""Usage as the messages wire shows it: input tokens leave out cached ones, output tokens include thinking."""

import msgspec

from governance.gateway.translation.reading import counted
from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import Usage


class _Creation(msgspec.Struct):
    ephemeral_1h_input_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """The `usage` object of an answer, or of an event: there a missing count is as it was before."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    output_tokens_details: _OutputDetails | None = None


_usage = msgspec.json.Decoder(WireUsage | None)


def wire_usage(raw: msgspec.Raw) -> WireUsage | None:
    """Return what an event or an answer says; None where it says nothing, or nothing that can be read."""
    return counted(raw, _usage)


def merged(before: WireUsage | None, after: WireUsage | None) -> WireUsage | None:
    """Return the counts of a later event over those of an earlier one: they are totals, so they replace."""
    if before is None or after is None:
        return after or before
    newer = {
        name: value if (value := getattr(after, name)) is not None else getattr(before, name)
        for name in WireUsage.__struct_fields__
    }
    return WireUsage(**newer)


def read_usage(reported: WireUsage | None) -> Usage | None:
    """Return the counts for the client's eyes; None where there are none, or none that can be believed."""
    if reported is None:
        return None
    written = reported.cache_creation_input_tokens or 0
    read = reported.cache_read_input_tokens or 0
    long = (reported.cache_creation.ephemeral_1h_input_tokens if reported.cache_creation else None) or 0
    thought = (reported.output_tokens_details.thinking_tokens if reported.output_tokens_details else None) or 0
    try:
        return Usage(
            input_tokens=(reported.input_tokens or 0) + written + read,
            output_tokens=reported.output_tokens or 0,
            cache_read_input_tokens=read,
            cache_write_input_tokens=written,
            cache_write_long_input_tokens=min(long, written),
            reasoning_output_tokens=min(thought, reported.output_tokens or 0),
        )
    except UsageUnreadable:
        return None


def write_usage(usage: Usage | None) -> dict[str, object]:
    """Return the `usage` object. The wire has no way to say that nothing is known: then it says zero."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    read, written = usage.cache_read_input_tokens, usage.cache_write_input_tokens
    long = usage.cache_write_long_input_tokens
    return {
        "input_tokens": max(0, usage.input_tokens - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": max(0, written - long),
            "ephemeral_1h_input_tokens": long,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_output_tokens},
    }
