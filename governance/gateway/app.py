"""What answers every exchange: one pipeline for every route, default deny."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec
import structlog

from governance.core.errors import BadRequest, BursarError, GovernanceUnavailable
from governance.core.ids import Identifiers
from governance.gateway.attempt import Vendors
from governance.gateway.errors import MethodNotAllowed, RouteUnknown
from governance.gateway.exchange import ClientGone, Exchange, Facts
from governance.gateway.identify import Identifier
from governance.gateway.keeper import Keeper
from governance.gateway.logs import RequestLog
from governance.gateway.metrics import Metrics
from governance.gateway.refusing import refuse
from governance.gateway.unserved import remedy
from governance.plugin.errors import RequestInvalid
from governance.policy.snapshot import KeyPolicy, PolicySnapshot

_log = structlog.get_logger("bursar.gateway")

_ANY = "{id}"
_ANTHROPICS = b"anthropic-version"
_REFUSED = 400
_VENDORS = 500
"""From this status on it is the vendor who could not, except where the books cannot be asked."""

Handler: TypeAlias = Callable[["Gateway", Exchange], Awaitable[None]]


class Route(msgspec.Struct, frozen=True):
    """One route. `{id}` in a path, which may stand before a closing word, is a name of any letters, slashes included
    unless `is_one_word`. Probes are not logged. `is_openais`: another API has other things under the same path.
    """

    path: str
    method: str
    handler: Handler
    is_logged: bool = True
    is_one_word: bool = False
    is_openais: bool = False


class _NamedRoute(NamedTuple):
    prefix: str
    suffix: str
    route: Route


class Gateway:
    """Holds what requests need and answers them."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        vendors: Vendors,
        metrics: Metrics,
        log: RequestLog,
        pepper: bytes,
        routes: tuple[Route, ...],
        clock: Callable[[], datetime],
    ) -> None:
        self.keeper = keeper
        self.vendors = vendors
        self.metrics = metrics
        self.is_stopping = False
        self.is_open = False
        self.in_flight: set[asyncio.Task[None]] = set()
        self.reservations = 0
        self.identifiers = Identifiers()
        self._log = log
        self._identifier = Identifier(keeper=keeper, pepper=pepper)
        self._clock = clock
        self._routes = routes
        self._exact: Mapping[tuple[str, str], Route] = {(route.method, route.path): route for route in routes}
        named = [_NamedRoute(*route.path.partition(_ANY)[::2], route) for route in routes if _ANY in route.path]
        self._named = sorted(named, key=lambda each: len(each.suffix), reverse=True)

    @property
    def is_loaded(self) -> bool:
        """Whether policy is here and the books are open."""
        return self.is_open and self.keeper.snapshot is not None

    async def __call__(self, exchange: Exchange) -> None:
        """Serve one request."""
        self.in_flight.add(exchange.task)
        try:
            await self._serve(exchange)
        finally:
            self.in_flight.discard(exchange.task)
            self._record(exchange)

    async def _serve(self, exchange: Exchange) -> None:
        try:
            route = self._route(exchange)
            exchange.facts.route = route.path
            exchange.facts.is_logged = route.is_logged
            if route.is_openais and _ANTHROPICS in exchange.headers:
                raise RouteUnknown(
                    f"{route.path} is OpenAI's here: Bursar does not serve what Anthropic's API has there."
                )
            await route.handler(self, exchange)
        except RequestInvalid as error:
            await self._refuse(exchange, BadRequest(str(error)), field=error.field)
        except BursarError as error:
            await self._refuse(exchange, error)
        except ClientGone:
            exchange.facts.code = "client_gone"
            exchange.abort()
        except Exception:  # noqa: BLE001 - the outer edge; logged with the request's id
            _log.exception("request_failed", request_id=str(exchange.request_id))
            await self._refuse(exchange, BursarError("Bursar failed on this request. Its log names the cause."))

    def _route(self, exchange: Exchange) -> Route:
        path, method = exchange.path, exchange.method
        if (exact := self._exact.get((method, path))) is not None:
            return exact
        methods = {route.method for route in self._routes if route.path == path}
        for prefix, suffix, route in self._named:
            if len(path) > len(prefix) + len(suffix) and path.startswith(prefix) and path.endswith(suffix):
                named = path[len(prefix) : len(path) - len(suffix)]
                if route.is_one_word and "/" in named:
                    continue
                if route.method == method:
                    exchange.named = named
                    return route
                methods.add(route.method)
        told = remedy(path)
        if methods:
            raise MethodNotAllowed(f"This route takes {' or '.join(sorted(methods))} only. {told or ''}".rstrip())
        if told is not None:
            raise RouteUnknown(told)
        known = ", ".join(f"{route.method} {route.path}" for route in self._routes)
        raise RouteUnknown(f"Bursar has no such route; it has: {known}.")

    async def _refuse(self, exchange: Exchange, error: BursarError, *, field: str | None = None) -> None:
        await refuse(exchange, error, seconds=self.vendors.limits.write_stall_seconds, field=field)

    async def identify(self, exchange: Exchange) -> tuple[KeyPolicy, PolicySnapshot, datetime]:
        """Return who calls, the policy in force, and the time of the request."""
        snapshot = self.keeper.snapshot
        if snapshot is None:
            raise GovernanceUnavailable("Bursar is still starting: try again shortly.", retry_after_seconds=1)
        at = self._clock()
        policy = await self._identifier.identify(exchange.headers, query=exchange.query, at=at)
        exchange.facts.key_id = policy.key_id
        exchange.facts.team_id = policy.team_id
        return policy, snapshot, at

    def _record(self, exchange: Exchange) -> None:
        facts, numbers = exchange.facts, self.metrics.numbers
        ended_at = time.perf_counter()
        numbers.add(f"bursar_requests\t{facts.route}\t{facts.status}")
        if facts.code:
            self._count_refusal(facts)
        if facts.outcome:
            numbers.count_attempt(facts.outcome)
        if facts.usage is not None:
            numbers.count_tokens(facts.usage)
        for what, count in facts.findings.items():
            numbers.count("bursar_guard_findings", *what, by=count)
        if facts.failed_guard:
            numbers.count("bursar_guard_failures", facts.failed_guard)
        if facts.charge_nano is not None:
            numbers.add("bursar_cost_nano_usd", facts.charge_nano)
        if facts.sent_at is not None and facts.attempts == 1:
            self._record_times(exchange, ended_at)
        if facts.is_logged:
            self._log.tell(exchange, ended_at=ended_at, at=self._clock())

    def _count_refusal(self, facts: Facts) -> None:
        """Count an error; one of ours that a known key met, and no vendor, is shown to people too."""
        self.metrics.numbers.count("bursar_refusals", facts.code)
        is_ours = _REFUSED <= facts.status < _VENDORS or facts.code == GovernanceUnavailable.code
        if facts.key_id is not None and is_ours and not facts.was_sent:
            self.vendors.refusals.count(key_id=facts.key_id, code=facts.code, at=self._clock())

    def _record_times(self, exchange: Exchange, ended_at: float) -> None:
        facts, histograms = exchange.facts, self.metrics.numbers.histograms
        if facts.sent_at is None:
            return
        before = facts.sent_at - facts.started_at
        if facts.is_stream:
            histograms["bursar_added_seconds"].observe(before)
            if facts.first_byte_at is not None:
                histograms["bursar_first_event_seconds"].observe(facts.first_byte_at - facts.sent_at)
        else:
            histograms["bursar_added_seconds"].observe(ended_at - facts.started_at - facts.vendor_seconds)
            histograms["bursar_vendor_seconds"].observe(facts.vendor_seconds)
