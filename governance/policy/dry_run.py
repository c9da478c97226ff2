"""What would become of a call, without making it: which deployments would be asked, in which order, and why.

It decides as the gateway does, with the same rules over what the database holds now. What only a gateway process knows
is left out and said: open breakers, latencies, and whether a sealed credential can be opened.
"""

import random
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec

from governance.catalog import queries as catalog
from governance.catalog.lifecycle import Stage
from governance.catalog.models import AliasTarget, Deployment, ModelAlias
from governance.catalog.rating import RateTable
from governance.connections.models import Connection
from governance.core.errors import BursarError
from governance.core.money import usd_text
from governance.keys.models import VirtualKey
from governance.keys.queries import KeyState, state
from governance.plugin.provider import Bound
from governance.plugin.routing import FIXED_ORDER, Candidate, RoutingStrategy
from governance.policy.errors import RuleRefused
from governance.policy.matching import Decision, may
from governance.policy.queries import levels_of, region_rules_of
from governance.policy.reach import SHARED_RANK, Owner, theirs
from governance.policy.regions import refusing
from governance.policy.strategies import OWN_STRATEGIES
from governance.teams.models import Team

_REASONS: Final = {
    "price": "This call costs at most {cost} USD here; the least comes first.",
    "latency": "The quickest lately comes first. Only the gateway processes know which: this is where they begin.",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A call that somebody asks about: of a team, with one of its keys or with a key like any other."""

    alias: ModelAlias
    team: Team
    key: VirtualKey | None = None
    input_tokens: int = 1000
    output_tokens: int = 500


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment, and why it would be asked at its place, or not at all. `worst_nano` is known of what is asked."""

    deployment: Deployment
    reason: str
    worst_nano: int | None = None


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of the call. `refusal` is empty where it would be made; `asked` one after another until one
    answers; `left_out` never. `decision` is the allow-lists'.
    """

    decision: Decision
    refusal: str
    asked: tuple[Step, ...]
    left_out: tuple[Step, ...]


class _Leg(msgspec.Struct, frozen=True):
    """A deployment of the alias that can be reached at all."""

    target: AliasTarget
    owner: Owner | None

    @property
    def rank(self) -> int:
        """See `Owned`."""
        return SHARED_RANK if self.owner is None else self.owner.rank

    @property
    def deployment(self) -> Deployment:
        """What the target points at."""
        return self.target.deployment

    @property
    def region(self) -> str:
        """Where it handles requests."""
        return self.deployment.region or self.deployment.connection.region


class _Caller(msgspec.Struct, frozen=True):
    unit_id: int
    team_id: int


class _Sieve:
    """What is left of an alias's deployments, and why others are not."""

    def __init__(self, asked: Asked, *, at: datetime) -> None:
        self._asked = asked
        self._at = at
        self.left_out: list[Step] = []
        self.worst: dict[int, int] = {}

    def run(self, providers: Collection[str]) -> tuple[list[_Leg], str]:
        """Return the legs that are left in their fixed order, and why there are none."""
        targets = self._asked.alias.targets.select_related("deployment__model", "deployment__connection__unit")
        enabled = [target for target in targets if self._keep(target, _why_off(target.deployment))]
        legs = [_Leg(target, _owner(target.deployment.connection)) for target in enabled]
        owners = frozenset(leg.owner for leg in legs if leg.owner is not None)
        working = [leg for leg in legs if self._keep(leg.target, _why_unserved(leg.deployment, providers))]
        reached = self._reached(working, owners)
        if reached is None:
            return [], "It is served through own accounts of others alone, so for this caller there is no such model."
        if not reached:
            return [], "It has no working connection to a provider."
        regional = [leg for leg in reached if self._keep(leg.target, self._why_elsewhere(leg))]
        if not regional:
            return [], "It is served nowhere in the regions where the caller's requests are kept."
        living = [leg for leg in regional if self._keep(leg.target, self._why_unserved(leg))]
        if not living:
            return [], "Its vendor has retired it."
        tables = catalog.rate_tables(model_ids=[leg.deployment.model_id for leg in living])
        priced = [leg for leg in living if self._keep(leg.target, self._why_unpriced(leg, tables))]
        return priced, "" if priced else "It has no price, and what has no price is never called."

    def _reached(self, working: list[_Leg], owners: frozenset[Owner]) -> list[_Leg] | None:
        if not owners:
            return working
        team = self._asked.team
        caller, leaves_own = _Caller(team.unit_id, team.pk), self._asked.alias.leaves_own
        reached = theirs(working, caller, owners=owners, leaves_own=leaves_own)
        for leg in working:
            if reached is None or leg not in reached:
                is_others = leg.owner is not None and not leg.owner.has(caller)
                self._keep(leg.target, _why_others(leg) if is_others else "The caller's own account serves it alone.")
        return None if reached is None else list(reached)

    def _why_elsewhere(self, leg: _Leg) -> str:
        rule = refusing(leg.region, region_rules_of(team=self._asked.team))
        if rule is None:
            return ""
        place = f"It is in {leg.region}" if leg.region else "Nobody said where it is"
        return f"{place}, and {rule.level} keeps its requests in {' or '.join(rule.regions)}."

    def _why_unserved(self, leg: _Leg) -> str:
        dates, today = leg.deployment.model.dates, self._at.date()
        if dates.is_served(on=today):
            return ""
        if dates.stage(on=today) is Stage.ANNOUNCED:
            return "Its vendor has only announced the model."
        return f"Its vendor retired the model on {dates.retires_on}."

    def _why_unpriced(self, leg: _Leg, tables: Mapping[int, RateTable]) -> str:
        table = tables.get(leg.deployment.model_id)
        if table is None:
            return "The model has no price."
        bound = Bound(input_tokens=self._asked.input_tokens, choices=1)
        try:
            worst = table.card_at(self._at).worst_case(bound)
        except BursarError as error:
            return error.message
        self.worst[leg.target.deployment_id] = worst.nano(self._asked.output_tokens)
        return ""

    def _keep(self, target: AliasTarget, why_not: str) -> bool:
        if why_not:
            self.left_out.append(Step(deployment=target.deployment, reason=why_not))
        return not why_not


def dry_run(
    *, asked: Asked, at: datetime, strategies: Mapping[str, RoutingStrategy], providers: Collection[str]
) -> DryRun:
    """Return what would become of this call now. `strategies` and `providers` are those that plugins offer.

    Raises RuleRefused where alias and team are of different organisations.
    """
    if asked.alias.organisation_id != asked.team.organisation_id:
        raise RuleRefused(f"The team {asked.team} belongs to another organisation than the alias {asked.alias}.")
    decision = may(asked.alias.name, levels_of(team=asked.team, key=asked.key))
    refusal = _why_refused(asked, decision, at=at)
    sieve = _Sieve(asked, at=at)
    legs, why_none = sieve.run(providers)
    steps = _ordered(asked.alias, legs, sieve.worst, strategies=strategies)
    return DryRun(
        decision=decision,
        refusal=refusal or why_none,
        asked=() if refusal else steps,
        left_out=tuple(sieve.left_out),
    )


def _why_refused(asked: Asked, decision: Decision, *, at: datetime) -> str:
    if asked.team.archived_at is not None:
        return f"The team {asked.team} is archived: its keys are refused."
    if asked.key is not None and state(key=asked.key, at=at) != KeyState.ACTIVE:
        return f"The key {asked.key} is {state(key=asked.key, at=at)}."
    if not decision.is_allowed:
        return f"It is not on the allow-list of {decision.level}."
    return ""


def _why_off(deployment: Deployment) -> str:
    if not deployment.is_enabled:
        return "It is taken out of use."
    return "" if deployment.connection.is_enabled else f"The connection {deployment.connection} is taken out of use."


def _why_unserved(deployment: Deployment, providers: Collection[str]) -> str:
    provider = deployment.connection.provider
    return "" if provider in providers else f"No installed plugin offers the provider {provider}."


def _why_others(leg: _Leg) -> str:
    return f"It is an own account of {leg.deployment.connection.owner_text}, which serves nobody else."


def _owner(connection: Connection) -> Owner | None:
    if connection.unit_id is None and connection.team_id is None:
        return None
    return Owner(connection.unit_id, connection.team_id)


def _ordered(
    alias: ModelAlias, legs: list[_Leg], worst: Mapping[int, int], *, strategies: Mapping[str, RoutingStrategy]
) -> tuple[Step, ...]:
    known = {**strategies, **{strategy.name: strategy for strategy in OWN_STRATEGIES}}
    strategy = known.get(alias.routing)
    ordered = legs
    if strategy is not None and len(legs) > 1:
        ordered = _by_strategy(strategy, alias, legs, worst)
        if any(leg.owner for leg in legs):
            ordered.sort(key=lambda leg: leg.rank)
    total = sum(leg.target.weight for leg in legs)
    return tuple(
        Step(
            deployment=leg.deployment,
            worst_nano=worst[leg.target.deployment_id],
            reason=_why_here(alias, leg, place, total=total, cost=worst[leg.target.deployment_id], known=known),
        )
        for place, leg in enumerate(ordered)
    )


def _by_strategy(
    strategy: RoutingStrategy, alias: ModelAlias, legs: list[_Leg], worst: Mapping[int, int]
) -> list[_Leg]:
    if strategy.name == "weight":
        # Said as it is most often, rather than drawn.
        return sorted(legs, key=lambda leg: -leg.target.weight)
    by_id = {leg.target.deployment_id: leg for leg in legs}
    candidates = tuple(_candidate(leg, worst[leg.target.deployment_id]) for leg in legs)
    found = strategy.order(candidates, alias=alias.name, chance=random.random)
    wanted = [by_id[each.deployment_id] for each in dict.fromkeys(found) if each in candidates]
    return wanted or legs


def _candidate(leg: _Leg, worst_nano: int) -> Candidate:
    return Candidate(
        deployment_id=leg.target.deployment_id,
        provider=leg.deployment.connection.provider,
        model=leg.deployment.model.name,
        connection=leg.deployment.connection.name,
        region=leg.region,
        weight=leg.target.weight,
        worst_nano=worst_nano,
        latency_seconds=None,
    )


def _why_here(alias: ModelAlias, leg: _Leg, place: int, *, total: int, cost: int, known: Collection[str]) -> str:
    if alias.routing == FIXED_ORDER:
        return "It stands first." if place == 0 else "It is asked if none before it can answer."
    if alias.routing not in known:
        return f"No installed plugin offers the strategy {alias.routing}: the deployments are asked as they stand."
    if alias.routing == "weight":
        if not leg.target.weight:
            return "A spare: it is asked when all others have failed."
        return (
            f"It comes first in {leg.target.weight * 100 // total} of 100 calls, by its weight of {leg.target.weight}."
        )
    reason = _REASONS.get(alias.routing, "The strategy {name} of a plugin puts it here.")
    return reason.format(cost=usd_text(cost), name=alias.routing)
