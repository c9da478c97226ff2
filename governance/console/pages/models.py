"""What the pages of models and prices show."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Q

from governance.catalog.amounts import usd_per_million
from governance.catalog.lifecycle import Stage
from governance.catalog.models import AliasTarget, Deployment, LanguageModel, Price, PriceBook
from governance.catalog.queries import price_history, prices_in_force
from governance.viewing.explanation import CLASS_WORDS
from governance.viewing.viewer import Viewer

_STAGES = {
    Stage.ANNOUNCED: ("Announced", "near"),
    Stage.PREVIEW: ("Preview", "good"),
    Stage.AVAILABLE: ("Available", "good"),
    Stage.DEPRECATED: ("Deprecated", "near"),
    Stage.RETIRED: ("Retired", "over"),
}
_ORDER = {name: rank for rank, name in enumerate(CLASS_WORDS)}


@dataclass(frozen=True, kw_only=True)
class ModelLine:
    """One model with what it costs now at the standard tier, per token, in nano-USD."""

    model: LanguageModel
    aliases: list[str]
    input_nano: Decimal | None
    output_nano: Decimal | None
    is_offered: bool
    lifecycle: str
    state: str


@dataclass(frozen=True, kw_only=True)
class PriceLine:
    """One price with the class in words."""

    price: Price
    label: str
    state: str


@dataclass(frozen=True, kw_only=True)
class ModelPage:
    """One model in detail: where it runs, and every price of it, those of the deciding book first."""

    line: ModelLine
    deployments: list[Deployment]
    prices: list[PriceLine]
    book: str


def model_lines(*, viewer: Viewer, search: str, is_whole_catalogue: bool, now: datetime) -> list[ModelLine]:
    """Return the models that the organisation offers, or the whole catalogue, whose name holds the search text."""
    models = LanguageModel.objects.all()
    if search:
        models = models.filter(
            Q(name__icontains=search)
            | Q(title__icontains=search)
            | Q(provider__icontains=search)
            | Q(deployments__alias_targets__alias__name__icontains=search)
        )
    if not is_whole_catalogue:
        models = models.filter(deployments__connection__organisation=viewer.organisation)
    found = list(models.distinct())
    return _lines(viewer, found, now)


def model_page(*, viewer: Viewer, model_id: int, now: datetime) -> ModelPage | None:
    """Return one model, or None."""
    model = LanguageModel.objects.filter(id=model_id).first()
    if model is None:
        return None
    prices = list(price_history(model_id=model_id))
    # Where several books price a model, the lowest rank decides for the whole model.
    deciding = min((price.book for price in prices), key=lambda book: book.rank, default=None)
    ordered = sorted(
        prices,
        key=lambda price: (
            price.book.rank,
            price.service_tier != "standard",
            price.service_tier,
            _ORDER.get(price.token_class, len(_ORDER)),
            price.from_input_tokens,
            -price.effective_from.timestamp(),
        ),
    )
    counting = {price.pk for price in prices_in_force(model_ids=[model_id], at=now).get(model_id, [])}
    return ModelPage(
        line=_lines(viewer, [model], now)[0],
        deployments=list(
            model.deployments.filter(connection__organisation=viewer.organisation).select_related("connection")
        ),
        prices=[_price_line(price, now, is_counting=price.pk in counting, book=deciding) for price in ordered],
        book=deciding.name if deciding is not None else "",
    )


def present_prices(model: LanguageModel, *, now: datetime) -> dict[str, Decimal]:
    """Return what is in force at the standard tier for short inputs, in USD per million, by token class."""
    found = _current_prices([model], now).get(model.pk, {})
    return {token_class: usd_per_million(nano) for token_class, nano in found.items()}


def _lines(viewer: Viewer, models: list[LanguageModel], now: datetime) -> list[ModelLine]:
    current = _current_prices(models, now)
    aliases = _aliases(viewer, models)
    return [_line(model, current.get(model.pk, {}), aliases.get(model.pk), now.date()) for model in models]


def _line(model: LanguageModel, prices: dict[str, Decimal], aliases: list[str] | None, today: date) -> ModelLine:
    lifecycle, state = _lifecycle(model, today)
    return ModelLine(
        model=model,
        aliases=aliases or [],
        input_nano=prices.get("input"),
        output_nano=prices.get("output"),
        is_offered=aliases is not None,
        lifecycle=lifecycle,
        state=state,
    )


def _current_prices(models: list[LanguageModel], now: datetime) -> dict[int, dict[str, Decimal]]:
    """Return each model's prices in force at the standard tier for short inputs."""
    deciding = prices_in_force(model_ids=[model.pk for model in models], at=now)
    return {
        model_id: {
            price.token_class: price.nano_per_unit
            for price in prices
            if price.service_tier == "standard" and price.from_input_tokens == 0
        }
        for model_id, prices in deciding.items()
    }


def _aliases(viewer: Viewer, models: list[LanguageModel]) -> dict[int, list[str]]:
    """Return the organisation's aliases of each model that it has a deployment of."""
    deployed = Deployment.objects.filter(model__in=models, connection__organisation=viewer.organisation)
    names: dict[int, list[str]] = {model_id: [] for model_id in deployed.values_list("model_id", flat=True)}
    targets = AliasTarget.objects.filter(deployment__in=deployed).order_by("alias__name")
    for model_id, alias in targets.values_list("deployment__model_id", "alias__name").distinct():
        names[model_id].append(alias)
    return names


def _lifecycle(model: LanguageModel, today: date) -> tuple[str, str]:
    return _STAGES[model.dates.stage(on=today)]


def _price_line(price: Price, now: datetime, *, is_counting: bool, book: PriceBook | None) -> PriceLine:
    label = CLASS_WORDS.get(price.token_class, price.token_class)
    if price.effective_to is not None and price.effective_to <= now:
        return PriceLine(price=price, label=label, state="former")
    if price.effective_from > now:
        return PriceLine(price=price, label=label, state="coming")
    if is_counting:
        return PriceLine(price=price, label=label, state="now")
    return PriceLine(price=price, label=label, state="other hours" if price.book == book else "outranked")
