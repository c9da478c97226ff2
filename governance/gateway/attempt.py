"""One physical attempt: money is held, the vendor is called, the reply is passed on, and one outcome is booked."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import structlog

from governance.core.errors import BursarError, ProviderTimedOut, ProviderUnavailable
from governance.core.ids import uuid_text
from governance.core.money import usd_text
from governance.gateway.backoff import retry_after
from governance.gateway.breaker import Breakers
from governance.gateway.departure import Departure
from governance.gateway.errors import GuardFailed, GuardRefused, ReplyUnusable
from governance.gateway.estimate import unreported
from governance.gateway.exchange import ClientGone, Exchange, Headers
from governance.gateway.failure import LARGEST_HELD_BYTES, AttemptFailed, HeldReply
from governance.gateway.formats import EVENT_STREAM, FORMATS
from governance.gateway.guarding import Guards
from governance.gateway.limits import Limits
from governance.gateway.own_shapes import as_events, enveloped, in_wire, opened, reframing, signature_of
from governance.gateway.pricing import Quote, body_edits, granted_maximum
from governance.gateway.prompt_writer import PromptWriter
from governance.gateway.refusal_counts import RefusalCounts
from governance.gateway.rendition import Rendition, Shown
from governance.gateway.replies import (
    ReplyTooLarge,
    content_type,
    header_value,
    is_compressed,
    masked,
    passed_headers,
    read_whole,
    timed_out,
    vendor_failure,
)
from governance.gateway.response_cache import ResponseCache
from governance.gateway.retirement import retirement_headers
from governance.gateway.retry_budget import RetryBudget
from governance.gateway.routing import Router
from governance.gateway.stream import Relay, Source, Unmetered
from governance.gateway.stream_guarding import Looking, StreamGuard
from governance.gateway.translation import MAX_EVENT_BYTES, AnswerUntranslatable
from governance.gateway.transport import AnswerLost, NothingSent, Reply, Transport, TransportFailed
from governance.gateway.watchdog import Overdue, Patience, Waiting, Watchdog
from governance.jobs.hot import Jobs
from governance.metering import outcomes
from governance.metering.attempt import Ending, Hold, Outcome
from governance.metering.hot import Books
from governance.metering.rate_books import RateBooks
from governance.plugin.errors import StreamBroken, UsageUnreadable
from governance.plugin.pieces import PieceSplitter
from governance.plugin.provider import Billing, Bound, ErrorReading, StreamMeter
from governance.plugin.sse import EventSplitter, Splitter
from governance.plugin.usage import TokenClass
from governance.policy.guards import AppliedGuard

_UNREAD = ErrorReading(billing=Billing.UNKNOWN, is_retryable=False, may_work_elsewhere=False)

_log = structlog.get_logger("bursar.gateway")


class Vendors(msgspec.Struct, frozen=True, kw_only=True):
    """What every attempt shares. `chance` returns a number from 0 to 1, anew each time."""

    books: Books
    rates: RateBooks
    jobs: Jobs
    transport: Transport
    watchdog: Watchdog
    limits: Limits
    clock: Callable[[], datetime]
    breakers: Breakers
    retries: RetryBudget
    router: Router
    guards: Guards
    cache: ResponseCache
    prompts: PromptWriter
    refusals: RefusalCounts
    chance: Callable[[], float]


class Attempt:
    """From the hold to the booked outcome.

    `outcome` is at every moment what would have to be booked if the attempt ended just then: released until it is
    sent, in suspense while nobody knows, settled once the vendor's report was rated. `run` books it, whatever happens.
    A client that goes away on the way is noticed at once (`Departure`); nothing is sent for one that has gone before.
    `number` counts the request's attempts from 1; none of them goes on beyond `ends_at` (monotonic seconds).
    """

    def __init__(
        self,
        *,
        vendors: Vendors,
        exchange: Exchange,
        quote: Quote,
        rendition: Rendition,
        hold: Hold,
        number: int,
        ends_at: float,
    ) -> None:
        self._vendors = vendors
        self._exchange = exchange
        self._quote = quote
        self._rendition = rendition
        self._hold = hold
        self._departure = Departure(
            exchange=exchange, after=quote.deployment.provider.after_disconnect, limits=vendors.limits
        )
        self._ends_at = ends_at
        self._headers: Headers = [
            (b"x-bursar-attempt-id", uuid_text(hold.attempt_id)),
            (b"x-bursar-model", header_value(quote.deployment.model.name)),
        ]
        if rendition.id_header:
            self._headers.append((rendition.id_header, uuid_text(exchange.request_id)))
        if number > 1:
            self._headers.append((b"x-bursar-attempts", b"%d" % number))
        model = quote.deployment.model
        if model.dates is not None:
            self._headers += retirement_headers(model.dates, successor=model.successor, on=vendors.clock().date())
        self._guards: Sequence[AppliedGuard] = ()
        self._withheld: AttemptFailed | None = None
        self._is_enveloped = False
        self.outcome: Outcome = outcomes.UNSENT

    async def run(self, *, guards: Sequence[AppliedGuard] = ()) -> None:
        """Send the body and pass the reply on, as these guards let it.

        Raises AttemptFailed when the client has been told nothing yet, BursarError when its answer broke off after it
        had begun, and ClientGone when nobody is there to tell.
        """
        self._guards = guards
        try:
            await self._forward(self._body())
        except AttemptFailed as failure:
            if self._withheld is not None:
                raise self._withheld from None
            if self._departure.has_happened:
                self._note_lost("client_gone")
                raise ClientGone from failure
            if self._exchange.has_started and isinstance(failure.told, BursarError):
                raise failure.told from failure
            raise
        finally:
            self._departure.unwatch()
            self._book()

    def _body(self) -> bytes:
        """Return the body as the vendor gets it: the client's bytes, but for the fields that must be set."""
        maximum = granted_maximum(self._quote, self._hold)
        if maximum < self._quote.maximum or self._quote.is_lowered:
            self._headers.append((b"x-bursar-max-output-tokens", b"%d" % maximum))
        return self._rendition.members.splice(body_edits(self._quote, maximum))

    def _book(self) -> None:
        facts = self._exchange.facts
        first = facts.first_byte_at
        sent_at = facts.sent_at or facts.started_at
        outcome = msgspec.structs.replace(
            self.outcome,
            first_byte_milliseconds=None if first is None else _milliseconds(first - sent_at),
            total_milliseconds=_milliseconds(time.perf_counter() - sent_at),
        )
        if not self._quote.deployment.is_charged:
            outcome = outcomes.uncharged(outcome, because=TokenClass.OWN_ACCOUNT)
        facts.outcome = f"{outcome.ending}:{outcome.reason}"
        facts.was_sent = facts.was_sent or outcome.ending is not Ending.RELEASED
        facts.usage = outcome.usage
        facts.charge_nano = outcome.rated.charge_nano if outcome.rated else None
        self._vendors.books.book(self._hold, outcome)

    async def _forward(self, body: bytes) -> None:
        limits = self._vendors.limits
        now = time.monotonic()
        try:
            with self._vendors.watchdog.watch(self._exchange.task, ends_at=self._ends_at) as patience:
                # A net only: the transport keeps this time itself.
                patience.until(now + limits.first_byte_seconds + limits.connect_seconds, Waiting.FIRST_BYTE)
                self._departure.watch(patience)
                await self._exchange_with_vendor(body, patience)
        except TransportFailed as error:
            if isinstance(error, NothingSent):
                self.outcome = outcomes.UNSENT
            elif error.is_timeout:
                self._note_lost("vendor_timed_out")
            raise self._lost(vendor_failure(error, provider=self._title)) from error
        except StreamBroken as error:
            raise self._lost(vendor_failure(AnswerLost(str(error)), provider=self._title)) from error
        except Overdue as overdue:
            self._note_lost("client_gone" if self._departure.has_happened else "vendor_timed_out")
            if overdue.waiting is Waiting.CLIENT:
                raise ClientGone from overdue
            raise self._lost(timed_out(provider=self._title)) from overdue
        except ReplyTooLarge as error:
            told = ReplyUnusable(
                f"The answer of {self._title} is larger than {limits.reply_bytes} bytes: ask for a shorter one. "
                "Its cost stays reserved until it is known."
            )
            raise self._unusable("reply_too_large", told, may_work_elsewhere=False) from error

    def _lost(self, told: ProviderUnavailable | ProviderTimedOut) -> AttemptFailed:
        """No answer came. One that took too long is not waited for again at the same deployment."""
        is_timeout = isinstance(told, ProviderTimedOut)
        is_unsent = self.outcome is outcomes.UNSENT
        return AttemptFailed(
            "unreachable" if is_unsent else "timed_out" if is_timeout else outcomes.LOST.reason,
            told=told,
            is_retryable=not is_timeout,
            may_work_elsewhere=True,
            is_ill=True,
        )

    def _unusable(self, reason: str, told: BursarError, *, may_work_elsewhere: bool) -> AttemptFailed:
        return AttemptFailed(reason, told=told, is_retryable=False, may_work_elsewhere=may_work_elsewhere, is_ill=False)

    def _note_lost(self, reason: str) -> None:
        """Say why the answer was lost, if it was."""
        if self.outcome.reason == outcomes.LOST.reason:
            self.outcome = outcomes.suspense(reason, http_status=self.outcome.http_status)

    async def _exchange_with_vendor(self, body: bytes, patience: Patience) -> None:
        facts, deployment = self._exchange.facts, self._quote.deployment
        upstream = self._rendition.passed.addressed(
            deployment.upstreams[self._quote.wire], is_stream=self._quote.fields.stream
        )
        if upstream.is_enveloped:
            body, self._is_enveloped = enveloped(self._quote, body), True
        signature = signature_of(deployment, upstream, body) if upstream.is_signed else ()
        facts.sent_at = time.perf_counter()
        self.outcome = outcomes.LOST
        reply = await self._vendors.transport.send(upstream=upstream, body=body, signature=signature)
        try:
            facts.first_byte_at = time.perf_counter()
            self.outcome = outcomes.lost(reply.status)
            self._headers += passed_headers(reply.headers, secrets=deployment.secrets)
            self._departure.reply_began()
            split = self._splitter(reply)
            if self._rendition.shown is not None:
                self._headers = self._rendition.shown.headers(self._headers, is_stream=split is not None)
            if split is None:
                await self._whole(reply, patience)
            else:
                await self._stream(reply, split, patience)
        finally:
            self._departure.unwatch()
            await reply.close()

    def _splitter(self, reply: Reply) -> Splitter | None:
        """Return what cuts this reply into events; None when it is to be read whole."""
        if not self._quote.fields.stream or reply.status != 200:
            return None
        kind = content_type(reply)
        if self._rendition.shown is not None and kind == EVENT_STREAM:
            return EventSplitter(max_event_bytes=MAX_EVENT_BYTES)
        make = FORMATS[self._quote.wire].splitters.get(kind)
        if make is not None and self._rendition.shown is None:
            return make()
        splitter = reframing(self._quote, kind)
        if splitter is not None:
            self._headers = as_events(self._headers)
        return splitter

    async def _whole(self, reply: Reply, patience: Patience) -> None:
        limits = self._vendors.limits
        body = await read_whole(reply, limits=limits, patience=patience, departure=self._departure)
        facts = self._exchange.facts
        facts.vendor_seconds = time.perf_counter() - (facts.sent_at or facts.started_at)
        failure: AttemptFailed | None = None
        if self._is_enveloped and reply.status < 300:
            body = opened(self._quote, body)
        if reply.status >= 400:
            failure = self._failed(reply, body)
        elif reply.status >= 300:
            self.outcome = outcomes.suspense("redirected", http_status=reply.status)
            told = ReplyUnusable(
                f"{self._title} answered with a redirect, which is not followed: the base URL of its connection "
                "must be mended by whoever administers Bursar."
            )
            raise self._unusable("redirected", told, may_work_elsewhere=True)
        elif reply.status < 200:
            told = ReplyUnusable(f"{self._title} wants another protocol than it was asked in: check its base URL.")
            raise self._unusable("protocol_switched", told, may_work_elsewhere=True)
        else:
            self.outcome = self._completed(reply.status, body)
        if self.outcome.rated is not None:
            cost = usd_text(self.outcome.rated.charge_nano if self._quote.deployment.is_charged else 0)
            self._headers.append((b"x-bursar-cost-usd", cost.encode()))
        if self._departure.has_happened:
            raise ClientGone
        if failure is None and self._rendition.shown is not None:
            body = self._translated(body, self._rendition.shown)
        if self._guards:
            body = await self._guarded(reply, body, failure)
        if failure is not None:
            raise failure
        patience.until(time.monotonic() + limits.write_stall_seconds, Waiting.CLIENT)
        await self._exchange.respond(reply.status, self._headers, body)

    def _translated(self, body: bytes, shown: Shown) -> bytes:
        try:
            return shown.answer(body)
        except AnswerUntranslatable as error:
            told = ReplyUnusable(f"The answer of {self._title} cannot be said in this API: {error}")
            raise self._unusable("untranslatable", told, may_work_elsewhere=False) from error

    async def _guarded(self, reply: Reply, body: bytes, failure: AttemptFailed | None) -> bytes:
        """Return the reply as guards let it pass; where it is an error that may be held, that is what they look at."""
        held = failure.told if failure is not None and isinstance(failure.told, HeldReply) else None
        try:
            if is_compressed(reply):
                raise GuardFailed(
                    f"The answer of {self._title} is compressed, so guards cannot look at it and nothing passes: "
                    "whoever administers Bursar must have it sent plainly."
                )
            guards, exchange = self._vendors.guards, self._exchange
            passed = await guards.reply(body if held is None else held.body, self._guards, exchange)
        except (GuardRefused, GuardFailed) as refusal:
            if failure is None:
                raise self._unusable(refusal.code, refusal, may_work_elsewhere=False) from refusal
            failure.told = refusal
            return body
        if held is not None:
            held.body = passed
        return passed

    async def _stream(self, reply: Reply, splitter: Splitter, patience: Patience) -> None:
        self._exchange.is_whole = isinstance(splitter, PieceSplitter)
        shown = self._rendition.shown
        relay = Relay(
            exchange=self._exchange,
            source=Source(reply, splitter, None if shown is None else shown.stream(), self._stream_guard(reply)),
            meter=self._meter(),
            patience=patience,
            limits=self._vendors.limits,
            departure=self._departure,
            on_bound=self._shrink,
        )
        try:
            await relay.run(self._headers)
        finally:
            self.outcome = relay.outcome(self._quote, self._hold, http_status=reply.status)
            if relay.refusal is not None:
                self._withheld = self._unusable(relay.refusal.code, relay.refusal, may_work_elsewhere=False)
        if self._withheld is not None:
            raise self._withheld

    def _stream_guard(self, reply: Reply) -> StreamGuard | None:
        if not self._guards:
            return None
        shown = self._rendition.shown
        return StreamGuard(
            Looking(self._vendors.guards, self._guards, self._exchange),
            wire=self._rendition.spoken,
            content_type=content_type(reply) if shown is None else shown.content_type,
            is_readable=not is_compressed(reply),
        )

    def _meter(self) -> StreamMeter:
        quoted, deployment = self._quote, self._quote.deployment
        try:
            return deployment.provider.stream_meter(
                wire=quoted.wire, connection=deployment.connection, fields=quoted.fields
            )
        except Exception:  # noqa: BLE001 - see _completed
            _log.exception("plugin_failed", provider=deployment.provider.name, doing="stream_meter")
            return Unmetered()

    def _shrink(self, bound: Bound) -> None:
        """Hold only what the attempt can still cost: of the input, what the vendor has counted."""
        worst = self._quote.card.worst_case(bound).nano(granted_maximum(self._quote, self._hold))
        if worst < self._hold.granted_nano:
            self._vendors.books.shrink(self._hold, worst)

    def _completed(self, status: int, body: bytes) -> Outcome:
        deployment = self._quote.deployment
        try:
            report = deployment.provider.read_reply(wire=self._quote.wire, connection=deployment.connection, body=body)
            reason = self._departure.reason if self._departure.has_happened else "completed"
            if report is not None:
                return outcomes.settled(report, self._quote.card, reason=reason, http_status=status)
        except UsageUnreadable as error:
            return outcomes.suspense(error.reason, http_status=status)
        except Exception:  # noqa: BLE001 - a plugin's own fault costs this attempt its proof, not the client its answer
            _log.exception("plugin_failed", provider=deployment.provider.name, doing="read_reply")
            return outcomes.suspense("usage_unreadable", http_status=status)
        return unreported(self._quote, reason=reason, http_status=status)

    def _failed(self, reply: Reply, body: bytes) -> AttemptFailed:
        """The vendor answered with an error: what it costs, and whether another attempt is worth it."""
        deployment = self._quote.deployment
        reading = self._reading(reply.status, body)
        if not reading.is_retryable and all(name != b"x-should-retry" for name, _ in self._headers):
            self._headers.append((b"x-should-retry", b"false"))
        if reading.billing is Billing.UNBILLED:
            self.outcome = outcomes.unbilled(http_status=reply.status)
        else:
            self.outcome = outcomes.suspense("vendor_error", http_status=reply.status)
        is_small = len(body) <= LARGEST_HELD_BYTES
        shown = masked(in_wire(self._quote, reply.status, body), secrets=deployment.secrets)
        if self._rendition.shown is not None:
            shown = self._rendition.shown.error(reply.status, shown)
        may_be_retried = (b"x-should-retry", b"false") not in self._headers
        asked = retry_after(reply.headers, at=self._vendors.clock())
        return AttemptFailed(
            f"http_{reply.status}",
            told=HeldReply(reply.status, self._headers, shown),
            is_retryable=reading.is_retryable and is_small and may_be_retried,
            may_work_elsewhere=reading.may_work_elsewhere and is_small,
            is_ill=reading.is_retryable,
            retry_after_seconds=reading.retry_after_seconds if asked is None else asked,
        )

    def _reading(self, status: int, body: bytes) -> ErrorReading:
        provider = self._quote.deployment.provider
        try:
            reading = provider.read_error(wire=self._quote.wire, status=status, body=body)
            if type(reading) is ErrorReading:
                return reading
            _log.error("plugin_failed", provider=provider.name, doing="read_error")
        except Exception:  # noqa: BLE001 - see _completed
            _log.exception("plugin_failed", provider=provider.name, doing="read_error")
        return _UNREAD

    @property
    def _title(self) -> str:
        return self._quote.deployment.provider.title


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
