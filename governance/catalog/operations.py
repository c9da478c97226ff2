"""Writing the catalogue by hand: models, prices, deployments, aliases."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.catalog import queries
from governance.catalog.amounts import nano_per_unit, usd_per_million, why_unusual
from governance.catalog.books import MANUAL, book_for
from governance.catalog.errors import AliasRefused, AliasTaken, LimitRefused, ModelTaken, PriceRefused, PriceUnusual
from governance.catalog.models import AliasTarget, Deployment, LanguageModel, ModelAlias, Price
from governance.catalog.names import MAX_ALIAS_CHARACTERS, is_alias_name
from governance.catalog.rating import STANDARD
from governance.catalog.timeline import Segment, plan
from governance.connections import queries as connections
from governance.core.windows import END
from governance.plugin.media import BOUND_NAMES, LARGEST_BOUND, is_bound_name
from governance.plugin.routing import FIXED_ORDER
from governance.plugin.usage import MAX_COUNT, UNIT_CLASSES, TokenClass
from governance.teams import queries as teams
from governance.teams.names import clean_name
from governance.teams.taken import refusing_taken

MAX_WEIGHT: Final = 1000


class NewModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that no source knows. Limits in tokens; None where unknown. `bounds` by the names in
    `governance.plugin.media`.
    """

    provider: str
    name: str
    title: str = ""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    bounds: dict[str, int] = {}


@transaction.atomic
def add_model(*, actor: Actor, new: NewModel) -> LanguageModel:
    """Put a model into the catalogue by hand. Raises ModelTaken, NameRefused, LimitRefused."""
    name = clean_name(new.name, what="model's name")
    model = LanguageModel(
        provider=clean_name(new.provider, what="provider's name"),
        name=name,
        title=clean_name(new.title, what="model's title") if new.title else name,
        context_tokens=_limit(new.context_tokens, None),
        max_output_tokens=_limit(new.max_output_tokens, None),
        bounds=_bounds(new.bounds),
        source=MANUAL,
    )
    with refusing_taken(ModelTaken(f"The catalogue has {model} already: set its prices, or use it as it is.")):
        model.save(force_insert=True)
    audit.record(
        actor=actor, action="model.added", subject=f"model:{model.id}", after={"model": str(model), **_limits(model)}
    )
    return model


@transaction.atomic
def change_limits(
    *,
    actor: Actor,
    model_id: int,
    context_tokens: int | None = None,
    max_output_tokens: int | None = None,
    bounds: Mapping[str, int] | None = None,
) -> LanguageModel:
    """Say how much a model reads and writes at most; None leaves a limit as it is, and so does a bound that is not
    named. Raises LimitRefused.
    """
    model = queries.model(model_id=model_id)
    before = _limits(model)
    model.context_tokens = _limit(context_tokens, model.context_tokens)
    model.max_output_tokens = _limit(max_output_tokens, model.max_output_tokens)
    model.bounds = {**model.bounds, **_bounds(bounds or {})}
    if _limits(model) == before:
        return model
    model.source = MANUAL
    model.save(update_fields=["context_tokens", "max_output_tokens", "bounds", "source"])
    audit.record(
        actor=actor, action="model.limits_changed", subject=f"model:{model.id}", before=before, after=_limits(model)
    )
    return model


