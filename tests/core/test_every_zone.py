"""Every IANA zone, every change of its clock from 1990 to 2040: days tile time (I14)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from governance.core.windows import Window, WindowKind

ZONES = sorted(available_timezones() - {"localtime"})
START, END = datetime(1990, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


def changed_weeks(zone: ZoneInfo) -> list[datetime]:
    """Return the beginnings (UTC) of all weeks from 1990 to 2040 in which this zone's clock was set."""
    weeks = [START + timedelta(weeks=number) for number in range((END - START) // timedelta(weeks=1))]
    offsets = [week.astimezone(zone).utcoffset() for week in weeks]
    return [week for week, before, after in zip(weeks, offsets, offsets[1:], strict=False) if before != after]


def test_days_tile_time_around_every_change_of_every_clock_from_1990_to_2040() -> None:
    """I14, without chance: a day of another length than 24 hours is near a change of the clock."""
    seen = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        window = Window(kind=WindowKind.DAY, zone=name)
        for week in changed_weeks(zone):
            period = window.period_at(week - timedelta(days=1))
            while period.ends_at < week + timedelta(days=9):
                following = window.period_at(period.ends_at)
                assert following.starts_at == period.ends_at, (name, period, following)
                assert period.holds(period.ends_at - timedelta(microseconds=1)) and not period.holds(period.ends_at)
                assert window.period_at(period.ends_at - timedelta(microseconds=1)) == period, (name, period)
                assert timedelta(hours=12) < period.ends_at - period.starts_at < timedelta(hours=36), (name, period)
                period = following
                seen += 1
    assert seen > 100_000
