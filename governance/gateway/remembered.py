"""Calls of teams that keep answers: answered from memory where the same was asked before, else kept for the next time.

The same means: the same team, path, query and body to the last byte (as guards let it pass), the same headers that
a vendor gets to see, and the same ways to be answered: deployments, guards and the key's default maximum. What is
answered so costs nothing and is booked as such, with what it would have cost.
"""

import hashlib
import time
from datetime import datetime
from typing import Final

import msgspec

from governance.gateway.allowance import Allowed
from governance.gateway.app import Gateway
from governance.gateway.exchange import ClientGone, Exchange, Headers
from governance.gateway.legs import Call, Legs
from governance.gateway.recording import Recording
from governance.gateway.repeatable import is_over, is_repeatable
from governance.gateway.response_cache import KeptAnswer
from governance.gateway.watchdog import Overdue, Waiting
from governance.metering import outcomes
from governance.metering.attempt import Attribution, Claim, Ending, Outcome
from governance.plugin.splicing import Members
from governance.plugin.usage import TokenClass, Usage
from governance.policy.caching import CachePolicy
from governance.policy.snapshot import DeploymentPolicy

CACHE_HEADER: Final = b"x-bursar-cache"
LARGEST_ANSWER_BYTES: Final = 4 * 1024 * 1024
HIT: Final = "cache_hit"
_KEPT_HEADERS: Final = frozenset(
    {b"content-type", b"content-encoding", b"content-language", b"x-bursar-model", b"deprecation", b"sunset"}
)
_LOWERED: Final = b"x-bursar-max-output-tokens"


