"""Usage as vendors of the OpenAI chat wire report it, in replies and in stream events.

What the counts include differs from vendor to vendor, so both conventions are arguments without a default.
"""

import re
from decimal import Decimal

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import LONGEST_TOKEN_BYTES, Usage, UsageReport

VISIBLE = re.compile(rb'(?:content|reasoning|arguments|refusal)"\s*:\s*"((?:[^"\\]++|\\.)*+)"')
"""A piece of output that a client sees, as JSON spells it."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NULL = msgspec.Raw(b"null")
_XAI_TICKS_PER_USD_EXPONENT = -10
_EXPLICIT_CACHE = "ephemeral"
"""How Qwen names a cache that the request asked for: the same field, half the price of a hit by chance."""
_STANDARD_TIERS = {"default": "standard", "auto": None}


class _WriteDetails(msgspec.Struct):
    ttl_12h_tokens: int | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_write_tokens_details: _WriteDetails | None = None
    cache_type: str | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _ToolUse(msgspec.Struct):
    web_search_requests: int | None = None
    web_search_calls: int | None = None


class _CostDetails(msgspec.Struct):
    upstream_inference_cost: Decimal | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    server_tool_use_details: _ToolUse | None = None
    server_side_tool_usage_details: _ToolUse | None = None
    cost_in_usd_ticks: int | None = None
    cost: Decimal | None = None
    is_byok: bool | None = None
    cost_details: _CostDetails | None = None


class _Reply(msgspec.Struct):
    usage: msgspec.Raw = _NULL
    model: str | None = None
    service_tier: str | None = None


_usage = msgspec.json.Decoder(_Usage)
_reply = msgspec.json.Decoder(_Reply)
_NO_INPUT_DETAILS = _InputDetails()
_NO_OUTPUT_DETAILS = _OutputDetails()
_NO_TOOLS = _ToolUse()


def read_chat_reply(body: bytes, *, input_includes_cache: bool, output_includes_reasoning: bool) -> UsageReport | None:
    """Read usage from a whole reply; None when it carries none. Raises UsageUnreadable when it cannot be believed."""
    try:
        reply = _reply.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not the JSON of a chat completion: {error}.") from error
    usage = bytes(reply.usage)
    if usage == b"null":
        return None
    report = read_chat_usage(
        usage,
        input_includes_cache=input_includes_cache,
        output_includes_reasoning=output_includes_reasoning,
        served_model=reply.model,
        service_tier=reply.service_tier,
    )
    if len(body) <= report.usage.output_tokens * LONGEST_TOKEN_BYTES:
        return report
    shown = sum(found.end(1) - found.start(1) for found in VISIBLE.finditer(body))
    return msgspec.structs.replace(report, visible_output_bytes=shown)


def read_chat_usage(
    raw: bytes,
    *,
    input_includes_cache: bool,
    output_includes_reasoning: bool,
    served_model: str | None = None,
    service_tier: str | None = None,
) -> UsageReport:
    """Read one `usage` object. Raises UsageUnreadable when a count is missing, negative, fractional or absurd.

    `input_includes_cache`: whether `prompt_tokens` counts cached tokens (OpenAI, Qwen, GLM, DeepSeek and xAI do).
    `output_includes_reasoning`: whether `completion_tokens` counts reasoning (xAI's and Gemini's chat wires do not).
    """
    try:
        reported = _usage.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's usage report is not what the chat wire says: {error}.") from error
    return UsageReport(
        usage=_normalised(reported, input_includes_cache, output_includes_reasoning),
        raw=raw,
        served_model=served_model,
        service_tier=_STANDARD_TIERS.get(service_tier, service_tier) if service_tier else None,
        vendor_cost=_vendor_cost(reported),
    )


def _normalised(reported: _Usage, input_includes_cache: bool, output_includes_reasoning: bool) -> Usage:
    details = reported.prompt_tokens_details or _NO_INPUT_DETAILS
    out = reported.completion_tokens_details or _NO_OUTPUT_DETAILS
    cache_read = details.cached_tokens or reported.prompt_cache_hit_tokens or reported.cached_tokens or 0
    cache_write = details.cache_write_tokens or details.cache_creation_input_tokens or 0
    long_write = details.cache_write_tokens_details.ttl_12h_tokens if details.cache_write_tokens_details else 0
    input_tokens = reported.prompt_tokens if input_includes_cache else reported.prompt_tokens + cache_read + cache_write
    reasoning = out.reasoning_tokens or reported.reasoning_tokens or 0
    output_tokens, hidden = _output(reported, input_tokens, reasoning, output_includes_reasoning)
    searches = reported.server_tool_use_details or reported.server_side_tool_usage_details or _NO_TOOLS
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_input_tokens=cache_read,
        cache_read_explicit_input_tokens=cache_read if details.cache_type == _EXPLICIT_CACHE else 0,
        cache_write_input_tokens=cache_write,
        cache_write_long_input_tokens=long_write or 0,
        audio_input_tokens=details.audio_tokens or 0,
        image_input_tokens=details.image_tokens or 0,
        reasoning_output_tokens=reasoning + hidden,
        audio_output_tokens=out.audio_tokens or 0,
        image_output_tokens=out.image_tokens or 0,
        web_search_calls=searches.web_search_requests or searches.web_search_calls or 0,
    )


def _output(reported: _Usage, input_tokens: int, reasoning: int, includes_reasoning: bool) -> tuple[int, int]:
    """Return all output tokens, and those that show only as the remainder of the total.

    Gemini's chat wire reports thinking nowhere but in `total_tokens`; a total that is more than its parts is output.
    """
    visible = reported.completion_tokens
    if visible is None and reported.total_tokens is None:
        raise UsageUnreadable("The vendor reported neither completion_tokens nor total_tokens.")
    counted = (visible or 0) + (0 if includes_reasoning else reasoning)
    remainder = (reported.total_tokens or 0) - input_tokens
    hidden = max(0, remainder - counted)
    return counted + hidden, hidden if visible is not None else 0


def usd_of_ticks(ticks: int) -> Decimal:
    """Return the USD of xAI's own account of a cost."""
    return Decimal(ticks).scaleb(_XAI_TICKS_PER_USD_EXPONENT)


def _vendor_cost(reported: _Usage) -> str | None:
    cost = reported.cost
    if reported.cost_in_usd_ticks is not None:
        cost = usd_of_ticks(reported.cost_in_usd_ticks)
    if cost is None or not cost.is_finite() or cost < 0:
        return None
    behind = _cost_behind(reported)
    return f"{cost + behind if behind else cost:f}"


def _cost_behind(reported: _Usage) -> Decimal | None:
    """What the vendor behind a gateway charges on the caller's own key there: the gateway's own cost is but a fee."""
    if not reported.is_byok or reported.cost_details is None:
        return None
    behind = reported.cost_details.upstream_inference_cost
    return behind if behind is not None and behind.is_finite() and behind > 0 else None
