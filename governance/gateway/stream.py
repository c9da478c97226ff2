"""Relays a vendor's event stream: bytes as they arrive, no faster than the client reads, metered on the way."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from governance.gateway.departure import Departure
from governance.gateway.errors import GuardFailed, GuardRefused
from governance.gateway.estimate import estimated, unreported
from governance.gateway.exchange import Exchange, Headers
from governance.gateway.limits import Limits
from governance.gateway.pricing import Quote
from governance.gateway.refusing import refuse
from governance.gateway.stream_guarding import StreamGuard
from governance.gateway.translation import StreamTranslation
from governance.gateway.transport import Reply
from governance.gateway.watchdog import Patience, Waiting
from governance.metering import outcomes
from governance.metering.attempt import Ending, Hold, Outcome
from governance.plugin.errors import UsageUnreadable
from governance.plugin.provider import Bound, StreamMeter
from governance.plugin.sse import ServerSentEvent, Splitter
from governance.plugin.usage import Usage, UsageReport

_LARGEST_PIECE: Final = 16 * 1024
_log = structlog.get_logger("bursar.gateway")


class Source(NamedTuple):
    """A vendor's streamed reply, what cuts it into events, and what translates and what guards them, if anything."""

    reply: Reply
    splitter: Splitter
    translation: StreamTranslation | None = None
    guard: StreamGuard | None = None


class Unmetered:
    """Stands in for the meter of a plugin that failed to make one: the stream is relayed, and its cost unknown."""

    def feed(self, data: bytes) -> bool:
        """See StreamMeter."""
        return True

    def report(self) -> UsageReport | None:
        """See StreamMeter."""
        raise UsageUnreadable("The stream was not metered.")

    def running(self) -> Usage | None:
        """See StreamMeter."""
        return None

    def seen_output_bytes(self) -> int:
        """See StreamMeter."""
        return 0

    def seen_output_events(self) -> int:
        """See StreamMeter."""
        return 0


