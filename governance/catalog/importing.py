"""Importing a dated catalogue: its models, and its prices line by line. Importing it again changes nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.catalog.amounts import is_suspicious_step, nano_per_unit, usd_per_million
from governance.catalog.books import book_for
from governance.catalog.currencies import in_usd
from governance.catalog.errors import CatalogueRefused, PriceRefused
from governance.catalog.hours import HoursInvalid, hours_in_words, text_of
from governance.catalog.merging import merge_models
from governance.catalog.models import LanguageModel, Price, PriceBook
from governance.catalog.timeline import Overlap, Plan, Segment, plan, value_at, wanted
from governance.core.windows import END
from governance.plugin.prices import PriceCatalogue, PriceFact

_BATCH = 2_000


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, in counts of rows; `warnings` and `refused` are whole sentences."""

    source: str
    models_added: int
    models_changed: int
    prices_opened: int
    prices_closed: int
    warnings: tuple[str, ...]
    refused: tuple[str, ...]
    skipped: tuple[str, ...]


class Line(NamedTuple):
    """What identifies a line of a book: which model, class, tier and step it prices, and at which hours."""

    provider: str
    model: str
    token_class: str
    service_tier: str
    from_input_tokens: int
    hours: str = ""

    def words(self) -> str:
        """Return the line as people name it."""
        step = f" from {self.from_input_tokens} input tokens" if self.from_input_tokens else ""
        tier = f" at {self.service_tier}" if self.service_tier != "standard" else ""
        hours = f" ({hours_in_words(self.hours)})" if self.hours else ""
        return f"{self.provider}/{self.model} {self.token_class}{tier}{step}{hours}"


class Change(NamedTuple):
    """What an import changes in one line. `rows` are the kept ones by id."""

    line: Line
    kept: list[Segment]
    plan: Plan


_NO_RATES: Final[Mapping[str, Decimal]] = MappingProxyType({})


@transaction.atomic
def import_catalogue(
    *,
    actor: Actor,
    at: datetime,
    catalogue: PriceCatalogue,
    is_confirmed: bool = False,
    rates: Mapping[str, Decimal] = _NO_RATES,
) -> ImportResult:
    """Bring the source's book and the models up to the catalogue.

    A changed price closes its row and opens another, at the date the source gives or now, whichever is later; what was
    in force stays as it was. A model with a price out of the sane range keeps all it had; so does one with a price that
    may be a mix-up of units, unless `is_confirmed`. `rates` say what a unit of another currency is in USD: prices in it
    are taken over at that rate, and a changed rate is a changed price. Raises CatalogueRefused.
    """
    catalogue = in_usd(catalogue, rates=rates)
    book = book_for(source=catalogue.source)
    lines, refused = _wanted_lines(catalogue.prices)
    models = merge_models(catalogue=catalogue, rank=book.rank)
    changes = _changes(book, lines, at=at)
    unusual = {change.line: sentence for change, sentence in _unusual(changes, at=at)}
    if not is_confirmed:
        refused += [
            f"{sentence} The model's prices stay as they were until it is confirmed." for sentence in unusual.values()
        ]
        unsure = {(line.provider, line.model) for line in unusual}
        changes = [change for change in changes if (change.line.provider, change.line.model) not in unsure]
    opened, closed = _apply(book, changes, models=models.by_name, catalogue=catalogue)
    is_new_snapshot = book.snapshot_sha256 != catalogue.snapshot_sha256
    result = ImportResult(
        source=catalogue.source,
        models_added=models.added,
        models_changed=models.changed,
        prices_opened=opened,
        prices_closed=closed,
        warnings=tuple(unusual.values()) if is_confirmed else (),
        refused=tuple(refused),
        skipped=catalogue.skipped,
    )
    if is_new_snapshot or opened or closed or models.added or models.changed:
        _note(actor=actor, at=at, book=book, catalogue=catalogue, result=result, changes=changes)
    return result


def _wanted_lines(facts: Iterable[PriceFact]) -> tuple[dict[Line, tuple[Segment, ...]], list[str]]:
    """Return the wanted segments per line, without the models that have a price out of range, and why those not."""
    grouped: dict[Line, list[PriceFact]] = defaultdict(list)
    for fact in facts:
        grouped[_line(fact)].append(fact)
    lines: dict[Line, tuple[Segment, ...]] = {}
    refused: dict[tuple[str, str], str] = {}
    for line, members in grouped.items():
        try:
            lines[line] = _segments(members)
        except PriceRefused as error:
            refused[line.provider, line.model] = f"{line.words()}: {error} The model's prices stay as they were."
        except Overlap as error:
            raise CatalogueRefused(f"The catalogue contradicts itself about {line.words()}. {error}") from error
    sane = {line: segments for line, segments in lines.items() if (line.provider, line.model) not in refused}
    return sane, list(refused.values())


