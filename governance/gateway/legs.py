"""A request's attempts, one after another: the same deployment again, or the alias's next one.

Another attempt is made only while the client has been told nothing and is still there, and only if the one before
failed in a way that another can mend. Each attempt is priced, reserved, sent and booked on its own: one that may have
been charged keeps its hold, and one that the budgets cannot pay on top is not made.

Bounds: retries of a request (`Limits.retries`), retries of the process (`retry_budget.py`), pauses (`backoff.py`), and
the time for all attempts together (`Limits.total_seconds`). A deployment whose breaker is open is passed over.
"""

import asyncio
import time
from datetime import datetime

import msgspec
import structlog

from governance.core.errors import BursarError, GovernanceUnavailable
from governance.gateway.allowance import Allowed
from governance.gateway.app import Gateway
from governance.gateway.attempt import Attempt
from governance.gateway.backoff import pause
from governance.gateway.exchange import ClientGone, Exchange
from governance.gateway.failure import AttemptFailed
from governance.gateway.pricing import Quote, claim, quote
from governance.gateway.rendition import Renditions
from governance.metering.attempt import Claim, Hold, Outcome
from governance.plugin.errors import RequestInvalid
from governance.plugin.routing import FIXED_ORDER
from governance.policy.snapshot import AliasPolicy, DeploymentPolicy, KeyPolicy

