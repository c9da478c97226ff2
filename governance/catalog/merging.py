"""What several sources say about one model, as one row: the source of the lowest rank wins, the others fill gaps."""

import msgspec

from governance.catalog.errors import CatalogueRefused
from governance.catalog.lifecycle import Dates
from governance.catalog.models import LanguageModel, PriceBook
from governance.plugin.prices import ModelFact, PriceCatalogue

_DATES = Dates.__struct_fields__
_FACTS = ("context_tokens", "max_output_tokens", *_DATES, "successor", "bounds")
_BATCH = 2_000


class MergedModels(msgspec.Struct, frozen=True):
    """The catalogue's models as rows by (provider, name), and how many were added or changed."""

    by_name: dict[tuple[str, str], LanguageModel]
    added: int
    changed: int


def merge_models(*, catalogue: PriceCatalogue, rank: int) -> MergedModels:
    """Write the catalogue's models; a model that is only priced gets a row too. Runs in the caller's transaction.

    Raises CatalogueRefused when the days of a model's life are out of order.
    """
    facts = {(fact.provider, fact.name): fact for fact in catalogue.models}
    for price in catalogue.prices:
        name = (price.provider, price.model)
        facts.setdefault(name, ModelFact(provider=price.provider, name=price.model, title=price.model))
    providers = {provider for provider, _ in facts}
    rows = {(row.provider, row.name): row for row in LanguageModel.objects.filter(provider__in=providers)}
    ranks = dict(PriceBook.objects.values_list("source", "rank"))
    changed = [
        row
        for name, row in rows.items()
        if name in facts
        and _merge(row, facts[name], source=catalogue.source, is_better=rank <= ranks.get(row.source, 0))
    ]
    added = [_row(fact, source=catalogue.source) for name, fact in facts.items() if name not in rows]
    for row in (*changed, *added):
        _check_dates(row)
    LanguageModel.objects.bulk_update(changed, ["title", "source", *_FACTS], batch_size=_BATCH)
    for row in LanguageModel.objects.bulk_create(added, batch_size=_BATCH):
        rows[row.provider, row.name] = row
    return MergedModels(rows, len(added), len(changed))


def _row(fact: ModelFact, *, source: str) -> LanguageModel:
    return LanguageModel(
        provider=fact.provider,
        name=fact.name,
        title=fact.title,
        context_tokens=fact.context_tokens,
        max_output_tokens=fact.max_output_tokens,
        **{name: getattr(fact, name) for name in _DATES},
        successor=fact.successor or "",
        bounds=fact.bounds,
        source=source,
    )


def _check_dates(row: LanguageModel) -> None:
    if not row.dates.is_in_order:
        known = ", ".join(f"{name} {getattr(row, name)}" for name in _DATES if getattr(row, name))
        raise CatalogueRefused(f"The days of {row} are out of order, with what other sources say of it: {known}.")


def _merge(row: LanguageModel, fact: ModelFact, *, source: str, is_better: bool) -> bool:
    """Take what the fact knows: over what is there if its source is the better one, else only into gaps."""
    values: dict[str, object] = {}
    for name in _FACTS:
        value = getattr(fact, name)
        if value and (is_better or not getattr(row, name)):
            values[name] = value
    if is_better:
        values |= {"title": fact.title, "source": source}
    is_changed = False
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)
            is_changed = True
    return is_changed
