"""When a budget runs out, by the pace of its period so far: exact, and never surprising."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from governance.alerts.forecast import Pace, runs_out_at
from governance.core.windows import END

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MAX_NANO = 2**63 - 1


def _november(day: int, *, settled: int, limit: int) -> datetime | None:
    at = NOVEMBER + timedelta(days=day)
    return runs_out_at(Pace(limit_nano=limit, settled_nano=settled, since=NOVEMBER, at=at, ends_at=DECEMBER))


def test_half_the_money_in_ten_days_lasts_ten_more() -> None:
    assert _november(10, settled=50, limit=100) == datetime(2026, 11, 21, tzinfo=UTC)


def test_a_pace_that_reaches_the_end_exactly_lasts() -> None:
    assert _november(15, settled=50, limit=100) is None
    assert _november(15, settled=51, limit=100) is not None


def test_without_spending_or_time_nothing_runs_out() -> None:
    assert _november(10, settled=0, limit=100) is None
    assert _november(0, settled=50, limit=100) is None
    assert _november(-1, settled=50, limit=100) is None
    assert _november(10, settled=0, limit=0) is None


def test_what_is_used_up_runs_out_now() -> None:
    assert _november(10, settled=100, limit=100) == NOVEMBER + timedelta(days=10)
    assert _november(10, settled=1, limit=0) == NOVEMBER + timedelta(days=10)


def test_a_budget_that_never_resets_is_measured_up_to_the_end_of_time() -> None:
    pace = Pace(limit_nano=MAX_NANO, settled_nano=1, since=NOVEMBER, at=DECEMBER, ends_at=END)
    assert runs_out_at(pace) is None
    year = msgspec.structs.replace(pace, limit_nano=12, settled_nano=1)
    assert runs_out_at(year) == NOVEMBER + timedelta(days=360)


@st.composite
def paces(draw: st.DrawFn) -> Pace:
    elapsed = draw(st.integers(1, 40 * 86_400 * 10**6))
    rest = draw(st.integers(1, 400 * 86_400 * 10**6))
    at = NOVEMBER + elapsed * TICK
    return Pace(
        limit_nano=draw(st.integers(0, MAX_NANO)),
        settled_nano=draw(st.integers(1, MAX_NANO)),
        since=NOVEMBER,
        at=at,
        ends_at=at + rest * TICK,
    )


@given(pace=paces())
def test_it_is_the_first_instant_at_which_the_pace_has_spent_the_limit(pace: Pace) -> None:
    found = runs_out_at(pace)
    elapsed = (pace.at - pace.since) // TICK

    def spent_by(at: datetime) -> int:
        """In nano-USD times the microseconds elapsed, so that nothing is divided."""
        return pace.settled_nano * ((at - pace.since) // TICK)

    if found is None:
        assert spent_by(pace.ends_at - TICK) < pace.limit_nano * elapsed
        return
    assert pace.at <= found < pace.ends_at
    assert spent_by(found) >= pace.limit_nano * elapsed
    assert found == pace.at or spent_by(found - TICK) < pace.limit_nano * elapsed


@given(pace=paces(), more=st.integers(1, MAX_NANO))
def test_more_money_lasts_as_long_or_longer_and_more_spending_as_long_or_shorter(pace: Pace, more: int) -> None:
    found = runs_out_at(pace) or pace.ends_at
    richer = runs_out_at(msgspec.structs.replace(pace, limit_nano=pace.limit_nano + more)) or pace.ends_at
    faster = runs_out_at(msgspec.structs.replace(pace, settled_nano=pace.settled_nano + more)) or pace.ends_at
    assert faster <= found <= richer


@given(pace=paces(), factor=st.integers(2, 10**6))
def test_the_currencys_unit_does_not_matter(pace: Pace, factor: int) -> None:
    scaled = msgspec.structs.replace(pace, limit_nano=pace.limit_nano * factor, settled_nano=pace.settled_nano * factor)
    assert runs_out_at(scaled) == runs_out_at(pace)


@given(pace=paces())
def test_at_an_even_pace_the_forecast_stays_the_same(pace: Pace) -> None:
    """Twice the time with twice the spending foretells the same instant, while that lies ahead."""
    elapsed = pace.at - pace.since
    later = msgspec.structs.replace(
        pace,
        at=pace.at + elapsed,
        settled_nano=2 * pace.settled_nano,
        limit_nano=pace.limit_nano + 2 * pace.settled_nano,
        ends_at=pace.ends_at + elapsed,
    )
    earlier = msgspec.structs.replace(later, at=pace.at, settled_nano=pace.settled_nano)
    assert runs_out_at(later) == runs_out_at(earlier)
