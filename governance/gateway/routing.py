"""In which order the deployments behind an alias are asked: as they stand, or as the alias's strategy says.

Bursar's own strategies are in `governance.policy.strategies`; plugins offer others. Breakers come after: one that is
open passes its deployment over, whatever its place.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from governance.gateway.pricing import Quote
from governance.plugin.routing import Candidate, RoutingStrategy
from governance.policy.snapshot import AliasPolicy, DeploymentPolicy
from governance.policy.strategies import OWN_STRATEGIES

_log = structlog.get_logger("bursar.gateway")

_NEWEST_SHARE = 0.2
"""How much a new wait counts in a deployment's latency; what was is forgotten by half in three of them."""
_FRESH_SECONDS = 60.0
"""A latency older than this says nothing any more: one request tries the deployment again."""
_TRIAL_SECONDS = 10.0
"""How long others keep away from a deployment of unknown latency while one request tries it."""


class _Wait(msgspec.Struct):
    seconds: float = math.inf
    seen_at: float = -math.inf
    tried_at: float = -math.inf


class Latencies:
    """How long first bytes took lately, by deployment and kind of request. Pure: instants are arguments (monotonic)."""

    def __init__(self) -> None:
        self._waits: dict[tuple[int, bool], _Wait] = {}

    def seen(self, deployment_id: int, *, is_stream: bool, at: float) -> float | None:
        """Return seconds; None where this should be found out, and infinity while that is under way the first time."""
        wait = self._waits.get((deployment_id, is_stream))
        if wait is None:
            return None
        is_known = at - wait.seen_at < _FRESH_SECONDS
        return wait.seconds if is_known or at - wait.tried_at < _TRIAL_SECONDS else None

    def asked(self, deployment_id: int, *, is_stream: bool, at: float) -> None:
        """A request goes there now."""
        self._waits.setdefault((deployment_id, is_stream), _Wait()).tried_at = at

    def note(self, deployment_id: int, seconds: float, *, is_stream: bool, at: float) -> None:
        """Count a wait."""
        wait = self._waits.setdefault((deployment_id, is_stream), _Wait())
        is_known = at - wait.seen_at < _FRESH_SECONDS
        wait.seconds = wait.seconds + _NEWEST_SHARE * (seconds - wait.seconds) if is_known else seconds
        wait.seen_at = at


class Router:
    """Orders deployments by their alias's strategy. One per process."""

    def __init__(self, strategies: Mapping[str, RoutingStrategy], *, chance: Callable[[], float]) -> None:
        self.latencies = Latencies()
        self._strategies = {**strategies, **{strategy.name: strategy for strategy in OWN_STRATEGIES}}
        self._chance = chance
        self._missing: set[str] = set()

    def add(self, strategy: RoutingStrategy) -> None:
        """Offer one more."""
        self._strategies[strategy.name] = strategy

    def order(self, alias: AliasPolicy, quotes: Sequence[Quote], *, at: float) -> list[DeploymentPolicy]:
        """Return the deployments of these quotes, which are of one request, in the order in which they are asked."""
        by_id = {quote.deployment.id: quote.deployment for quote in quotes}
        is_stream = quotes[0].fields.stream
        candidates = [self._candidate(alias, quote, at=at) for quote in quotes]
        ordered = self._ordered(alias, candidates)
        self.latencies.asked(ordered[0].deployment_id, is_stream=is_stream, at=at)
        return [by_id[candidate.deployment_id] for candidate in ordered]

    def _candidate(self, alias: AliasPolicy, quote: Quote, *, at: float) -> Candidate:
        deployment = quote.deployment
        return Candidate(
            deployment_id=deployment.id,
            provider=deployment.provider.name,
            model=deployment.model.name,
            connection=deployment.connection.name,
            region=deployment.region,
            weight=alias.weights.get(deployment.id, 1),
            worst_nano=quote.worst.nano(quote.maximum),
            latency_seconds=self.latencies.seen(deployment.id, is_stream=quote.fields.stream, at=at),
        )

    def _ordered(self, alias: AliasPolicy, candidates: list[Candidate]) -> Sequence[Candidate]:
        strategy = self._strategies.get(alias.routing)
        if strategy is None:
            if alias.routing not in self._missing:
                self._missing.add(alias.routing)
                _log.warning("routing_strategy_missing", strategy=alias.routing, alias=alias.name)
            return candidates
        try:
            ordered = list(strategy.order(tuple(candidates), alias=alias.name, chance=self._chance))
            is_usable = bool(ordered) and all(candidate in candidates for candidate in ordered)
        except Exception:  # noqa: BLE001 - a plugin's own fault costs its preference, not the client its answer
            _log.exception("plugin_failed", doing="routing", strategy=alias.routing)
            return candidates
        return list(dict.fromkeys(ordered)) if is_usable else candidates