@transaction.atomic
def set_prices(
    *,
    actor: Actor,
    at: datetime,
    model_id: int,
    prices: Mapping[TokenClass, Decimal],
    effective_from: datetime,
    is_confirmed: bool = False,
) -> tuple[Price, ...]:
    """Price a model by hand, in USD per million, from an instant on. These prices stand before every imported one.

    A model that has no manual price yet may be priced from any instant; afterwards history is closed. Classes that are
    not named end with it, so name all that the vendor bills. A price that may be a mix-up of units stands only when
    `is_confirmed`, which the trail keeps. Raises ModelNotFound, PriceRefused, PriceUnusual.
    """
    model = queries.model(model_id=model_id)
    _refuse_incomplete(model, prices)
    amounts = {token_class: nano_per_unit(usd, token_class=token_class) for token_class, usd in prices.items()}
    book = book_for(source=MANUAL)
    kept = list(Price.objects.filter(book=book, model=model).order_by("effective_from"))
    _refuse_instant(model, kept, at=at, effective_from=effective_from)
    unusual = _unusual(model, prices, at=effective_from)
    if unusual and not is_confirmed:
        raise PriceUnusual(f"{' '.join(unusual)} If {model} really costs that, confirm it.")
    before = _in_force(kept, effective_from)
    opened = [
        Price(
            book=book,
            model=model,
            token_class=token_class,
            nano_per_unit=segment.value,
            effective_from=segment.starts_at,
            effective_to=None if segment.ends_at == END else segment.ends_at,
            source=MANUAL,
        )
        for token_class in sorted({*amounts, *(TokenClass(row.token_class) for row in kept)})
        for segment in _change_line(
            [row for row in kept if row.token_class == token_class], amounts.get(token_class), at=effective_from
        )
    ]
    created = tuple(Price.objects.bulk_create(opened))
    after = {str(token_class): str(usd_per_million(nano)) for token_class, nano in sorted(amounts.items())}
    if after != before:
        audit.record(
            actor=actor,
            action="model.priced",
            subject=f"model:{model.id}",
            before={"usd_per_million": before},
            after={
                "usd_per_million": after,
                "effective_from": effective_from.isoformat(),
                **({"confirmed": unusual} if unusual else {}),
            },
        )
    return created


@transaction.atomic
def add_deployment(
    *, actor: Actor, model_id: int, connection_id: int, upstream_name: str = "", region: str = ""
) -> Deployment:
    """Let a model be reached through a connection; the vendor is asked for `upstream_name` (empty: the model's name).

    Nothing changes when it is there already. Raises ModelNotFound, ConnectionNotFound.
    """
    model = queries.model(model_id=model_id)
    connection = connections.connection(connection_id=connection_id)
    upstream = clean_name(upstream_name or model.name, what="name at the vendor")
    deployment, is_new = Deployment.objects.get_or_create(
        model=model, connection=connection, upstream_name=upstream, defaults={"region": region}
    )
    if is_new:
        audit.record(
            actor=actor,
            action="deployment.added",
            subject=f"deployment:{deployment.id}",
            after={"model": str(model), "connection_id": connection.id, "upstream_name": upstream, "region": region},
        )
    return deployment


@transaction.atomic
def change_deployment_use(*, actor: Actor, deployment_id: int, is_enabled: bool, reason: str = "") -> Deployment:
    """Take a deployment out of use, or back in. Raises DeploymentNotFound."""
    deployment = queries.deployment(deployment_id=deployment_id)
    if deployment.is_enabled == is_enabled:
        return deployment
    deployment.is_enabled = is_enabled
    deployment.save(update_fields=["is_enabled"])
    audit.record(
        actor=actor,
        action="deployment.enabled" if is_enabled else "deployment.disabled",
        subject=f"deployment:{deployment.id}",
        before={"is_enabled": not is_enabled},
        after={"is_enabled": is_enabled},
        reason=reason,
    )
    return deployment


@transaction.atomic
def add_alias(*, actor: Actor, organisation_id: int, name: str, deployment_ids: Sequence[int]) -> ModelAlias:
    """Give clients a name for these deployments, tried in order. Raises AliasTaken, AliasRefused."""
    organisation = teams.organisation(organisation_id=organisation_id)
    _refuse_alias_name(name)
    taken = AliasTaken(f"{organisation} has an alias {name!r} already: choose another, or change its targets.")
    with refusing_taken(taken):
        alias = ModelAlias.objects.create(organisation=organisation, name=name)
    targets = _write_targets(alias, deployment_ids)
    audit.record(
        actor=actor,
        action="alias.added",
        subject=f"alias:{alias.id}",
        after={"name": name, "deployment_ids": targets},
    )
    return alias


