"""How a price changes: what was in force stays, what is wanted holds from the instant on, and twice is as once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.catalog.timeline import Overlap, Segment, plan, value_at, wanted
from governance.core.windows import BEGINNING, END

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 40


def day(number: int) -> datetime:
    return START + timedelta(days=number)


VALUES = st.sampled_from([Decimal(1), Decimal(2), Decimal("2.5")])


@st.composite
def lines(draw: st.DrawFn) -> tuple[Segment, ...]:
    """Segments in order that do not overlap, with gaps, the last one perhaps for good."""
    edges = sorted(draw(st.sets(st.integers(0, DAYS), max_size=8)))
    facts = [(day(begin), day(end), draw(VALUES)) for begin, end in pairwise(edges) if draw(st.booleans())]
    if edges and draw(st.booleans()):
        facts.append((day(edges[-1]), None, draw(VALUES)))
    return wanted(facts)


def kept(segments: tuple[Segment, ...]) -> list[Segment]:
    return [
        Segment(segment.starts_at, segment.ends_at, segment.value, number) for number, segment in enumerate(segments)
    ]


def applied(rows: list[Segment], wishes: tuple[Segment, ...], at: datetime) -> list[Segment]:
    """Do what the plan says, as the operations do."""
    change = plan(kept=rows, wanted=wishes, at=at)
    assert all(row.starts_at >= at for row in rows if row.row_id in change.removed)
    left = [
        Segment(row.starts_at, change.shortened.get(row.row_id or 0, row.ends_at), row.value, row.row_id)
        for row in rows
        if row.row_id not in change.removed
    ]
    added = [
        Segment(segment.starts_at, segment.ends_at, segment.value, len(rows) + number)
        for number, segment in enumerate(change.added)
    ]
    return sorted([*left, *added], key=lambda row: row.starts_at)


INSTANTS = st.integers(-1, DAYS + 1).map(day)


@settings(max_examples=250, deadline=None)
@given(before=lines(), after=lines(), at=INSTANTS, looked_at=INSTANTS)
def test_nothing_before_the_instant_changes_and_from_it_on_all_is_as_wanted(
    before: tuple[Segment, ...], after: tuple[Segment, ...], at: datetime, looked_at: datetime
) -> None:
    result = applied(kept(before), after, at)
    assert value_at(result, looked_at) == value_at(before if looked_at < at else after, looked_at)


@settings(max_examples=250, deadline=None)
@given(before=lines(), after=lines(), at=INSTANTS)
def test_rows_never_overlap_and_each_lasts(
    before: tuple[Segment, ...], after: tuple[Segment, ...], at: datetime
) -> None:
    result = applied(kept(before), after, at)
    assert all(row.starts_at < row.ends_at for row in result)
    assert all(one.ends_at <= other.starts_at for one, other in pairwise(result))


@settings(max_examples=250, deadline=None)
@given(before=lines(), after=lines(), at=INSTANTS)
def test_doing_it_again_changes_nothing(before: tuple[Segment, ...], after: tuple[Segment, ...], at: datetime) -> None:
    result = applied(kept(before), after, at)
    assert plan(kept=result, wanted=after, at=at).is_empty()


@given(line=lines(), at=INSTANTS)
def test_what_is_there_already_needs_nothing(line: tuple[Segment, ...], at: datetime) -> None:
    assert plan(kept=kept(line), wanted=line, at=at).is_empty()


def test_facts_that_contradict_each_other_are_refused_and_neighbours_are_joined() -> None:
    with pytest.raises(Overlap, match="in force"):
        wanted([(day(0), day(2), Decimal(1)), (day(1), None, Decimal(2))])
    with pytest.raises(Overlap, match="before it begins"):
        wanted([(day(2), day(2), Decimal(1))])
    assert wanted([(day(1), None, Decimal(1)), (None, day(1), Decimal(1))]) == (Segment(BEGINNING, END, Decimal(1)),)
