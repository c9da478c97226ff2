"""Usage as the Responses wire shows it: input tokens include cached ones, output tokens include reasoning."""

import msgspec

from governance.gateway.translation.reading import counted
from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import Usage


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


_usage = msgspec.json.Decoder(_Usage | None)


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """Return the counts of a `usage` object for the client's eyes; None where there are none that can be believed."""
    reported = counted(raw, _usage)
    if reported is None:
        return None
    before = reported.input_tokens_details or _InputDetails()
    after = reported.output_tokens_details or _OutputDetails()
    output = reported.output_tokens or 0
    try:
        return Usage(
            input_tokens=reported.input_tokens or 0,
            output_tokens=output,
            cache_read_input_tokens=before.cached_tokens or 0,
            cache_write_input_tokens=before.cache_write_tokens or 0,
            reasoning_output_tokens=min(output, after.reasoning_tokens or 0),
        )
    except UsageUnreadable:
        return None


def write_usage(usage: Usage | None) -> dict[str, object] | None:
    """Return the `usage` object, or None where nothing is known."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens,
            "cache_write_tokens": usage.cache_write_input_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
