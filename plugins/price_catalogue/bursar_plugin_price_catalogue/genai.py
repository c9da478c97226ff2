"""Imports the data of the installed genai-prices package, offline; its arithmetic and its updater are never used."""

import hashlib
import importlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from governance.plugin import ModelFact, PluginError, PriceCatalogue, PriceFact, TokenClass

_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
    "deepseek": "deepseek",
    "x-ai": "xai",
    "zai": "glm",
}
"""Its provider ids and our names. It has no Alibaba; its `zhipuai` is a conversion from CNY at its own rate."""

_CLASSES = {
    "input_mtok": (TokenClass.INPUT, 1),
    "cache_read_mtok": (TokenClass.CACHE_READ, 1),
    "cache_write_mtok": (TokenClass.CACHE_WRITE, 1),
    "cache_write_1h_mtok": (TokenClass.CACHE_WRITE_LONG, 1),
    "input_audio_mtok": (TokenClass.INPUT_AUDIO, 1),
    "input_image_mtok": (TokenClass.INPUT_IMAGE, 1),
    "output_mtok": (TokenClass.OUTPUT, 1),
    "output_audio_mtok": (TokenClass.OUTPUT_AUDIO, 1),
    "output_image_mtok": (TokenClass.OUTPUT_IMAGE, 1),
    "web_searches_kcount": (TokenClass.WEB_SEARCH, 1000),
    "input_mchars": (TokenClass.CHARACTER, 1),
}
"""Its price fields, our classes, and the factor from its unit to one million."""

_ENOUGH = frozenset({TokenClass.INPUT, TokenClass.OUTPUT, TokenClass.CHARACTER})
"""A model with none of these has no price that it can be called by."""

_TIERS = {
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
    ("processing", "batch"): "batch",
}
_PLACES = {"anthropic": ("us", Decimal("1.1"))}
"""Where inference in one place costs more, which the package does not say: the place, and the factor for every token
(platform.claude.com, "Data residency"; on top of fast inference too). Calls cost the same everywhere.
"""
_VERIFIED = re.compile(r"verified on (\d{4}-\d{2}-\d{2})")

Prices = dict[str, Any]
"""Its price fields by name: a Decimal, or one with steps."""


class Span(msgspec.Struct, frozen=True):
    """Prices in force from a day (None: since ever) until a day (None: still), half-open."""

    start: date | None
    end: date | None
    prices: Prices


class GenaiPrices:
    """The prices of genai-prices for the providers that Bursar names."""

    name = "genai-prices"
    precedence = 10

    def read(self, *, providers: Iterable[str]) -> PriceCatalogue:
        """Return the catalogue for these providers (empty: for all it knows). Raises PluginError when not installed."""
        data = _package_data()
        wanted = set(providers) or set(_PROVIDERS.values())
        reader = _Reader()
        for vendor in data.providers:
            name = _PROVIDERS.get(vendor.id)
            if name in wanted:
                for model in vendor.models:
                    reader.read(name, model)
        content = Path(data.__file__).read_bytes()
        return PriceCatalogue(
            source=self.name,
            snapshot_sha256=hashlib.sha256(content).hexdigest(),
            as_of=max(map(date.fromisoformat, _VERIFIED.findall(content.decode()))),
            models=tuple(reader.models),
            prices=tuple(reader.prices),
            skipped=tuple(reader.skipped),
        )


