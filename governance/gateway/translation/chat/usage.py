"""Usage as the chat wire shows it: prompt tokens include cached ones, completion tokens include reasoning."""

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
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


_usage = msgspec.json.Decoder(_Usage | None)


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """Return the counts of a `usage` object for the client's eyes; None where there are none that can be believed.

    Some vendors leave reasoning out of `completion_tokens` (xAI), or say it nowhere but in the total (Gemini's chat
    wire): what the total has beyond the prompt is output.
    """
    reported = counted(raw, _usage)
    if reported is None:
        return None
    prompt = reported.prompt_tokens or 0
    before = reported.prompt_tokens_details or _InputDetails()
    after = reported.completion_tokens_details or _OutputDetails()
    visible = reported.completion_tokens or 0
    output = max(visible, (reported.total_tokens or 0) - prompt)
    try:
        return Usage(
            input_tokens=prompt,
            output_tokens=output,
            cache_read_input_tokens=before.cached_tokens or 0,
            cache_write_input_tokens=before.cache_write_tokens or 0,
            reasoning_output_tokens=min(output, after.reasoning_tokens or output - visible),
        )
    except UsageUnreadable:
        return None


def write_usage(usage: Usage) -> dict[str, object]:
    """Return the `usage` object."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens,
            "cache_write_tokens": usage.cache_write_input_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
    }