class Remembered:
    """Stands in for the legs of a call whose team keeps its answers."""

    def __init__(self, gateway: Gateway, exchange: Exchange, call: Call, legs: Legs, policy: CachePolicy) -> None:
        self._gateway = gateway
        self._vendors = gateway.vendors
        self._exchange = exchange
        self._call = call
        self._legs = legs
        self._policy = policy
        self._digest = _digest(exchange, call)

    async def run(self, *, at: datetime, allowed: Allowed | None = None) -> None:
        """See Legs.run."""
        exchange, cache = self._exchange, self._vendors.cache
        asked = exchange.headers.get(b"cache-control", b"").lower()
        team_id = self._call.policy.team_id
        if b"no-cache" not in asked and b"no-store" not in asked:
            answer = cache.find(team_id, self._digest, self._policy, at=time.monotonic())
            self._gateway.metrics.numbers.count("bursar_cache_lookups", "miss" if answer is None else "hit")
            if answer is not None:
                await self._answer(answer)
                return
        recording = exchange.record(min(self._policy.max_bytes, LARGEST_ANSWER_BYTES))
        recording.added.append((CACHE_HEADER, b"miss"))
        await self._legs.run(at=at, allowed=allowed)
        if b"no-store" not in asked and (made := self._made(recording)) is not None:
            cache.keep(team_id, self._digest, made, self._policy)

    def _made(self, recording: Recording) -> KeptAnswer | None:
        """Return what was answered just now, if the same answer is right for the same request again."""
        given = self._legs.given
        if given is None or recording.status != 200 or recording.is_cut:
            return None
        outcome, body = given.outcome, recording.body
        is_sure = outcome.ending is Ending.SETTLED and outcome.reason == "completed" and not outcome.is_estimated
        if not is_sure or outcome.usage is None or outcome.rated is None or not is_over(body):
            return None
        if any(name == _LOWERED for name, _ in recording.headers):
            return None
        return KeptAnswer(
            headers=[header for header in recording.headers if header[0] in _KEPT_HEADERS],
            body=body,
            attribution=given.claim.attribution,
            usage=outcome.usage,
            rated=outcome.rated,
            served_model=outcome.served_model,
            service_tier=outcome.service_tier,
            kept_at=time.monotonic(),
        )

    async def _answer(self, answer: KeptAnswer) -> None:
        """Answer with what was kept; booked whether or not the client takes it."""
        exchange, facts = self._exchange, self._exchange.facts
        claim = self._claim(answer)
        hold = await self._vendors.books.reserve(claim)
        outcome = outcomes.uncharged(
            Outcome(
                ending=Ending.SETTLED,
                reason=HIT,
                http_status=200,
                usage=answer.usage,
                rated=answer.rated,
                served_model=answer.served_model,
                service_tier=answer.service_tier,
                total_milliseconds=max(0, round((time.perf_counter() - facts.started_at) * 1000)),
            ),
            because=TokenClass.FROM_CACHE,
        )
        self._vendors.books.book(hold, outcome)
        facts.attempt_id = claim.attempt_id
        facts.outcome = f"{outcome.ending}:{outcome.reason}"
        # It counts as a request that a rate limit let through, of no tokens.
        facts.was_sent, facts.usage, facts.charge_nano = True, Usage(input_tokens=0, output_tokens=0), 0
        await self._respond(answer, self._headers(answer, claim))
        exchange.facts.first_byte_at = None

    def _headers(self, answer: KeptAnswer, claim: Claim) -> Headers:
        exchange = self._exchange
        id_header = self._call.renditions.native.id_header
        return [
            *answer.headers,
            (CACHE_HEADER, b"hit"),
            (b"age", b"%d" % (time.monotonic() - answer.kept_at)),
            (b"x-bursar-attempt-id", str(claim.attempt_id).encode()),
            (b"x-bursar-cost-usd", b"0.00"),
            *([(id_header, str(exchange.request_id).encode())] if id_header else []),
        ]

    async def _respond(self, answer: KeptAnswer, headers: Headers) -> None:
        ends_at = time.monotonic() + self._vendors.limits.write_stall_seconds
        try:
            with self._vendors.watchdog.watch(self._exchange.task, ends_at=ends_at) as patience:
                patience.until(ends_at, Waiting.CLIENT)
                await self._exchange.respond(200, headers, answer.body)
        except Overdue as overdue:
            raise ClientGone from overdue

    def _claim(self, answer: KeptAnswer) -> Claim:
        policy = self._call.policy
        attribution: Attribution = msgspec.structs.replace(
            answer.attribution,
            unit_id=policy.unit_id,
            cost_centre_id=policy.cost_centre_id,
            key_id=policy.key_id,
            user_id=policy.user_id,
            tags=self._call.tags,
        )
        return Claim(
            attempt_id=self._gateway.identifiers(time.time_ns() // 1_000_000),
            request_id=self._exchange.request_id,
            attribution=attribution,
            budgets=(),
            want_nano=0,
            least_nano=0,
        )


def remembered(
    gateway: Gateway, exchange: Exchange, call: Call, legs: Legs, policy: CachePolicy | None
) -> Legs | Remembered:
    """Return what runs this call: its legs, or where its team keeps answers of this kind, what stands in for them."""
    native = call.renditions.native
    if policy is None or not policy.applies_to(call.alias.name):
        return legs
    if not isinstance(native.members, Members):
        return legs
    if not is_repeatable(native.wire, native.members, is_any_temperature=policy.is_any_temperature):
        return legs
    return Remembered(gateway, exchange, call, legs, policy)


def _digest(exchange: Exchange, call: Call) -> bytes:
    policy, native = call.policy, call.renditions.native
    ways = (
        exchange.path,
        exchange.query,
        native.passed.headers,
        call.alias.routing,
        [_way(deployment) for deployment in call.deployments],
        policy.default_max_output_tokens,
        policy.guards,
    )
    digest = hashlib.sha256(msgspec.json.encode(ways))
    digest.update(native.members.body)
    return digest.digest()


def _way(deployment: DeploymentPolicy) -> tuple[object, ...]:
    connection = deployment.connection
    return (
        deployment.id,
        deployment.upstream_name,
        connection.id,
        connection.base_url,
        sorted(connection.options.items()),
    )
