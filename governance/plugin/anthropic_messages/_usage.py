"""Usage as the Anthropic messages wire reports it, in whole replies and in the two events of a stream that carry it.

`input_tokens` leaves out what was read from or written to the cache; `output_tokens` includes thinking. The classes
here include both, as everywhere in Bursar.
"""

import re
from typing import Annotated, TypeAlias

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import LONGEST_TOKEN_BYTES, MAX_COUNT, Usage, UsageReport

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]

VISIBLE = re.compile(rb'"(?:text|thinking|partial_json)"\s*:\s*"((?:[^"\\]++|\\.)*+)"')
"""A piece of output that a client sees, as JSON spells it."""

STANDARD = "standard"
SECOND_MODEL = "usage_of_a_second_model"

_ANYWHERE = frozenset({"global", "not_available"})
_NULL = msgspec.Raw(b"null")


class CacheCreation(msgspec.Struct):
    """Tokens written to the cache, by how long they stay."""

    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: Count | None = None


class _ToolUse(msgspec.Struct):
    web_search_requests: Count | None = None


class _Iteration(msgspec.Struct):
    type: str = ""
    model: str | None = None
    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: Count | None = None


class Reported(msgspec.Struct):
    """The vendor's `usage` object. What is None was not said."""

    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: Count | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ToolUse | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    iterations: list[_Iteration] | None = None

    def followed_by(self, later: "Reported") -> "Reported":
        """Return what holds after a later report: its counts are cumulative, so that they replace these."""
        said = {name: value for name in later.__struct_fields__ if (value := getattr(later, name)) is not None}
        return msgspec.structs.replace(self, **said)


class _Reply(msgspec.Struct):
    usage: msgspec.Raw = _NULL
    model: str | None = None


class _Count(msgspec.Struct):
    input_tokens: Count


_reported = msgspec.json.Decoder(Reported)
_reply = msgspec.json.Decoder(_Reply)
_count = msgspec.json.Decoder(_Count)


def read_messages_reply(body: bytes) -> UsageReport | None:
    """Read usage from a whole reply; None when it carries none. Raises UsageUnreadable when it cannot be believed."""
    try:
        reply = _reply.decode(body)
        raw = bytes(reply.usage)
        if raw == b"null":
            return None
        reported = _reported.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not the JSON of a message: {error}.") from error
    report = usage_report(reported, raw=raw, served_model=reply.model)
    if len(body) <= report.usage.output_tokens * LONGEST_TOKEN_BYTES:
        return report
    shown = sum(found.end(1) - found.start(1) for found in VISIBLE.finditer(body))
    return msgspec.structs.replace(report, visible_output_bytes=shown)


def read_count_reply(body: bytes) -> UsageReport:
    """Read the answer of a request that counts tokens: it used none. Raises UsageUnreadable for any other answer."""
    try:
        _count.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not a count of tokens: {error}.") from error
    return UsageReport(usage=Usage(input_tokens=0, output_tokens=0), raw=body)


def usage_report(reported: Reported, *, raw: bytes, served_model: str | None) -> UsageReport:
    """Return the report in Bursar's classes. Raises UsageUnreadable when a count is missing, negative or absurd, or
    when some of it belongs to a second model, whose price is not this one's.
    """
    return UsageReport(
        usage=_normalised(reported, served_model),
        raw=raw,
        served_model=served_model,
        service_tier=tier_name(reported.service_tier, reported.speed, reported.inference_geo),
    )


def tier_name(service_tier: str | None, speed: str | None, inference_geo: str | None) -> str:
    """Return the name of the prices that apply, as the catalogue has them: `standard`, or what is not standard of
    service tier, speed and place of inference, joined by plus signs: `priority`, `fast`, `us`, `fast+us`.
    """
    if inference_geo in _ANYWHERE:
        inference_geo = None
    parts = [part for part in (service_tier, speed) if part and part != STANDARD]
    return "+".join([*parts, inference_geo] if inference_geo else parts) or STANDARD


def _normalised(reported: Reported, served_model: str | None) -> Usage:
    if reported.input_tokens is None or reported.output_tokens is None:
        raise UsageUnreadable("The vendor reported no input_tokens or no output_tokens.")
    read, short, long = _cached(reported)
    fresh, output = reported.input_tokens, reported.output_tokens
    for iteration in _beside(reported.iterations or (), served_model):
        more_read, more_short, more_long = _cached(iteration)
        read, short, long = read + more_read, short + more_short, long + more_long
        fresh += iteration.input_tokens or 0
        output += iteration.output_tokens or 0
    details, tools = reported.output_tokens_details, reported.server_tool_use
    return Usage(
        input_tokens=fresh + read + short + long,
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_write_input_tokens=short + long,
        cache_write_long_input_tokens=long,
        reasoning_output_tokens=(details.thinking_tokens or 0) if details else 0,
        web_search_calls=(tools.web_search_requests or 0) if tools else 0,
    )


def _cached(counts: Reported | _Iteration) -> tuple[int, int, int]:
    """Return tokens read from the cache, written to it for five minutes, and for an hour.

    A stream says how long they stay when it begins, and their number when it ends. What was written in between stays an
    hour if anything of this request does: that is the dearer of the two.
    """
    read, written = counts.cache_read_input_tokens or 0, counts.cache_creation_input_tokens or 0
    split = counts.cache_creation
    if split is None:
        return read, written, 0
    short, long = split.ephemeral_5m_input_tokens or 0, split.ephemeral_1h_input_tokens or 0
    later = max(0, written - short - long)
    return (read, short, long + later) if long else (read, short + later, long)


def _beside(iterations: "list[_Iteration] | tuple[()]", served_model: str | None) -> list[_Iteration]:
    """Return what is not in the totals though this model used it: summaries of its context.

    The totals hold what the model itself sampled. An adviser or a fallback is another model. Raises UsageUnreadable.
    """
    found = []
    for iteration in iterations:
        if iteration.model is not None and iteration.model != served_model:
            raise UsageUnreadable(
                f"The vendor reported tokens of a second model, {iteration.model[:64]!r}, which this model's prices "
                "do not fit.",
                reason=SECOND_MODEL,
            )
        if iteration.type == "compaction":
            found.append(iteration)
        elif iteration.type != "message":
            raise UsageUnreadable(f"The vendor reported tokens of a kind that is not known: {iteration.type[:64]!r}.")
    return found