@transaction.atomic
def change_targets(*, actor: Actor, alias_id: int, deployment_ids: Sequence[int]) -> ModelAlias:
    """Point an alias at other deployments, tried in order. Raises AliasNotFound, AliasRefused."""
    alias = queries.alias(alias_id=alias_id, is_locked=True)
    weights = dict(alias.targets.values_list("deployment_id", "weight"))
    before = list(weights)
    if before == list(deployment_ids):
        return alias
    alias.targets.all().delete()
    targets = _write_targets(alias, deployment_ids, weights)
    audit.record(
        actor=actor,
        action="alias.targets_changed",
        subject=f"alias:{alias.id}",
        before={"deployment_ids": before},
        after={"deployment_ids": targets},
    )
    return alias


@transaction.atomic
def change_routing(
    *, actor: Actor, alias_id: int, routing: str, known: Collection[str], weights: Mapping[int, int]
) -> ModelAlias:
    """Let this strategy order the alias's deployments; `known` are those there are. `weights` of deployments that are
    not named stay. Raises AliasNotFound, AliasRefused.
    """
    alias = queries.alias(alias_id=alias_id, is_locked=True)
    if routing != FIXED_ORDER and routing not in known:
        names = ", ".join(sorted({FIXED_ORDER, *known}))
        raise AliasRefused(f"There is no routing strategy {routing!r}; there are: {names}.")
    targets = {target.deployment_id: target for target in alias.targets.all()}
    for deployment_id, weight in weights.items():
        if deployment_id not in targets:
            raise AliasRefused(f"The alias {alias.name!r} has no deployment with the id {deployment_id}.")
        if not 0 <= weight <= MAX_WEIGHT:
            raise AliasRefused(f"A weight is a whole number from 0 (a spare) to {MAX_WEIGHT}, not {weight}.")
    before = _routing(alias.routing, {target.deployment_id: target.weight for target in targets.values()})
    for deployment_id, weight in weights.items():
        targets[deployment_id].weight = weight
    if targets and not any(target.weight for target in targets.values()):
        raise AliasRefused(f"The alias {alias.name!r} needs a deployment whose weight is not 0.")
    after = _routing(routing, {target.deployment_id: target.weight for target in targets.values()})
    if before == after:
        return alias
    alias.routing = routing
    alias.save(update_fields=["routing"])
    AliasTarget.objects.bulk_update(targets.values(), ["weight"])
    audit.record(actor=actor, action="alias.routing_changed", subject=f"alias:{alias.id}", before=before, after=after)
    return alias


@transaction.atomic
def change_leaving_own(*, actor: Actor, alias_id: int, leaves_own: bool) -> ModelAlias:
    """Say whether shared connections follow where an own account of the caller's fails. Raises AliasNotFound."""
    alias = queries.alias(alias_id=alias_id, is_locked=True)
    if alias.leaves_own == leaves_own:
        return alias
    alias.leaves_own = leaves_own
    alias.save(update_fields=["leaves_own"])
    audit.record(
        actor=actor,
        action="alias.own_accounts_changed",
        subject=f"alias:{alias.id}",
        before={"leaves_own": not leaves_own},
        after={"leaves_own": leaves_own},
    )
    return alias


def _routing(routing: str, weights: Mapping[int, int]) -> dict[str, object]:
    return {"routing": routing, "weights": {str(deployment_id): weight for deployment_id, weight in weights.items()}}


@transaction.atomic
def remove_alias(*, actor: Actor, alias_id: int, reason: str = "") -> None:
    """Take the name away from clients; what was called by it stays in the books. Raises AliasNotFound."""
    alias = queries.alias(alias_id=alias_id, is_locked=True)
    before: dict[str, object] = {
        "name": alias.name,
        "deployment_ids": list(alias.targets.values_list("deployment_id", flat=True)),
    }
    alias.delete()
    audit.record(actor=actor, action="alias.removed", subject=f"alias:{alias_id}", before=before, reason=reason)


def _write_targets(
    alias: ModelAlias, deployment_ids: Sequence[int], weights: Mapping[int, int] = MappingProxyType({})
) -> list[int]:
    deployments = {row.id: row for row in Deployment.objects.filter(id__in=deployment_ids).select_related("connection")}
    if not deployment_ids or len(set(deployment_ids)) != len(deployment_ids):
        raise AliasRefused(f"The alias {alias.name!r} needs at least one deployment, and each once.")
    for deployment_id in deployment_ids:
        deployment = deployments.get(deployment_id)
        if deployment is None or deployment.connection.organisation_id != alias.organisation_id:
            raise AliasRefused(f"{alias.organisation} has no deployment with the id {deployment_id}.")
    AliasTarget.objects.bulk_create(
        AliasTarget(alias=alias, deployment_id=deployment_id, position=position, weight=weights.get(deployment_id, 1))
        for position, deployment_id in enumerate(deployment_ids)
    )
    return list(deployment_ids)


