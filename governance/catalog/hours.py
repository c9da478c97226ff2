"""Prices that hold at some hours only. Pure.

A price with hours goes before one without, of the same class, tier and step, while it is open; of several that are open
the dearest counts. Windows begin and end at quarters of an hour, as every time zone does, so that within a quarter of
an hour of UTC nothing opens or closes.
"""

import functools
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from governance.plugin.prices import PriceHours

QUARTER = timedelta(minutes=15)

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):(?:00|15|30|45)")
_MIDNIGHT = "24:00"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HoursInvalid(ValueError):
    """The hours cannot be: the message says why."""


class Scheduled(Protocol):
    """A price of the catalogue. `hours` is the text of its hours, empty where it holds at all of them."""

    @property
    def token_class(self) -> str: ...  # the fields of a price
    @property
    def service_tier(self) -> str: ...
    @property
    def from_input_tokens(self) -> int: ...
    @property
    def nano_per_unit(self) -> Decimal: ...
    @property
    def hours(self) -> str: ...


P = TypeVar("P", bound=Scheduled)


def deciding(prices: Iterable[P], *, at: datetime) -> list[P]:
    """Return the prices that count at this instant, of those whose dates hold it: one per class, tier and step."""
    found: dict[tuple[str, str, int], P] = {}
    for price in prices:
        if price.hours and not is_open(hours_of(price.hours), at=at):
            continue
        key = (price.token_class, price.service_tier, price.from_input_tokens)
        held = found.get(key)
        if held is None or _weight(price) > _weight(held):
            found[key] = price
    return list(found.values())


def is_open(hours: PriceHours, *, at: datetime) -> bool:
    """Return whether the hours hold this instant, on the wall clock of their zone."""
    local = at.astimezone(ZoneInfo(hours.zone))
    if local.isoweekday() not in hours.weekdays or local.date() in hours.except_on:
        return False
    clock = f"{local:%H:%M}"
    return any(opens <= clock < closes for opens, closes in hours.windows)


def quarter_of(at: datetime) -> datetime:
    """Return the beginning of the quarter of an hour that holds this instant."""
    return at - (at - _EPOCH) % QUARTER


def text_of(hours: PriceHours | None) -> str:
    """Return the text by which a price keeps its hours; the same hours have the same text. Raises HoursInvalid."""
    if hours is None:
        return ""
    _refuse_invalid(hours)
    ordered = msgspec.structs.replace(
        hours, weekdays=tuple(sorted(set(hours.weekdays))), except_on=tuple(sorted(set(hours.except_on)))
    )
    return msgspec.json.encode(ordered).decode()


@functools.lru_cache(maxsize=256)
def hours_of(text: str) -> PriceHours:
    """Return the hours of this text."""
    return msgspec.json.decode(text, type=PriceHours)


def hours_in_words(text: str) -> str:
    """Return the hours as people read them; nothing for a price that holds at all hours."""
    if not text:
        return ""
    hours = hours_of(text)
    days = ", ".join(_DAYS[day - 1] for day in hours.weekdays)
    windows = ", ".join(f"{opens}-{closes}" for opens, closes in hours.windows)
    closed = f", but not on {hours.except_name or f'{len(hours.except_on)} days'}" if hours.except_on else ""
    return f"{days} {windows} {hours.zone}{closed}"


def _weight(price: Scheduled) -> tuple[bool, Decimal]:
    return (price.hours != "", price.nano_per_unit)


def _refuse_invalid(hours: PriceHours) -> None:
    try:
        ZoneInfo(hours.zone)
    except (KeyError, ValueError, OSError) as error:
        raise HoursInvalid(f"{hours.zone!r} is no time zone: name one such as Asia/Shanghai.") from error
    if not hours.weekdays or not set(hours.weekdays) <= set(range(1, 8)):
        raise HoursInvalid("Name the days of the week, from 1 for Monday to 7 for Sunday.")
    if not hours.windows:
        raise HoursInvalid("Name at least one window, such as 09:00 to 12:00.")
    for opens, closes in hours.windows:
        is_time = _TIME.fullmatch(opens) and (closes == _MIDNIGHT or _TIME.fullmatch(closes))
        if not is_time or opens >= closes:
            raise HoursInvalid(
                f"{opens} to {closes} is no window: it begins and ends at quarters of an hour, the end after the "
                "beginning, and 24:00 ends a day."
            )