_log = structlog.get_logger("bursar.gateway")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One governed request: what is the same for every attempt at it. `deployments` of the alias, in their order."""

    renditions: Renditions
    policy: KeyPolicy
    tags: dict[str, str]
    alias: AliasPolicy
    deployments: list[DeploymentPolicy]


class Given(msgspec.Struct, frozen=True):
    """The attempt that answered: what was claimed for it, and how it ended at list prices."""

    claim: Claim
    outcome: Outcome


class Legs:
    """The attempts at one call: those made, and those that are left. `given` is the one that answered, where its answer
    is recorded.
    """

    __slots__ = ("_allowed", "_call", "_ends_at", "_exchange", "_gateway", "_left", "_retries", "_vendors", "given")

    def __init__(self, gateway: Gateway, exchange: Exchange, call: Call) -> None:
        self._gateway = gateway
        self._vendors = gateway.vendors
        self._exchange = exchange
        self._call = call
        self._left = call.deployments
        self._allowed: Allowed | None = None
        self._retries = 0
        self._ends_at = 0.0
        self.given: Given | None = None

    def quotes(self, *, at: datetime) -> list[Quote]:
        """Return what may answer, priced at this instant. Raises what `quote` does where nothing may."""
        found: list[Quote] = []
        refusals: list[BursarError | RequestInvalid] = []
        for deployment in self._left:
            try:
                found.append(self._quote(deployment, at=at))
            except (BursarError, RequestInvalid) as refusal:
                refusals.append(refusal)
        if not found:
            raise refusals[0]
        return found

    async def run(self, *, at: datetime, allowed: Allowed | None = None) -> None:
        """Answer the request, whose first attempt is priced at this instant, within what its rate limits admitted.

        Raises BursarError when it is refused or cannot be answered, and ClientGone when nobody is there to tell.
        """
        self._allowed = allowed
        now = time.monotonic()
        self._ends_at = now + self._vendors.limits.total_seconds
        self._vendors.retries.count_request(now)
        if self._call.alias.routing != FIXED_ORDER and len(self._left) > 1:
            self._left = self._vendors.router.order(self._call.alias, self.quotes(at=at), at=now)
            if self._call.alias.owners:
                self._left.sort(key=lambda deployment: deployment.rank)
        deployment = self._vendors.breakers.first(self._left, at=now)
        quoted = self._quote(deployment, at=at)
        claimed = self._claim(quoted)
        hold = await self._vendors.books.reserve(claimed)
        try:
            await self._send(quoted, hold, claimed, number=1)
        except AttemptFailed as failure:
            await self._go_on(deployment, failure)

    async def _go_on(self, deployment: DeploymentPolicy, failure: AttemptFailed) -> None:
        """Make other attempts until one answers or none is left; then tell how the last one failed."""
        number = 1
        while True:
            again = self._pause_before_retry(deployment, failure)
            if again is not None:
                self._retries += 1
                await self._wait(again)
            elif (following := self._next(deployment, failure)) is not None:
                deployment = following
            else:
                break
            try:
                quoted = self._quote(deployment, at=self._vendors.clock())
                claimed = self._claim(quoted)
                hold = await self._vendors.books.reserve(claimed)
            except GovernanceUnavailable:
                break
            except (BursarError, RequestInvalid) as refusal:
                reason = refusal.code if isinstance(refusal, BursarError) else "untranslatable"
                _log.info("attempt_not_made", request_id=str(self._exchange.request_id), reason=reason)
                failure.is_retryable = False
                continue
            self._note(failure, kind="fallback" if again is None else "retry")
            number += 1
            try:
                await self._send(quoted, hold, claimed, number=number)
            except AttemptFailed as newer:
                failure = newer
            else:
                return
        await failure.tell(self._exchange, watchdog=self._vendors.watchdog, limits=self._vendors.limits)

    def _pause_before_retry(self, deployment: DeploymentPolicy, failure: AttemptFailed) -> float | None:
        """Return how many seconds to wait before this deployment is asked again; None when it is not to be."""
        vendors = self._vendors
        now = time.monotonic()
        if not failure.is_retryable or self._retries >= vendors.limits.retries:
            return None
        seconds = pause(retries=self._retries, retry_after_seconds=failure.retry_after_seconds, chance=vendors.chance())
        if seconds is None or now + seconds >= self._ends_at or not vendors.breakers.is_closed(deployment):
            return None
        return seconds if vendors.retries.take(now) else None

    def _next(self, deployment: DeploymentPolicy, failure: AttemptFailed) -> DeploymentPolicy | None:
        """Return the deployment to ask next, each once; None when there is none, or none is worth it."""
        self._left = [other for other in self._left if other is not deployment]
        now = time.monotonic()
        if not failure.may_work_elsewhere or now >= self._ends_at:
            return None
        return self._vendors.breakers.next(self._left, at=now)

    async def _wait(self, seconds: float) -> None:
        """Wait, unless the client goes away. Raises ClientGone."""
        has_gone = asyncio.Event()
        self._exchange.watch(has_gone.set)
        try:
            async with asyncio.timeout(seconds):
                await has_gone.wait()
        except TimeoutError:
            return
        finally:
            self._exchange.unwatch(has_gone.set)
        raise ClientGone

    def _quote(self, deployment: DeploymentPolicy, *, at: datetime) -> Quote:
        rendition = self._call.renditions.of(deployment)
        quoted = quote(
            wire=rendition.wire,
            deployment=deployment,
            fields=rendition.fields,
            default_maximum=self._call.policy.default_max_output_tokens,
            at=at,
        )
        return quoted if self._allowed is None else self._allowed.lowered(quoted)

    def _claim(self, quoted: Quote) -> Claim:
        return claim(
            quote=quoted,
            policy=self._call.policy,
            tags=self._call.tags,
            attempt_id=self._gateway.identifiers(time.time_ns() // 1_000_000),
            request_id=self._exchange.request_id,
        )

    async def _send(self, quoted: Quote, hold: Hold, claimed: Claim, *, number: int) -> None:
        """Make one attempt, and let its deployment's breaker know how it went."""
        facts, breakers, deployment = self._exchange.facts, self._vendors.breakers, quoted.deployment
        facts.attempt_id = hold.attempt_id
        facts.attempts = number
        attempt = Attempt(
            vendors=self._vendors,
            exchange=self._exchange,
            quote=quoted,
            rendition=self._call.renditions.of(deployment),
            hold=hold,
            number=number,
            ends_at=self._ends_at,
        )
        self._gateway.reservations += 1
        try:
            guards = self._call.policy.guards
            await attempt.run(guards=() if guards is None else guards.replies)
        except AttemptFailed as failure:
            if failure.is_ill:
                breakers.fail(deployment, at=time.monotonic())
            else:
                breakers.succeed(deployment, at=time.monotonic())
            raise
        except BursarError:
            breakers.fail(deployment, at=time.monotonic())
            raise
        finally:
            self._gateway.reservations -= 1
        if self._exchange.recording is not None:
            self.given = Given(claimed, attempt.outcome)
        now = time.monotonic()
        breakers.succeed(deployment, at=now)
        if self._call.alias.routing != FIXED_ORDER and facts.sent_at and facts.first_byte_at:
            waited = facts.first_byte_at - facts.sent_at
            self._vendors.router.latencies.note(deployment.id, waited, is_stream=facts.is_stream, at=now)

    def _note(self, failure: AttemptFailed, *, kind: str) -> None:
        """Count and log an attempt that another one follows."""
        exchange, numbers = self._exchange, self._gateway.metrics.numbers
        facts = exchange.facts
        numbers.count("bursar_retries", kind, failure.reason)
        numbers.count_attempt(facts.outcome)
        _log.warning(
            "attempt_failed",
            request_id=str(exchange.request_id),
            attempt_id=str(facts.attempt_id),
            outcome=facts.outcome,
            reason=failure.reason,
            followed_by=kind,
        )
        facts.first_byte_at = None
        facts.outcome = ""
