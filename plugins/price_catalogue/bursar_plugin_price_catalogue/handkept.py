"""Reads our own catalogue file: what the price package lacks or has wrong, each row with where it was read."""

import hashlib
import itertools
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

import msgspec

from governance.plugin import ModelFact, NativePrice, PriceCatalogue, PriceFact, PriceHours, TokenClass


class _Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    provider: str
    name: str
    title: str
    origin: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    announced_on: date | None = None
    preview_on: date | None = None
    released_on: date | None = None
    deprecated_on: date | None = None
    retires_on: date | None = None
    successor: str | None = None
    places: tuple[str, ...] = ("",)
    bounds: dict[str, int] = {}


class _Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of one model that begin together, as decimal strings in USD or CNY per million by token class. `hours`
    names those of the file at which they hold. `places` are beginnings of the models' names, each with a factor there.
    """

    provider: str
    models: tuple[str, ...]
    origin: str
    usd_per_million: dict[TokenClass, str] = {}
    cny_per_million: dict[TokenClass, str] = {}
    from_input_tokens: int = 0
    service_tier: str = "standard"
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    hours: str | None = None
    places: tuple[str, ...] = ("",)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    as_of: date
    about: str
    origins: dict[str, str]
    hours: dict[str, PriceHours]
    places: dict[str, str]
    models: tuple[_Model, ...]
    prices: tuple[_Prices, ...]


class HandKept:
    """The file `catalogue.json` beside this module."""

    name = "bursar-catalogue"
    precedence = 20

    def read(self, *, providers: Iterable[str]) -> PriceCatalogue:
        """Return the catalogue for these providers (empty: for all of them)."""
        content = files(__package__).joinpath("catalogue.json").read_bytes()
        data = msgspec.json.decode(content, type=_File)
        wanted = set(providers)
        rows = [row for row in data.prices if not wanted or row.provider in wanted]
        return PriceCatalogue(
            source=self.name,
            snapshot_sha256=hashlib.sha256(content).hexdigest(),
            as_of=data.as_of,
            models=tuple(
                fact
                for row in data.models
                if not wanted or row.provider in wanted
                for fact in _models(row, data.origins)
            ),
            prices=tuple(fact for row in rows for fact in _prices(row, data)),
            native=tuple(fact for row in rows for fact in _native(row, data)),
        )


def _models(row: _Model, origins: dict[str, str]) -> Iterable[ModelFact]:
    for place in row.places:
        yield ModelFact(
            provider=row.provider,
            name=place + row.name,
            title=f"{row.title} ({place.rstrip('.')})" if place else row.title,
            context_tokens=row.context_tokens,
            max_output_tokens=row.max_output_tokens,
            announced_on=row.announced_on,
            preview_on=row.preview_on,
            released_on=row.released_on,
            deprecated_on=row.deprecated_on,
            retires_on=row.retires_on,
            successor=place + row.successor if row.successor else None,
            origin=origins[row.origin],
            bounds=row.bounds,
        )


def _prices(row: _Prices, data: _File) -> Iterable[PriceFact]:
    for place, model in itertools.product(row.places, row.models):
        times = Decimal(data.places[place]) if place else 1
        for token_class, price in row.usd_per_million.items():
            terms = _terms(row, data, model=place + model, token_class=token_class)
            yield PriceFact(**terms, usd_per_million=Decimal(price) * times)


def _native(row: _Prices, data: _File) -> Iterable[NativePrice]:
    for model in row.models:
        for token_class, price in row.cny_per_million.items():
            terms = _terms(row, data, model=model, token_class=token_class)
            yield NativePrice(**terms, currency="CNY", per_million=Decimal(price))


def _terms(row: _Prices, data: _File, *, model: str, token_class: TokenClass) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "model": model,
        "token_class": token_class,
        "from_input_tokens": row.from_input_tokens,
        "service_tier": row.service_tier,
        "effective_from": row.effective_from,
        "effective_to": row.effective_to,
        "hours": data.hours[row.hours] if row.hours is not None else None,
        "origin": data.origins[row.origin],
    }
