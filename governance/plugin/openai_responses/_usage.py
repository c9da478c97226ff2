"""Usage as vendors of the Responses wire report it, in replies and in the events that end a stream.

What the counts include differs from vendor to vendor, so both conventions are arguments without a default.
"""

import re
from decimal import Decimal
from typing import Final

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.openai_chat import usd_of_ticks
from governance.plugin.usage import LONGEST_TOKEN_BYTES, Usage, UsageReport

SHOWN: Final = re.compile(rb'"(?:text|arguments|refusal|input)"\s*:\s*"((?:[^"\\]++|\\.)*+)"')
"""A piece of output that a reply shows, as JSON spells it."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NULL: Final = msgspec.Raw(b"null")
_TIERS: Final = {"default": "standard", "auto": None, "fast": "priority"}


class _WriteDetails(msgspec.Struct):
    ttl_12h_tokens: int | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _WriteDetails | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Searches(msgspec.Struct):
    """xAI counts calls by their place, OpenRouter requests."""

    web_search_calls: int | None = None
    x_search_calls: int | None = None
    web_search_requests: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    server_side_tool_usage_details: _Searches | None = None
    server_tool_use_details: _Searches | None = None
    cost_in_usd_ticks: int | None = None
    cost: Decimal | None = None


class _WebSearches(msgspec.Struct):
    num_requests: int | None = None


class _ToolUsage(msgspec.Struct):
    web_search: _WebSearches | None = None


class _Action(msgspec.Struct):
    type: str | None = None


class _OutputItem(msgspec.Struct):
    type: str | None = None
    action: msgspec.Raw = _NULL


class Response(msgspec.Struct):
    """What of a response, whole or within the event that ends a stream, is read."""

    usage: msgspec.Raw = _NULL
    output: msgspec.Raw = _NULL
    tool_usage: _ToolUsage | None = None
    model: str | None = None
    service_tier: str | None = None


_usage = msgspec.json.Decoder(_Usage)
_response = msgspec.json.Decoder(Response)
_output = msgspec.json.Decoder(list[_OutputItem] | None)
_action = msgspec.json.Decoder(_Action | None)
_NO_INPUT_DETAILS = _InputDetails()
_NO_OUTPUT_DETAILS = _OutputDetails()


def read_response(body: bytes, *, input_includes_cache: bool, output_includes_reasoning: bool) -> UsageReport | None:
    """Read usage from a whole reply; None when it carries none. Raises UsageUnreadable when it cannot be believed."""
    try:
        response = _response.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not the JSON of a response: {error}.") from error
    report = usage_report(
        response, input_includes_cache=input_includes_cache, output_includes_reasoning=output_includes_reasoning
    )
    if report is None or len(body) <= report.usage.output_tokens * LONGEST_TOKEN_BYTES:
        return report
    shown = sum(found.end(1) - found.start(1) for found in SHOWN.finditer(bytes(response.output)))
    return msgspec.structs.replace(report, visible_output_bytes=shown)


def usage_report(
    response: Response, *, input_includes_cache: bool, output_includes_reasoning: bool
) -> UsageReport | None:
    """Return the usage of a response; None when it reports none. Raises UsageUnreadable when a count is no count.

    `input_includes_cache`: whether `input_tokens` counts cached tokens (OpenAI's, xAI's and DeepSeek's do).
    `output_includes_reasoning`: whether `output_tokens` counts reasoning (theirs do; on this wire xAI's as well).
    """
    raw = bytes(response.usage)
    if raw == b"null":
        return None
    try:
        reported = _usage.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's usage report is not what the Responses wire says: {error}.") from error
    details = reported.input_tokens_details or _NO_INPUT_DETAILS
    out = reported.output_tokens_details or _NO_OUTPUT_DETAILS
    read, write = details.cached_tokens or 0, details.cache_write_tokens or 0
    reasoning = out.reasoning_tokens or 0
    writes = details.cache_write_tokens_details
    return UsageReport(
        usage=Usage(
            input_tokens=reported.input_tokens + (0 if input_includes_cache else read + write),
            output_tokens=reported.output_tokens + (0 if output_includes_reasoning else reasoning),
            cache_read_input_tokens=read,
            cache_write_input_tokens=write,
            cache_write_long_input_tokens=(writes.ttl_12h_tokens or 0) if writes is not None else 0,
            audio_input_tokens=details.audio_tokens or 0,
            image_input_tokens=details.image_tokens or 0,
            reasoning_output_tokens=reasoning,
            audio_output_tokens=out.audio_tokens or 0,
            image_output_tokens=out.image_tokens or 0,
            web_search_calls=_searches(reported, response),
        ),
        raw=raw,
        served_model=response.model,
        service_tier=_TIERS.get(response.service_tier or "", response.service_tier),
        vendor_cost=_vendor_cost(reported),
    )


def _searches(reported: _Usage, response: Response) -> int:
    """Return how many searches are billed: as the vendor counts them, else as many as the output shows."""
    counts = reported.server_side_tool_usage_details or reported.server_tool_use_details
    if counts is not None:
        return (counts.web_search_calls or 0) + (counts.x_search_calls or 0) + (counts.web_search_requests or 0)
    usage = response.tool_usage
    if usage is not None and usage.web_search is not None and usage.web_search.num_requests is not None:
        return usage.web_search.num_requests
    return _searches_shown(response.output)


def _searches_shown(output: msgspec.Raw) -> int:
    """Count the searches among the output items: a call that opens a page or looks for words in it is none."""
    if b"web_search_call" not in bytes(output):
        return 0
    try:
        calls = [item for item in _output.decode(output) or () if item.type == "web_search_call"]
        actions = [_action.decode(item.action) for item in calls]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's output items cannot be counted: {error}.") from error
    return sum(action is None or action.type in (None, "search") for action in actions)


def _vendor_cost(reported: _Usage) -> str | None:
    cost = reported.cost
    if reported.cost_in_usd_ticks is not None:
        cost = usd_of_ticks(reported.cost_in_usd_ticks)
    if cost is None or not cost.is_finite() or cost < 0:
        return None
    return f"{cost:f}"
