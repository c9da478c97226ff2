"""Message batches: many requests in one, each of them read, bounded and reported by itself.

Sources: the batch types of Anthropic's Python package 2.14.0; platform.claude.com, "Batch processing": all usage at
half the price, nothing is billed for requests that erred, expired or were cancelled.
"""

from typing import Final

import msgspec

from governance.plugin.anthropic_messages._usage import STANDARD, read_messages_reply
from governance.plugin.errors import UsageUnreadable
from governance.plugin.jobs import BATCH_TIER, JobReading, LineEnd, LineReading

_ENDED: Final = "ended"
_UNBILLED: Final = frozenset({"errored", "canceled", "expired"})
_OTHER_TIERS: Final = frozenset({STANDARD, BATCH_TIER, "priority"})
_ABSENT: Final = msgspec.Raw(b"null")


class _Batch(msgspec.Struct):
    id: str
    processing_status: str


class _Result(msgspec.Struct):
    type: str
    message: msgspec.Raw = _ABSENT


class _Line(msgspec.Struct):
    custom_id: str
    result: _Result


_batch = msgspec.json.Decoder(_Batch)
_line = msgspec.json.Decoder(_Line)


def read_batch(body: bytes) -> JobReading:
    """Read a batch. Its results are at one place, which follows from its id. Raises UsageUnreadable."""
    try:
        batch = _batch.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not a message batch: {error}.") from error
    is_over = batch.processing_status == _ENDED
    return JobReading(
        id=batch.id, status=batch.processing_status, is_over=is_over, results=("results",) if is_over else ()
    )


def read_result(line: bytes) -> LineReading:
    """Read one line of a batch's results. Raises UsageUnreadable when it names no request."""
    try:
        read = _line.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"A line of the vendor's results is none: {error}.") from error
    kind = read.result.type
    if kind in _UNBILLED:
        return LineReading(name=read.custom_id, end=LineEnd.UNBILLED, reason=kind)
    if kind != "succeeded":
        return LineReading(name=read.custom_id, end=LineEnd.UNKNOWN, reason="result_unknown")
    try:
        report = read_messages_reply(bytes(read.result.message))
    except UsageUnreadable as error:
        return LineReading(name=read.custom_id, end=LineEnd.UNKNOWN, reason=error.reason)
    if report is None:
        return LineReading(name=read.custom_id, end=LineEnd.UNKNOWN, reason="usage_missing")
    return LineReading(
        name=read.custom_id,
        end=LineEnd.REPORTED,
        reason="completed",
        report=msgspec.structs.replace(report, service_tier=batch_tier(report.service_tier or STANDARD)),
    )


def batch_tier(tier: str) -> str:
    """Return the name of a batch's prices where those of a single request would be these: `us` is `batch+us`."""
    return "+".join([BATCH_TIER, *[part for part in tier.split("+") if part not in _OTHER_TIERS]])
