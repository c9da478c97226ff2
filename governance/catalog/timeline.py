"""How a price changes without touching history. Pure.

A line (one token class of one model in one book) is a sequence of segments that do not overlap. `plan` compares what is
kept with what is wanted from an instant on, and says which rows end earlier, which future rows go, and which are new.
Nothing before that instant ever changes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from governance.core.windows import BEGINNING, END


class Segment(msgspec.Struct, frozen=True):
    """A price in force `[starts_at, ends_at)`; END means for good. `row_id` is None for one that is not kept yet."""

    starts_at: datetime
    ends_at: datetime
    value: Decimal
    row_id: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """What to do: row id -> its new end; rows to remove (they begin in the future); segments to add."""

    shortened: dict[int, datetime]
    removed: tuple[int, ...]
    added: tuple[Segment, ...]

    def is_empty(self) -> bool:
        """Return whether everything is as wanted."""
        return not (self.shortened or self.removed or self.added)


class Overlap(ValueError):
    """Two wanted segments are in force at the same time."""


def wanted(facts: Iterable[tuple[datetime | None, datetime | None, Decimal]]) -> tuple[Segment, ...]:
    """Return the facts (from, to, value) as segments in order, neighbours of the same value joined. Raises Overlap."""
    segments = sorted(
        (Segment(begins or BEGINNING, ends or END, value) for begins, ends, value in facts),
        key=lambda segment: segment.starts_at,
    )
    joined: list[Segment] = []
    for segment in segments:
        if segment.starts_at >= segment.ends_at:
            raise Overlap(f"A price ends at {segment.ends_at} before it begins.")
        if joined and segment.starts_at < joined[-1].ends_at:
            raise Overlap(f"Two prices are in force at {segment.starts_at}.")
        if joined and joined[-1].ends_at == segment.starts_at and joined[-1].value == segment.value:
            joined[-1] = Segment(joined[-1].starts_at, segment.ends_at, segment.value)
        else:
            joined.append(segment)
    return tuple(joined)


def plan(*, kept: Sequence[Segment], wanted: Sequence[Segment], at: datetime) -> Plan:
    """Say how the kept rows become the wanted segments from `at` on. `wanted` is in order, joined."""
    shortened: dict[int, datetime] = {}
    removed: list[int] = []
    covered: list[Segment] = []
    for row in sorted(kept, key=lambda segment: segment.starts_at):
        if row.ends_at <= at or row.row_id is None:
            continue
        starts_at = max(row.starts_at, at)
        good_until = _agrees_until(row, wanted, starts_at)
        if good_until >= row.ends_at:
            covered.append(Segment(starts_at, row.ends_at, row.value))
        elif good_until > starts_at:
            shortened[row.row_id] = good_until
            covered.append(Segment(starts_at, good_until, row.value))
        elif row.starts_at >= at:
            removed.append(row.row_id)
        else:
            shortened[row.row_id] = at
    return Plan(shortened, tuple(removed), tuple(_uncovered(wanted, covered, at)))


def value_at(segments: Iterable[Segment], at: datetime) -> Decimal | None:
    """Return the price in force at that instant, or None."""
    return next((segment.value for segment in segments if segment.starts_at <= at < segment.ends_at), None)


def _agrees_until(row: Segment, wanted: Sequence[Segment], starts_at: datetime) -> datetime:
    """Return until when the wanted price is the row's own, from `starts_at` on without a break."""
    for segment in wanted:
        if segment.starts_at <= starts_at < segment.ends_at:
            return min(segment.ends_at, row.ends_at) if segment.value == row.value else starts_at
    return starts_at


def _uncovered(wanted: Sequence[Segment], covered: Sequence[Segment], at: datetime) -> Iterable[Segment]:
    for segment in wanted:
        cursor = max(segment.starts_at, at)
        for piece in covered:
            if piece.ends_at <= cursor or piece.starts_at >= segment.ends_at:
                continue
            if piece.starts_at > cursor:
                yield Segment(cursor, piece.starts_at, segment.value)
            cursor = max(cursor, piece.ends_at)
        if cursor < segment.ends_at:
            yield Segment(cursor, segment.ends_at, segment.value)
