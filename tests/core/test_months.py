"""Accounting months."""

from datetime import UTC, date, datetime

import pytest

from governance.core.months import MonthInvalid, month_at, month_before, month_period, parse_month


def test_a_month_is_read_from_year_and_month() -> None:
    assert parse_month("2026-11") == date(2026, 11, 1)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-1", "11-2026", "2026-11-01", "\uff12026-11", "2026-11 "])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(MonthInvalid, match="write it as 2026-11"):
        parse_month(text)


def test_the_month_of_an_instant_depends_on_the_zone() -> None:
    instant = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert month_at(instant, zone="UTC") == date(2026, 10, 1)
    assert month_at(instant, zone="Europe/Berlin") == date(2026, 11, 1)


def test_the_month_before_january_is_december() -> None:
    assert month_before(date(2027, 1, 1)) == date(2026, 12, 1)


def test_a_month_begins_at_local_midnight() -> None:
    period = month_period(date(2026, 11, 1), zone="Pacific/Kiritimati")
    assert period.starts_at == datetime(2026, 10, 31, 10, tzinfo=UTC)
    assert period.ends_at == datetime(2026, 11, 30, 10, tzinfo=UTC)
