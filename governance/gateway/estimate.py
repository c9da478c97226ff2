"""What an answer cost that nobody read to its end, estimated from what was seen of it. Marked as such everywhere."""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from governance.gateway.pricing import Quote, granted_maximum
from governance.metering import outcomes
from governance.metering.attempt import Ending, Hold, Outcome
from governance.plugin.provider import StreamMeter
from governance.plugin.usage import Usage, UsageReport

_log = structlog.get_logger("bursar.gateway")

BYTES_PER_TOKEN: Final = 4
"""Of text in the common tokenizers; the truth is between 1 and about 6. An estimate only: bounds never use it."""


def estimated_usage(*, meter: StreamMeter, body_bytes: int, most_output_tokens: int) -> Usage:
    """Return what was probably used: the vendor's own running count where it has sent one, else a token for every
    four bytes of the request, and of the output that has passed (at least one for each event that carried some).
    """
    seen = max(_tokens(meter.seen_output_bytes()), meter.seen_output_events())
    running = meter.running()
    if running is None:
        return Usage(input_tokens=_tokens(body_bytes), output_tokens=min(seen, most_output_tokens))
    return msgspec.structs.replace(running, output_tokens=max(running.output_tokens, min(seen, most_output_tokens)))


def estimated(*, meter: StreamMeter, quote: Quote, hold: Hold, reason: str, http_status: int) -> Outcome:
    """Return the outcome of a stream that was given up: an estimate, and the rest in suspense. Wholly in suspense where
    nothing was seen, or where an estimate would leave no rest.
    """
    unknown = outcomes.suspense(f"{reason} (output seen: {meter.seen_output_bytes()} bytes)", http_status=http_status)
    if not meter.seen_output_events() and meter.running() is None:
        return unknown
    usage = estimated_usage(
        meter=meter,
        body_bytes=quote.fields.body_bytes,
        most_output_tokens=granted_maximum(quote, hold) * quote.fields.choices,
    )
    outcome = outcomes.settled(UsageReport(usage=usage, raw=b""), quote.card, reason=reason, http_status=http_status)
    is_held = quote.deployment.is_charged
    if outcome.rated is None or (is_held and not 0 < outcome.rated.charge_nano < hold.granted_nano):
        return unknown
    return msgspec.structs.replace(outcome, ending=Ending.ESTIMATED, is_estimated=True)


def unreported(quote: Quote, *, reason: str, http_status: int) -> Outcome:
    """Return the outcome of a whole reply without a report: the most that it can have used, marked as an estimate,
    where its wire has none (`SilentProvider`); else nobody knows.
    """
    usage = _most_unreported(quote)
    if usage is None:
        return outcomes.suspense("usage_missing", http_status=http_status)
    settled = outcomes.settled(UsageReport(usage=usage, raw=b""), quote.card, reason=reason, http_status=http_status)
    return msgspec.structs.replace(settled, is_estimated=True)


def _most_unreported(quote: Quote) -> Usage | None:
    deployment = quote.deployment
    ask: Callable[..., Usage | None] | None = getattr(deployment.provider, "unreported", None)
    if ask is None:
        return None
    try:
        return ask(wire=quote.wire, connection=deployment.connection, fields=quote.fields)
    except Exception:  # noqa: BLE001 - a plugin's own fault costs this attempt its proof, not the client its answer
        _log.exception("plugin_failed", provider=deployment.provider.name, doing="unreported")
        return None


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)
