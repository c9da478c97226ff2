"""The headers that announce a model's end."""

from datetime import date

import pytest

from governance.catalog.lifecycle import Dates
from governance.gateway.retirement import retirement_headers

LAST_DAY = date(2026, 12, 11)
SUNSET = (b"sunset", b"Sat, 12 Dec 2026 00:00:00 GMT")


@pytest.mark.parametrize("on", [date(2026, 9, 12), LAST_DAY])
def test_the_end_of_the_last_day_is_announced_ninety_days_before(on: date) -> None:
    assert retirement_headers(Dates(retires_on=LAST_DAY), successor="newer", on=on) == [
        (b"deprecation", b"@1789171200"),
        SUNSET,
        (b"x-bursar-successor", b"newer"),
    ]


def test_from_the_day_that_its_vendor_names_a_model_is_deprecated() -> None:
    dates = Dates(deprecated_on=date(2026, 6, 11), retires_on=LAST_DAY)
    assert retirement_headers(dates, successor="", on=date(2026, 6, 10)) == []
    assert retirement_headers(dates, successor="", on=date(2026, 6, 11)) == [(b"deprecation", b"@1781136000"), SUNSET]
    without_end = Dates(deprecated_on=date(2026, 6, 11))
    assert retirement_headers(without_end, successor="", on=LAST_DAY) == [(b"deprecation", b"@1781136000")]


def test_nothing_is_said_earlier_or_of_a_model_that_stays() -> None:
    assert retirement_headers(Dates(retires_on=LAST_DAY), successor="newer", on=date(2026, 9, 11)) == []
    assert retirement_headers(Dates(released_on=LAST_DAY), successor="newer", on=LAST_DAY) == []
