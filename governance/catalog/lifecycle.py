"""The days of a model's life, as its vendor gives them, and what they make of it on a given day. Pure; days in UTC."""

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

import msgspec

NOTICE: Final = timedelta(days=90)
"""So long before its last day a model counts as deprecated, where its vendor names no day of its deprecation."""


class Stage(StrEnum):
    """What a model is on a day."""

    ANNOUNCED = "announced"
    PREVIEW = "preview"
    AVAILABLE = "available"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class Dates(msgspec.Struct, frozen=True):
    """The days on which a model was announced, could first be called as a preview, became generally available, was
    deprecated, and is served for the last time. None: the vendor names none, or nobody has read it.
    """

    announced_on: date | None = None
    preview_on: date | None = None
    released_on: date | None = None
    deprecated_on: date | None = None
    retires_on: date | None = None

    @property
    def opens_on(self) -> date | None:
        """The first day on which it can be called, as far as is known."""
        known = [day for day in (self.preview_on, self.released_on) if day is not None]
        return min(known, default=None)

    @property
    def closes_from(self) -> date | None:
        """The day from which it counts as deprecated."""
        if self.deprecated_on is None and self.retires_on is not None:
            return self.retires_on - NOTICE
        return self.deprecated_on

    @property
    def is_in_order(self) -> bool:
        """Whether nothing comes before what it follows."""
        known = [day for day in msgspec.structs.astuple(self) if day is not None]
        return known == sorted(known)

    def stage(self, *, on: date) -> Stage:
        """Return what the model is on this day; one of which no day is known is available."""
        if self.retires_on is not None and on > self.retires_on:
            return Stage.RETIRED
        if self.closes_from is not None and on >= self.closes_from:
            return Stage.DEPRECATED
        if self.opens_on is None:
            return Stage.AVAILABLE if self.announced_on is None else Stage.ANNOUNCED
        if on < self.opens_on:
            return Stage.ANNOUNCED
        return Stage.PREVIEW if self.released_on is None or on < self.released_on else Stage.AVAILABLE

    def is_served(self, *, on: date) -> bool:
        """Return whether its vendor serves it on this day."""
        return self.stage(on=on) not in (Stage.ANNOUNCED, Stage.RETIRED)

    def may_matter(self, *, on: date) -> bool:
        """Return whether a call on this day or later may be told something of it."""
        return self.closes_from is not None or self.stage(on=on) is Stage.ANNOUNCED
