"""Writing a route as one change: an alias with its deployments, their order, weights and strategy."""

from collections.abc import Collection, Mapping

import msgspec
from django.db import transaction

from governance.audit.operations import Actor
from governance.catalog import operations
from governance.catalog.models import ModelAlias
from governance.plugin.routing import FIXED_ORDER


class RouteWish(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind an alias: deployments in their fixed order, and how they are chosen. Weights by deployment."""

    deployment_ids: tuple[int, ...]
    routing: str = FIXED_ORDER
    weights: Mapping[int, int] = {}
    leaves_own: bool = False


@transaction.atomic
def make_route(*, actor: Actor, organisation_id: int, name: str, wish: RouteWish, known: Collection[str]) -> ModelAlias:
    """Give clients a name for deployments; `known` are the strategies there are. Raises AliasTaken, AliasRefused."""
    alias = operations.add_alias(
        actor=actor, organisation_id=organisation_id, name=name, deployment_ids=wish.deployment_ids
    )
    return _choose(actor, alias.pk, wish, known)


@transaction.atomic
def change_route(*, actor: Actor, alias_id: int, wish: RouteWish, known: Collection[str]) -> ModelAlias:
    """Put other deployments behind an alias, or choose among them otherwise. Raises AliasNotFound, AliasRefused."""
    operations.change_targets(actor=actor, alias_id=alias_id, deployment_ids=wish.deployment_ids)
    return _choose(actor, alias_id, wish, known)


def _choose(actor: Actor, alias_id: int, wish: RouteWish, known: Collection[str]) -> ModelAlias:
    weights = {pk: weight for pk, weight in wish.weights.items() if pk in wish.deployment_ids}
    operations.change_routing(actor=actor, alias_id=alias_id, routing=wish.routing, known=known, weights=weights)
    return operations.change_leaving_own(actor=actor, alias_id=alias_id, leaves_own=wish.leaves_own)