def _line(fact: PriceFact) -> Line:
    try:
        hours = text_of(fact.hours)
    except HoursInvalid as error:
        raise CatalogueRefused(f"The hours of {fact.provider}/{fact.model} cannot be. {error}") from error
    return Line(fact.provider, fact.model, fact.token_class, fact.service_tier, fact.from_input_tokens, hours)


def _segments(facts: Iterable[PriceFact]) -> tuple[Segment, ...]:
    return wanted(
        (fact.effective_from, fact.effective_to, nano_per_unit(fact.usd_per_million, token_class=fact.token_class))
        for fact in facts
    )


def _changes(book: PriceBook, lines: dict[Line, tuple[Segment, ...]], *, at: datetime) -> list[Change]:
    kept = _kept_lines(book)
    priced = {(line.provider, line.model) for line in kept}
    models = {(line.provider, line.model) for line in lines}
    changes = []
    for line in sorted({*lines, *(line for line in kept if (line.provider, line.model) in models)}):
        rows = kept.get(line, [])
        segments = lines.get(line, ())
        if (line.provider, line.model) in priced:
            change = plan(kept=rows, wanted=segments, at=at)
        else:
            change = Plan({}, (), segments)
        if not change.is_empty():
            changes.append(Change(line, rows, change))
    return changes


def _kept_lines(book: PriceBook) -> dict[Line, list[Segment]]:
    rows = Price.objects.filter(book=book).values_list(
        "model__provider",
        "model__name",
        "token_class",
        "service_tier",
        "from_input_tokens",
        "hours",
        "effective_from",
        "effective_to",
        "nano_per_unit",
        "id",
    )
    kept: dict[Line, list[Segment]] = defaultdict(list)
    for provider, model, token_class, tier, step, hours, begins, ends, value, row_id in rows:
        line = Line(provider, model, token_class, tier, step, hours)
        kept[line].append(Segment(begins, ends or END, value, row_id))
    return kept


def _apply(
    book: PriceBook,
    changes: list[Change],
    *,
    models: dict[tuple[str, str], LanguageModel],
    catalogue: PriceCatalogue,
) -> tuple[int, int]:
    """Write the changes in the order that never lets two rows overlap; return how many rows opened and closed."""
    origins = {(fact.provider, fact.model): fact.origin for fact in catalogue.prices}
    removed = [row_id for change in changes for row_id in change.plan.removed]
    Price.objects.filter(id__in=removed).delete()
    shortened = [
        Price(id=row_id, effective_to=ends_at)
        for change in changes
        for row_id, ends_at in change.plan.shortened.items()
    ]
    Price.objects.bulk_update(shortened, ["effective_to"], batch_size=_BATCH)
    opened = [
        Price(
            book=book,
            model=models[change.line.provider, change.line.model],
            token_class=change.line.token_class,
            service_tier=change.line.service_tier,
            from_input_tokens=change.line.from_input_tokens,
            hours=change.line.hours,
            nano_per_unit=segment.value,
            effective_from=segment.starts_at,
            effective_to=None if segment.ends_at == END else segment.ends_at,
            source=origins.get((change.line.provider, change.line.model)) or catalogue.source,
            snapshot_sha256=catalogue.snapshot_sha256,
        )
        for change in changes
        for segment in change.plan.added
    ]
    Price.objects.bulk_create(opened, batch_size=_BATCH)
    return len(opened), len(shortened) + len(removed)


def _unusual(changes: list[Change], *, at: datetime) -> Iterable[tuple[Change, str]]:
    """Say of which changes units may be mixed up. What was free and now costs is no mix-up, and must not stay free."""
    for change in changes:
        before = value_at(change.kept, at)
        for segment in change.plan.added:
            if before and is_suspicious_step(before, segment.value):
                yield (
                    change,
                    f"{change.line.words()} goes from {usd_per_million(before)} to {usd_per_million(segment.value)} "
                    f"USD per million on {segment.starts_at:%Y-%m-%d}: check that it is not a mix-up of units.",
                )


def _note(
    *,
    actor: Actor,
    at: datetime,
    book: PriceBook,
    catalogue: PriceCatalogue,
    result: ImportResult,
    changes: list[Change],
) -> None:
    before = {"snapshot_sha256": book.snapshot_sha256, "as_of": str(book.as_of) if book.as_of else None}
    book.snapshot_sha256, book.as_of, book.imported_at = catalogue.snapshot_sha256, catalogue.as_of, at
    book.save(update_fields=["snapshot_sha256", "as_of", "imported_at"])
    audit.record(
        actor=actor,
        action="price_book.imported",
        subject=f"price_book:{book.pk}",
        before=before,
        after={
            "source": result.source,
            "snapshot_sha256": catalogue.snapshot_sha256,
            "as_of": str(catalogue.as_of),
            "models_added": result.models_added,
            "models_changed": result.models_changed,
            "prices_opened": result.prices_opened,
            "prices_closed": result.prices_closed,
            "lines_changed": [change.line.words() for change in changes if change.kept],
            "warnings": list(result.warnings),
            "refused": list(result.refused),
        },
    )
