"""Reading the catalogue: models and their life, prices and their history."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

import msgspec
from django.db import connection
from django.db.models import Min, Prefetch, Q, QuerySet

from governance.catalog.amounts import usd_per_million
from governance.catalog.errors import AliasNotFound, DeploymentNotFound, GroupNotFound, ModelNotFound
from governance.catalog.hot import PRICES, price_lines
from governance.catalog.hours import deciding
from governance.catalog.models import AccessGroup, AliasTarget, Deployment, LanguageModel, ModelAlias, Price
from governance.catalog.rating import RateTable
from governance.teams.models import Organisation


class PriceChange(msgspec.Struct, frozen=True):
    """A price that begins or ends. `before` and `after` in USD per million; None: there is none."""

    model: LanguageModel
    token_class: str
    service_tier: str
    from_input_tokens: int
    at: datetime
    before: Decimal | None
    after: Decimal | None


def model(*, model_id: int) -> LanguageModel:
    """Return the model. Raises ModelNotFound."""
    found = LanguageModel.objects.filter(id=model_id).first()
    if found is None:
        raise ModelNotFound(f"The catalogue has no model with the id {model_id}.")
    return found


def model_named(*, provider: str, name: str) -> LanguageModel:
    """Return the vendor's model of this name. Raises ModelNotFound."""
    found = LanguageModel.objects.filter(provider=provider, name=name).first()
    if found is None:
        raise ModelNotFound(f"The catalogue has no model {provider}/{name}: `bursar models list` shows what it has.")
    return found


def models(*, provider: str | None = None) -> QuerySet[LanguageModel]:
    """Return the models, by vendor and name."""
    found = LanguageModel.objects.all()
    return found.filter(provider=provider) if provider is not None else found


def deployment(*, deployment_id: int) -> Deployment:
    """Return the deployment. Raises DeploymentNotFound."""
    found = Deployment.objects.filter(id=deployment_id).first()
    if found is None:
        raise DeploymentNotFound(f"There is no deployment with the id {deployment_id}.")
    return found


def group(*, group_id: int, is_locked: bool = False) -> AccessGroup:
    """Return the access group, locked for a change if asked. Raises GroupNotFound."""
    groups = AccessGroup.objects.select_for_update(no_key=True) if is_locked else AccessGroup.objects
    found = groups.filter(id=group_id).first()
    if found is None:
        raise GroupNotFound(f"There is no access group with the id {group_id}.")
    return found


def group_named(*, organisation: Organisation, name: str) -> AccessGroup:
    """Return the organisation's access group of this name. Raises GroupNotFound."""
    found = groups_of(organisation_id=organisation.pk).filter(name=name).first()
    if found is None:
        raise GroupNotFound(f"{organisation} has no access group {name!r}.")
    return found


def groups_of(*, organisation_id: int) -> QuerySet[AccessGroup]:
    """Return the organisation's access groups by name."""
    return AccessGroup.objects.filter(organisation_id=organisation_id).order_by("name")


def alias(*, alias_id: int, is_locked: bool = False) -> ModelAlias:
    """Return the alias, locked for a change if asked. Raises AliasNotFound."""
    found = (
        (ModelAlias.objects.select_for_update(no_key=True) if is_locked else ModelAlias.objects)
        .filter(id=alias_id)
        .first()
    )
    if found is None:
        raise AliasNotFound(f"There is no model alias with the id {alias_id}.")
    return found


def alias_named(*, organisation: Organisation, name: str) -> ModelAlias:
    """Return the organisation's alias of this name. Raises AliasNotFound."""
    found = organisation.aliases.filter(name=name).first()
    if found is None:
        raise AliasNotFound(f"{organisation} has no model alias {name!r}: `bursar models list` shows what it has.")
    return found


def aliases_of(*, organisation_id: int) -> QuerySet[ModelAlias]:
    """Return the organisation's aliases by name, each with its targets, their models and connections."""
    targets = AliasTarget.objects.select_related("deployment__model", "deployment__connection")
    return ModelAlias.objects.filter(organisation_id=organisation_id).prefetch_related(Prefetch("targets", targets))


def prices_in_force(*, model_ids: Iterable[int], at: datetime) -> dict[int, list[Price]]:
    """Return the prices that decide at that instant, by model, as the gateway does: those of its lowest-ranked book,
    and where prices depend on the hour those of this one.
    """
    priced = Price.objects.filter(model_id__in=list(model_ids))
    ranks = dict(priced.values_list("model_id").annotate(rank=Min("book__rank")).order_by())
    rows = priced.filter(_in_force(at)).select_related("book")
    found: dict[int, list[Price]] = {}
    for row in rows.order_by("model_id", "service_tier", "from_input_tokens", "token_class"):
        if row.book.rank == ranks[row.model_id]:
            found.setdefault(row.model_id, []).append(row)
    return {model_id: deciding(rows, at=at) for model_id, rows in found.items()}


def rate_tables(*, model_ids: Iterable[int]) -> dict[int, RateTable]:
    """Return the dated prices of these models as the gateway rates with them; a model without any has no table."""
    with connection.cursor() as cursor:
        cursor.execute(PRICES, {"model_ids": list(model_ids)})
        return {model_id: RateTable(lines) for model_id, lines in price_lines(cursor.fetchall()).items()}


def prices(*, price_ids: Iterable[int]) -> dict[int, Price]:
    """Return these prices by id; one that is gone is missing."""
    return Price.objects.in_bulk(list(price_ids))


def price_history(*, model_id: int) -> QuerySet[Price]:
    """Return every price the model ever had or will have, in every book, newest first."""
    return (
        Price.objects.filter(model_id=model_id)
        .select_related("book")
        .order_by("book__rank", "-effective_from", "service_tier", "from_input_tokens", "token_class")
    )


def upcoming_changes(*, at: datetime, until: datetime) -> list[PriceChange]:
    """Return the prices that begin or end in `(at, until]`, soonest first."""
    begins = Q(effective_from__gt=at, effective_from__lte=until)
    ends = Q(effective_to__gt=at, effective_to__lte=until)
    changes: dict[tuple[object, ...], PriceChange] = {}
    for row in Price.objects.filter(begins | ends).select_related("model").order_by("id"):
        if at < row.effective_from <= until:
            _join(changes, row, row.effective_from, after=usd_per_million(row.nano_per_unit))
        if row.effective_to is not None and at < row.effective_to <= until:
            _join(changes, row, row.effective_to, before=usd_per_million(row.nano_per_unit))
    return sorted(changes.values(), key=lambda change: (change.at, str(change.model), change.token_class))


def retiring(*, on: date, until: date) -> QuerySet[LanguageModel]:
    """Return the models that the vendor retires in `[on, until)`, soonest first."""
    return LanguageModel.objects.filter(retires_on__gte=on, retires_on__lt=until).order_by("retires_on", "name")


def _in_force(at: datetime) -> Q:
    return Q(effective_from__lte=at) & (Q(effective_to__isnull=True) | Q(effective_to__gt=at))


def _join(
    changes: dict[tuple[object, ...], PriceChange],
    row: Price,
    at: datetime,
    *,
    before: Decimal | None = None,
    after: Decimal | None = None,
) -> None:
    """Note the end of one price and the beginning of the next, at the same instant, as one change."""
    key = (row.book_id, row.model_id, row.token_class, row.service_tier, row.from_input_tokens, row.hours, at)
    held = changes.get(key)
    changes[key] = PriceChange(
        row.model,
        row.token_class,
        row.service_tier,
        row.from_input_tokens,
        at,
        before if before is not None or held is None else held.before,
        after if after is not None or held is None else held.after,
    )