class Relay:
    """One stream, from the vendor's first byte to its last; `departure` says whether the client still listens.

    The client's answer begins with the stream's first byte: until then another attempt may take this one's place.
    `on_bound` is told once what the stream can cost at most, where its meter learns that early. With a `translation`
    the client gets what it makes of every event, also of those that the meter hides from a client of the same wire.
    `refusal` is what the client was told where a guard let no more of the answer pass: the rest is then read, or given
    up, as if the client had gone.
    """

    def __init__(
        self,
        *,
        exchange: Exchange,
        source: Source,
        meter: StreamMeter,
        patience: Patience,
        limits: Limits,
        departure: Departure,
        on_bound: Callable[[Bound], None],
    ) -> None:
        self._on_bound = on_bound
        self._bounds: Callable[[], Bound | None] | None = getattr(meter, "bounds", None)
        self._exchange = exchange
        self._reply, self._splitter, self._translation, self._guard = source
        self.refusal: GuardRefused | GuardFailed | None = None
        self._meter = meter
        self._patience = patience
        self._limits = limits
        self._departure = departure
        self._is_whole = False
        self._is_readable = True
        self._fault = "usage_unreadable"

    async def run(self, headers: Headers) -> None:
        """Begin the answer with these headers and relay to the end. Raises AnswerLost when the vendor breaks off, and
        StreamBroken when its stream cannot be read on; is cancelled by an overdue patience.
        """
        patience, limits, departure = self._patience, self._limits, self._departure
        patience.until(time.monotonic() + limits.idle_seconds, Waiting.NEXT_BYTE)
        facts = self._exchange.facts
        facts.first_byte_at = None
        while chunk := await self._reply.next_chunk():
            if facts.first_byte_at is None:
                facts.first_byte_at = time.perf_counter()
            size, shown = len(chunk), self._shown(self._splitter.feed(chunk))
            # While a client is waited for, nothing is held that it has no use for.
            chunk = b""
            if self._guard is not None:
                shown = await self._guarded(self._guard, shown, headers)
            if not departure.allows(size):
                return
            if shown and not departure.has_happened:
                await self._pass_on(shown, headers)
            patience.until(time.monotonic() + limits.idle_seconds, Waiting.NEXT_BYTE)
        rest = self._shown(self._splitter.close())
        if self._translation is not None:
            rest += self._translation.close()
        if self._guard is not None:
            rest = await self._guarded(self._guard, rest, headers, is_last=True)
        self._is_whole = True
        facts.vendor_seconds = time.perf_counter() - (facts.sent_at or facts.started_at)
        if not departure.has_happened:
            if rest:
                await self._pass_on(rest, headers)
            patience.until(time.monotonic() + limits.write_stall_seconds, Waiting.CLIENT)
            if not self._exchange.has_started:
                await self._exchange.start(self._reply.status, headers)
            await self._exchange.write(b"", is_last=True)

    async def _guarded(self, guard: StreamGuard, shown: bytes, headers: Headers, *, is_last: bool = False) -> bytes:
        """Return what guards let pass. Where they let nothing more pass, the client gets what was before that, and is
        told so at once.
        """
        if self._departure.has_happened:
            return b""
        try:
            passed = await guard.feed(shown)
            return passed + await guard.close() if is_last else passed
        except (GuardRefused, GuardFailed) as refusal:
            self.refusal = refusal
            if before := guard.passed():
                await self._pass_on(before, headers)
            self._patience.until(time.monotonic() + self._limits.write_stall_seconds, Waiting.CLIENT)
            await refuse(self._exchange, refusal, seconds=self._limits.write_stall_seconds)
            self._patience.until(time.monotonic() + self._limits.idle_seconds, Waiting.NEXT_BYTE)
            self._departure.withhold()
            return b""

    async def _pass_on(self, shown: bytes, headers: Headers) -> None:
        """Send it at once where that is possible: a stream is hundreds of such parts. Else wait for the client, which
        gets a large part in pieces as it takes them, so that little of it is ever held twice.
        """
        exchange = self._exchange
        is_small = len(shown) <= _LARGEST_PIECE
        if is_small and exchange.has_started and exchange.write_at_once(shown):
            return
        for start in range(0, len(shown), _LARGEST_PIECE):
            self._patience.until(time.monotonic() + self._limits.write_stall_seconds, Waiting.CLIENT)
            if not exchange.has_started:
                await exchange.start(self._reply.status, headers)
            await exchange.write(shown[start : start + _LARGEST_PIECE], is_last=False)

    def outcome(self, quote: Quote, hold: Hold, *, http_status: int) -> Outcome:
        """Return how the stream ended, for the books: settled if the vendor's final usage was seen; an estimate of what
        was seen if it was given up because the client had gone.
        """
        try:
            return self._ended(quote, hold, http_status=http_status)
        except Exception:  # noqa: BLE001 - see _shown
            _log.exception("plugin_failed", doing="stream_meter")
            self._is_readable = False
            return self._ended(quote, hold, http_status=http_status)

    def _ended(self, quote: Quote, hold: Hold, *, http_status: int) -> Outcome:
        """See `outcome`. Asks the meter nothing that is not readable."""
        departure = self._departure
        reason = departure.reason if departure.has_happened else "completed" if self._is_whole else "cut_short"
        try:
            report = self._meter.report() if self._is_readable else None
        except UsageUnreadable as error:
            self._is_readable = False
            self._fault = error.reason
            report = None
        if report is not None:
            return outcomes.settled(report, quote.card, reason=reason, http_status=http_status)
        if self._departure.has_happened and not self._is_whole and self._is_readable:
            return estimated(meter=self._meter, quote=quote, hold=hold, reason=reason, http_status=http_status)
        if self._is_whole:
            silent = self._silent(quote, reason=reason, http_status=http_status)
            if silent is not None:
                return silent
            reason = "usage_missing" if self._is_readable else self._fault
        seen = self._meter.seen_output_bytes() if self._is_readable else 0
        return outcomes.suspense(f"{reason} (output seen: {seen} bytes)", http_status=http_status)

    def _silent(self, quote: Quote, *, reason: str, http_status: int) -> Outcome | None:
        """Return the outcome of a whole stream whose wire reports nothing; None where it ought to have reported."""
        if not self._is_readable:
            return None
        outcome = unreported(quote, reason=reason, http_status=http_status)
        return None if outcome.ending is Ending.SUSPENSE else outcome

    def _shown(self, events: list[ServerSentEvent]) -> bytes:
        """Meter the events and return the bytes that the client sees."""
        shown = self._metered(events)
        if self._translation is None:
            return shown
        translate = self._translation.feed
        return b"".join([translate(event.data) for event in events])

    def _metered(self, events: list[ServerSentEvent]) -> bytes:
        if not self._is_readable:
            return b"".join([event.raw for event in events])
        try:
            feed = self._meter.feed
            shown = b"".join([raw for raw, data in events if not data or feed(data)])
            if self._bounds is not None and (bound := self._bounds()) is not None:
                self._bounds = None
                self._on_bound(bound)
            return shown
        except Exception:  # noqa: BLE001 - a plugin's own fault costs this attempt its proof, not the client its stream
            _log.exception("plugin_failed", doing="stream_meter")
            self._is_readable = False
            return b"".join([event.raw for event in events])
