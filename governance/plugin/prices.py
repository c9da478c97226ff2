"""What a price source hands over: models and dated prices with where they were read."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from governance.plugin.usage import TokenClass


class ModelFact(msgspec.Struct, frozen=True, kw_only=True):
    """One model of one vendor. Token limits in tokens, dates in UTC; None means the source does not say. `origin` says
    where this row was read, where that differs from row to row. `bounds` are the most that media can count as with this
    model, by the names in `media.py`.

    The dates are the days on which the vendor announced it, let it be called as a preview, made it generally available
    and deprecated it, and its last day. One that is announced, and not yet a preview or released, is not called.
    """

    provider: str
    name: str
    title: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    announced_on: date | None = None
    preview_on: date | None = None
    released_on: date | None = None
    deprecated_on: date | None = None
    retires_on: date | None = None
    successor: str | None = None
    origin: str = ""
    bounds: dict[str, int] = {}


class PriceHours(msgspec.Struct, frozen=True, kw_only=True):
    """When a price holds, on the wall clock of an IANA `zone`: on these `weekdays` (1 is Monday, 7 Sunday) in these
    `windows` ("09:00" to "12:00", half-open, at quarters of an hour; "24:00" ends a day), but not on the local days
    `except_on`, such as public holidays, which `except_name` says in words. Windows do not pass midnight: use two.
    """

    zone: str
    weekdays: tuple[int, ...]
    windows: tuple[tuple[str, str], ...]
    except_on: tuple[date, ...] = ()
    except_name: str = ""


class PriceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When a price applies: to requests whose total input is at least `from_input_tokens`, at `service_tier`, from
    `effective_from` (None: since ever) until `effective_to`, half-open. With `hours` it goes before the price without
    hours while they last.
    """

    provider: str
    model: str
    token_class: TokenClass
    from_input_tokens: int = 0
    service_tier: str = "standard"
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    hours: PriceHours | None = None
    origin: str = ""


class PriceFact(PriceTerms, frozen=True, kw_only=True):
    """One price. `usd_per_million` is exact USD per million tokens (per thousand calls for call classes would be
    converted by the source to per million calls; so are images, characters and seconds).
    """

    usd_per_million: Decimal


class NativePrice(PriceTerms, frozen=True, kw_only=True):
    """A price that its vendor bills in another currency: exact units of `currency` (ISO 4217) per million. Whoever
    imports it says what a unit is worth; without that the model stays without this price.
    """

    currency: str
    per_million: Decimal

    def in_usd(self, usd_per_unit: Decimal) -> PriceFact:
        """Return the price at this rate, which its origin then names."""
        terms = {name: getattr(self, name) for name in PriceTerms.__struct_fields__}
        terms["origin"] = f"{self.origin} Billed in {self.currency}, here at {usd_per_unit:f} USD."
        return PriceFact(**terms, usd_per_million=self.per_million * usd_per_unit)


class PriceCatalogue(msgspec.Struct, frozen=True, kw_only=True):
    """A dated snapshot: what it says, where it comes from, and the SHA-256 (hex) of the data it was read from.
    `skipped` lists, in words, what the source knows and this vocabulary cannot say (for example seconds of audio).
    `native` are prices in other currencies than USD.
    """

    source: str
    snapshot_sha256: str
    as_of: date
    models: tuple[ModelFact, ...]
    prices: tuple[PriceFact, ...]
    skipped: tuple[str, ...] = ()
    native: tuple[NativePrice, ...] = ()


class PriceSource(Protocol):
    """An importer of prices. Called by a command, never on the request path. Where two sources price the same model,
    the one with the higher `precedence` is taken for that model, whole.
    """

    name: str
    precedence: int

    def read(self, *, providers: Iterable[str]) -> PriceCatalogue:
        """Return the catalogue for these providers (empty: for all it knows)."""
