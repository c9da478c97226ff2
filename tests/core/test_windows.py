"""Periods tile time in every zone: no gap, no overlap, each instant in exactly one (I14)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.core.windows import Period, Window, WindowKind

ZONES = sorted(available_timezones() - {"localtime"})
START, END = datetime(1990, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, int((END - START).total_seconds())).map(lambda seconds: START + timedelta(seconds=seconds))
WINDOWS = st.builds(
    Window,
    kind=st.sampled_from(list(WindowKind)),
    zone=st.sampled_from(ZONES),
    first_month=st.integers(1, 12),
)


@settings(max_examples=600, deadline=None)
@given(window=WINDOWS, at=INSTANTS)
def test_the_period_of_an_instant_holds_it_and_borders_on_its_neighbours(window: Window, at: datetime) -> None:
    period = window.period_at(at)
    assert period.holds(at)
    assert window.period_at(period.starts_at) == period
    if window.kind is not WindowKind.TOTAL:
        assert window.period_at(period.ends_at).starts_at == period.ends_at
        assert window.period_at(period.starts_at - timedelta(microseconds=1)).ends_at == period.starts_at


@settings(max_examples=300, deadline=None)
@given(window=WINDOWS, at=INSTANTS)
def test_a_boundary_is_the_first_instant_of_its_local_day(window: Window, at: datetime) -> None:
    if window.kind in {WindowKind.MINUTE, WindowKind.HOUR, WindowKind.TOTAL}:
        return
    zone = ZoneInfo(window.zone)
    starts_at = window.period_at(at).starts_at
    local = starts_at.astimezone(zone)
    before = (starts_at - timedelta(seconds=1)).astimezone(zone)
    assert before.date() < local.date()


@pytest.mark.parametrize(
    ("window", "at", "starts_at", "ends_at"),
    [
        (Window(kind=WindowKind.MONTH), "2026-11-23T10:00Z", "2026-11-01T00:00Z", "2026-12-01T00:00Z"),
        (
            Window(kind=WindowKind.DAY, zone="Europe/Berlin"),
            "2026-10-25T12:00Z",
            "2026-10-24T22:00Z",
            "2026-10-25T23:00Z",
        ),
        (
            Window(kind=WindowKind.YEAR, zone="Asia/Tokyo", first_month=4),
            "2026-03-31T14:59Z",
            "2025-03-31T15:00Z",
            "2026-03-31T15:00Z",
        ),
        (Window(kind=WindowKind.WEEK), "2026-11-23T00:00Z", "2026-11-23T00:00Z", "2026-11-30T00:00Z"),
        (
            Window(kind=WindowKind.QUARTER, first_month=2),
            "2026-01-31T23:59Z",
            "2025-11-01T00:00Z",
            "2026-02-01T00:00Z",
        ),
        # Midnight of 2018-11-04 did not exist in Sao Paulo: the day began at 01:00 local, 03:00 UTC.
        (
            Window(kind=WindowKind.DAY, zone="America/Sao_Paulo"),
            "2018-11-04T12:00Z",
            "2018-11-04T03:00Z",
            "2018-11-05T02:00Z",
        ),
        # St. John's set its clocks back at 00:01 to 23:01 of the day before: the day that had begun went on.
        (
            Window(kind=WindowKind.DAY, zone="America/St_Johns"),
            "2010-11-07T02:45Z",
            "2010-11-07T02:30Z",
            "2010-11-08T03:30Z",
        ),
        # The clock and the first instant of a month differ in the zone's own date.
        (
            Window(kind=WindowKind.MONTH, zone="Pacific/Auckland"),
            "2026-10-31T12:00Z",
            "2026-10-31T11:00Z",
            "2026-11-30T11:00Z",
        ),
        # Havana sets its clocks back at 01:00, so midnight comes twice: the first one counts.
        (
            Window(kind=WindowKind.DAY, zone="America/Havana"),
            "2026-11-01T12:00Z",
            "2026-11-01T04:00Z",
            "2026-11-02T05:00Z",
        ),
    ],
)
def test_known_periods(window: Window, at: str, starts_at: str, ends_at: str) -> None:
    assert window.period_at(datetime.fromisoformat(at)) == Period(
        datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at)
    )


def test_a_period_ends_before_its_end() -> None:
    period = Period(START, END)
    assert [period.holds(at) for at in (START, END - timedelta(microseconds=1), END)] == [True, True, False]


def test_an_hour_far_away_is_exact() -> None:
    at = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert Window(kind=WindowKind.MINUTE).period_at(at).starts_at == at.replace(second=0, microsecond=0)


FIXED = {WindowKind.MINUTE, WindowKind.HOUR, WindowKind.TOTAL}


@settings(max_examples=300, deadline=None)
@given(window=WINDOWS, at=INSTANTS)
def test_a_longer_window_is_made_of_whole_days(window: Window, at: datetime) -> None:
    if window.kind in FIXED:
        return
    period = window.period_at(at)
    day = Window(kind=WindowKind.DAY, zone=window.zone)
    assert day.period_at(period.starts_at).starts_at == period.starts_at
    assert day.period_at(period.ends_at).starts_at == period.ends_at
    assert period.starts_at.tzinfo is UTC and period.ends_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "at", "starts_at", "ends_at"),
    [
        # Samoa left out the 30th of December 2011: the 29th is followed by the 31st.
        ("Pacific/Apia", "2011-12-30T09:59Z", "2011-12-29T10:00Z", "2011-12-30T10:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"),
        # Beirut jumps from midnight to one: the day begins at the jump, to the second.
        ("Asia/Beirut", "2026-03-29T12:00Z", "2026-03-28T22:00Z", "2026-03-29T21:00Z"),
        # The clocks of Scoresbysund jumped over midnight in 2024, from 23:59:59 to 1.
        ("America/Scoresbysund", "2024-03-31T12:00Z", "2024-03-31T01:00Z", "2024-04-01T01:00Z"),
        # Monrovia set its clocks from midnight to 0:44:30 and left local mean time: a gap of seconds, not of an hour.
        ("Africa/Monrovia", "1972-01-07T12:00Z", "1972-01-07T00:44:30Z", "1972-01-08T00:00Z"),
        # Lord Howe sets its clocks by half an hour, at two: midnights are whole.
        ("Australia/Lord_Howe", "2026-04-05T00:00Z", "2026-04-04T13:00Z", "2026-04-05T13:30Z"),
    ],
)
def test_days_around_strange_changes_of_the_clock(zone: str, at: str, starts_at: str, ends_at: str) -> None:
    assert Window(kind=WindowKind.DAY, zone=zone).period_at(datetime.fromisoformat(at)) == Period(
        datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at)
    )