def _refuse_alias_name(name: str) -> None:
    if not is_alias_name(name):
        raise AliasRefused(
            f"{name!r} cannot be an alias: use letters, digits and . _ : / @ + - (at most {MAX_ALIAS_CHARACTERS})."
        )


def _refuse_incomplete(model: LanguageModel, prices: Mapping[TokenClass, Decimal]) -> None:
    is_by_the_piece = not UNIT_CLASSES.isdisjoint(prices)
    if not is_by_the_piece and (TokenClass.INPUT not in prices or TokenClass.OUTPUT not in prices):
        raise PriceRefused(f"Give {model} a price for input and for output: without one of them it cannot be called.")


def _unusual(model: LanguageModel, prices: Mapping[TokenClass, Decimal], *, at: datetime) -> list[str]:
    in_force = queries.prices_in_force(model_ids=[model.pk], at=at).get(model.pk, [])
    until_then = {
        row.token_class: row.nano_per_unit
        for row in in_force
        if row.service_tier == STANDARD and row.from_input_tokens == 0
    }
    found = (
        why_unusual(usd, token_class=token_class, before_nano=until_then.get(token_class))
        for token_class, usd in sorted(prices.items())
    )
    return [sentence for sentence in found if sentence is not None]


def _refuse_instant(model: LanguageModel, kept: list[Price], *, at: datetime, effective_from: datetime) -> None:
    if kept and effective_from < at:
        raise PriceRefused(
            f"{model} has manual prices already, so a new price cannot begin in the past: what was rated keeps its "
            "price. Give an instant from now on."
        )
    if not kept and effective_from > at and model.prices.exists():
        raise PriceRefused(
            f"{model} has no manual price yet, and manual prices stand before all others: until {effective_from} it "
            "would have none. Set today's price by hand first, then the coming one."
        )


def _change_line(rows: list[Price], amount: Decimal | None, *, at: datetime) -> tuple[Segment, ...]:
    """Close and remove what does not hold from `at` on; return what has to be opened."""
    kept = [Segment(row.effective_from, row.effective_to or END, row.nano_per_unit, row.pk) for row in rows]
    change = plan(kept=kept, wanted=[Segment(at, END, amount)] if amount is not None else [], at=at)
    Price.objects.filter(id__in=change.removed).delete()
    for row_id, ends_at in change.shortened.items():
        Price.objects.filter(id=row_id).update(effective_to=ends_at)
    return change.added


def _in_force(rows: list[Price], at: datetime) -> dict[str, str]:
    return {
        row.token_class: str(usd_per_million(row.nano_per_unit))
        for row in sorted(rows, key=lambda row: row.token_class)
        if row.effective_from <= at < (row.effective_to or END)
    }


def _limit(wanted: int | None, present: int | None) -> int | None:
    if wanted is not None and not 0 < wanted <= MAX_COUNT:
        raise LimitRefused(f"{wanted} is no limit of tokens: give a whole number above zero.")
    return present if wanted is None else wanted


def _limits(model: LanguageModel) -> dict[str, object]:
    limits: dict[str, object] = {
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
    }
    return limits | {"bounds": model.bounds} if model.bounds else limits


def _bounds(wanted: Mapping[str, int]) -> dict[str, int]:
    for name, bound in wanted.items():
        if not is_bound_name(name):
            raise LimitRefused(
                f"{name[:64]!r} is no bound: use {', '.join(BOUND_NAMES)}, with particulars after dots where it has "
                "any, such as image_output_tokens.1024x1024.high."
            )
        if not 0 < bound <= LARGEST_BOUND:
            raise LimitRefused(f"{bound} is no bound for {name}: give a whole number from 1 to {LARGEST_BOUND}.")
    return dict(wanted)
