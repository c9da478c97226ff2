"""Usage as Gemini's API reports it, in replies and in every chunk of a stream.

Prompt and candidates leave out what tools brought in and what was thought; zeros are left out; totals are the sum.
"""

import re
from collections.abc import Iterable

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import LONGEST_TOKEN_BYTES, Usage, UsageReport

VISIBLE = re.compile(rb'"(?:text|code|output)"\s*:\s*"((?:[^"\\]++|\\.)*+)"')
"""A piece of output that a client sees, as JSON spells it."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NULL = msgspec.Raw(b"null")
_TIERS = {
    "on_demand": "standard",
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
    "on_demand_offpeak": "offpeak",
    "unspecified": None,
    "traffic_type_unspecified": None,
}
"""What Vertex says in `trafficType`, as the tiers that Gemini's own API names in `serviceTier`."""


class _Detail(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: int = 0


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: tuple[_Detail, ...] = ()
    cache_tokens_details: tuple[_Detail, ...] = ()
    candidates_tokens_details: tuple[_Detail, ...] = ()
    tool_use_prompt_tokens_details: tuple[_Detail, ...] = ()
    service_tier: str | None = None
    traffic_type: str | None = None


class _Reply(msgspec.Struct, rename="camel"):
    usage_metadata: msgspec.Raw = _NULL
    model_version: str | None = None


_usage = msgspec.json.Decoder(_Usage)
_reply = msgspec.json.Decoder(_Reply)


def read_reply(body: bytes) -> UsageReport | None:
    """Read the usage of a whole reply; None when it reports none. Raises UsageUnreadable."""
    try:
        reply = _reply.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not the JSON of generated content: {error}.") from error
    raw = bytes(reply.usage_metadata)
    if raw == b"null":
        return None
    report = read_usage(raw, served_model=reply.model_version)
    if len(body) <= report.usage.output_tokens * LONGEST_TOKEN_BYTES:
        return report
    shown = sum(found.end(1) - found.start(1) for found in VISIBLE.finditer(body))
    return msgspec.structs.replace(report, visible_output_bytes=shown)


def read_usage(raw: bytes, *, served_model: str | None = None) -> UsageReport:
    """Read one `usageMetadata` object. Raises UsageUnreadable when a count is negative, fractional or absurd."""
    try:
        reported = _usage.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's usage report is not what Gemini's API says: {error}.") from error
    return UsageReport(
        usage=_normalised(reported),
        raw=raw,
        served_model=served_model,
        service_tier=_tier(reported),
    )


def _normalised(reported: _Usage) -> Usage:
    input_tokens = reported.prompt_token_count + reported.tool_use_prompt_token_count
    visible, thoughts = reported.candidates_token_count, reported.thoughts_token_count
    # A total of more than its parts: whatever it is, it is billed, and at most as output.
    hidden = max(0, reported.total_token_count - input_tokens - visible - thoughts)
    cached_audio = _of(reported.cache_tokens_details, "AUDIO")
    prompt = (*reported.prompt_tokens_details, *reported.tool_use_prompt_tokens_details)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=visible + thoughts + hidden,
        # Cached audio has no class of its own: it stays with the audio, which is dearer.
        cache_read_input_tokens=max(0, reported.cached_content_token_count - cached_audio),
        audio_input_tokens=_of(prompt, "AUDIO"),
        image_input_tokens=max(0, _of(prompt, "IMAGE") - _of(reported.cache_tokens_details, "IMAGE")),
        reasoning_output_tokens=thoughts + hidden,
        audio_output_tokens=_of(reported.candidates_tokens_details, "AUDIO"),
        image_output_tokens=_of(reported.candidates_tokens_details, "IMAGE"),
    )


def _of(details: Iterable[_Detail], modality: str) -> int:
    return sum(detail.token_count for detail in details if detail.modality == modality)


def _tier(reported: _Usage) -> str | None:
    tier = (reported.service_tier or reported.traffic_type or "").lower()
    return _TIERS.get(tier, tier) if tier else None