class _Reader:
    def __init__(self) -> None:
        self.models: list[ModelFact] = []
        self.prices: list[PriceFact] = []
        self.skipped: list[str] = []

    def read(self, provider: str, model: Any) -> None:
        name = model.id.lower()
        if ":" in name or (provider == "gemini" and not name.startswith("gemini")):
            self.skipped.append(f"{provider}/{name}: not a model of this vendor's own API.")
            return
        spans = self._spans(provider, name, model.prices)
        facts = list(_facts(provider, name, "standard", spans))
        for tier, variant in self._variants(provider, name, model):
            facts += _facts(provider, name, tier, _overlaid(spans, variant))
        facts += list(_placed(provider, facts))
        unpriced = sorted({field for span in spans for field in span.prices if field not in _CLASSES})
        if unpriced:
            self.skipped.append(f"{provider}/{name}: {', '.join(unpriced)} cannot be said as token classes.")
        if any(fact.token_class in _ENOUGH for fact in facts):
            self.prices += facts
        self.models.append(
            ModelFact(
                provider=provider,
                name=name,
                title=model.name or model.id,
                context_tokens=model.context_window,
                origin=_origin(model),
            )
        )

    def _spans(self, provider: str, name: str, prices: Any) -> list[Span]:
        """Return what holds when. Prices by the hour cannot be said: the dearest is taken at every hour."""
        rows = prices if isinstance(prices, list) else [_Unconditional(prices)]
        dated = [row for row in rows if row.constraint is None or hasattr(row.constraint, "start_date")]
        hourly = [_fields(row.prices) for row in rows if row not in dated]
        if hourly:
            self.skipped.append(
                f"{provider}/{name}: prices by the hour cannot be said; the dearest counts at all hours."
            )
        starts = [getattr(row.constraint, "start_date", None) for row in dated]
        spans = [
            Span(start, end, _dearest([_fields(row.prices), *hourly]))
            for row, start, end in zip(dated, starts, [*starts[1:], None], strict=True)
        ]
        if [start for start in starts[1:] if start is not None] != sorted({start for start in starts[1:] if start}):
            self.skipped.append(f"{provider}/{name}: its dates are out of order, so it has no price here.")
            return []
        return spans

    def _variants(self, provider: str, name: str, model: Any) -> Iterator[tuple[str, Span]]:
        """Yield what each service tier changes, and when: a later start ends the one before it."""
        starts: dict[str, dict[date | None, Prices]] = {}
        for variant in model.price_variants or []:
            conditions = list(variant.when.items())
            tier = _TIERS.get(conditions[0]) if len(conditions) == 1 else None
            start = getattr(variant.constraint, "start_date", None)
            if variant.constraint is not None and start is None:
                tier = None
            fields = _fields(variant.prices)
            if tier and fields:
                starts.setdefault(tier, {})[start] = fields
            elif fields:
                self.skipped.append(f"{provider}/{name}: prices for {dict(variant.when)} cannot be said.")
        for tier, changes in starts.items():
            days = sorted(changes, key=_as_day)
            for start, end in zip(days, [*days[1:], None], strict=True):
                yield tier, Span(start, end, changes[start])


class _Unconditional(msgspec.Struct):
    prices: Any
    constraint: None = None


def _package_data() -> Any:
    # By name, when asked: the package's data takes 40 MB, and only the import command reads it, not every process.
    try:
        return importlib.import_module("genai_prices.data")
    except ImportError as error:
        raise PluginError(
            "The package genai-prices is not installed: install bursar-plugin-price-catalogue."
        ) from error


def _fields(prices: Any) -> Prices:
    return {name: value for name, value in vars(prices).items() if value is not None and not name.startswith("_")}


def _dearest(choices: list[Prices]) -> Prices:
    names = {name for prices in choices for name in prices}
    return {
        name: max((prices[name] for prices in choices if name in prices), key=lambda value: _steps(value)[-1][1])
        for name in sorted(names)
    }


def _steps(value: Any) -> list[tuple[int, Decimal]]:
    """Return (smallest whole input in tokens, price). The package's steps begin above their start."""
    if isinstance(value, Decimal):
        return [(0, value)]
    return [(0, value.base), *((tier.start + 1, tier.price) for tier in value.tiers)]


def _overlaid(spans: list[Span], variant: Span) -> list[Span]:
    """Return the variant's prices over the base prices they leave out, from the day the variant was known."""
    merged = []
    for span in spans:
        start = max(span.start, variant.start, key=_as_day)
        end = min((day for day in (span.end, variant.end) if day is not None), default=None)
        if end is None or _as_day(start) < end:
            merged.append(Span(start, end, {**span.prices, **variant.prices}))
    return merged


def _as_day(start: date | None) -> date:
    return start or date.min


def _facts(provider: str, model: str, tier: str, spans: list[Span]) -> Iterator[PriceFact]:
    for span in spans:
        for field, value in span.prices.items():
            if field in _CLASSES:
                token_class, factor = _CLASSES[field]
                for from_input_tokens, price in _steps(value):
                    yield PriceFact(
                        provider=provider,
                        model=model,
                        token_class=token_class,
                        usd_per_million=price * factor,
                        from_input_tokens=from_input_tokens,
                        service_tier=tier,
                        effective_from=_midnight(span.start),
                        effective_to=_midnight(span.end),
                    )


def _placed(provider: str, facts: list[PriceFact]) -> Iterator[PriceFact]:
    """Yield these prices for inference in one place. A batch has no place."""
    if provider not in _PLACES:
        return
    place, factor = _PLACES[provider]
    for fact in facts:
        if fact.service_tier != "batch":
            tier = place if fact.service_tier == "standard" else f"{fact.service_tier}+{place}"
            times = 1 if fact.token_class is TokenClass.WEB_SEARCH else factor
            yield msgspec.structs.replace(fact, service_tier=tier, usd_per_million=fact.usd_per_million * times)


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _origin(model: Any) -> str:
    found = re.search(r"https://[^\s,;)]+", model.price_comments or "")
    return found.group().rstrip(".") if found else ""
