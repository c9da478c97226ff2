"""Prices that hold at some hours only: which one counts when, and that the worst case covers what may follow."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.catalog.hours import HoursInvalid, deciding, hours_in_words, hours_of, is_open, quarter_of, text_of
from governance.catalog.rating import PriceLine, RateCard, RateTable
from governance.plugin import PriceHours
from governance.plugin.provider import Bound
from governance.plugin.usage import TokenClass, Usage

BEIJING = PriceHours(
    zone="Asia/Shanghai",
    weekdays=(1, 2, 3, 4, 5),
    windows=(("09:00", "12:00"), ("14:00", "18:00")),
    except_on=(date(2026, 10, 1), date(2026, 10, 2)),
    except_name="public holidays",
)
LONGEST_ATTEMPT = timedelta(minutes=30)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def line(number: int, nano: str, hours: PriceHours | None = None, **more: object) -> PriceLine:
    fields = {
        "token_class": TokenClass.INPUT,
        "from_input_tokens": 0,
        "service_tier": "standard",
        "effective_from": datetime(2026, 1, 1, tzinfo=UTC),
        "effective_to": None,
        **more,
    }
    return PriceLine(id=number, nano_per_unit=Decimal(nano), hours=text_of(hours), **fields)  # type: ignore[arg-type]


def by_the_hour(*, peak: str = "1320", off_peak: str = "660") -> list[PriceLine]:
    output = {"token_class": TokenClass.OUTPUT}
    return [
        line(1, off_peak),
        line(2, peak, BEIJING),
        line(3, "1980", **output),
        line(4, "3960", BEIJING, **output),
    ]


def per_token(lines: Iterable[PriceLine], at: datetime) -> int:
    return RateTable(lines).card_at(at).rate(Usage(input_tokens=1, output_tokens=0)).charge_nano


@pytest.mark.parametrize(
    ("at", "is_peak"),
    [
        ("2026-11-23T00:59:59.999999", False),
        ("2026-11-23T01:00:00", True),
        ("2026-11-23T03:59:59.999999", True),
        ("2026-11-23T04:00:00", False),
        ("2026-11-23T06:00:00", True),
        ("2026-11-23T10:00:00", False),
        ("2026-11-20T16:30:00", False),
        ("2026-11-21T02:00:00", False),
        ("2026-10-01T02:00:00", False),
        ("2026-10-03T02:00:00", False),
        ("2026-10-08T02:00:00", True),
    ],
)
def test_the_price_of_the_hour_counts_on_the_wall_clock_of_its_zone(at: str, is_peak: bool) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert is_open(BEIJING, at=instant) == is_peak
    assert per_token(by_the_hour(), instant) == (1320 if is_peak else 660)


def test_windows_follow_the_clock_when_it_is_changed() -> None:
    hours = PriceHours(zone="Europe/Berlin", weekdays=(7,), windows=(("02:00", "03:00"), ("23:00", "24:00")))
    spring, autumn = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    assert [is_open(hours, at=spring + timedelta(minutes=30 * step)) for step in range(4)] == [False] * 4
    assert [is_open(hours, at=autumn + timedelta(minutes=30 * step)) for step in range(5)] == [True] * 4 + [False]
    assert is_open(hours, at=spring + timedelta(hours=21, minutes=59))
    assert not is_open(hours, at=spring + timedelta(hours=22))


def test_of_several_prices_that_are_open_the_dearest_counts_and_hours_go_before_none() -> None:
    always = PriceHours(zone="UTC", weekdays=(1, 2, 3, 4, 5, 6, 7), windows=(("00:00", "24:00"),))
    prices = [line(1, "5000"), line(2, "10", always), line(3, "20", BEIJING)]
    for each in (prices, prices[::-1]):
        assert [price.id for price in deciding(each, at=MONDAY + timedelta(hours=2))] == [3]
        assert [price.id for price in deciding(each, at=MONDAY)] == [2]
    assert [price.id for price in deciding(prices[:1], at=MONDAY)] == [1]


def test_each_class_tier_and_step_has_its_own_hours() -> None:
    prices = [line(1, "1"), line(2, "2", BEIJING, from_input_tokens=100), line(3, "3", BEIJING, service_tier="fast")]
    assert [price.id for price in deciding(prices, at=MONDAY + timedelta(hours=2))] == [1, 2, 3]
    assert [price.id for price in deciding(prices, at=MONDAY)] == [1]


@pytest.mark.parametrize(("minutes_before", "is_held"), [(61, False), (31, False), (30, True), (1, True), (0, True)])
def test_the_dearer_price_that_begins_while_an_attempt_may_last_is_held(minutes_before: int, is_held: bool) -> None:
    at = MONDAY + timedelta(hours=1) - timedelta(minutes=minutes_before)
    worst = RateCard(by_the_hour(), at=at).worst_case(Bound(input_tokens=100, choices=1))
    assert worst.nano(0) == 100 * (1320 if is_held else 660)


def test_to_its_last_minute_the_dearer_price_is_held() -> None:
    bound = Bound(input_tokens=100, choices=1)
    held = [
        RateCard(by_the_hour(), at=MONDAY + timedelta(hours=4, seconds=seconds)).worst_case(bound).nano(0)
        for seconds in (-1, 0)
    ]
    assert held == [100 * 1320, 100 * 660]


INSTANTS = st.integers(0, 18 * 24 * 3600).map(
    lambda seconds: datetime(2026, 9, 24, tzinfo=UTC) + timedelta(seconds=seconds)
)


@settings(max_examples=300, deadline=None)
@given(
    at=INSTANTS,
    later=st.timedeltas(timedelta(0), LONGEST_ATTEMPT),
    peak=st.integers(1, 5000),
    off_peak=st.integers(1, 5000),
    read=st.integers(0, 1000),
    written=st.integers(0, 1000),
)
def test_the_worst_case_covers_the_price_of_every_instant_of_an_attempt(
    at: datetime, later: timedelta, peak: int, off_peak: int, read: int, written: int
) -> None:
    table = RateTable(by_the_hour(peak=str(peak), off_peak=str(off_peak)))
    worst = table.card_at(at).worst_case(Bound(input_tokens=read, choices=1))
    rated = table.card_at(at + later).rate(Usage(input_tokens=read, output_tokens=written))
    assert worst.nano(written) >= rated.charge_nano


@settings(max_examples=300, deadline=None)
@given(instants=st.lists(INSTANTS, min_size=1, max_size=8))
def test_a_table_that_keeps_its_card_says_what_a_fresh_one_says(instants: list[datetime]) -> None:
    table = RateTable(by_the_hour())
    usage = Usage(input_tokens=7, output_tokens=3)
    for at in instants:
        assert table.card_at(at).rate(usage) == RateTable(by_the_hour()).card_at(at).rate(usage)


@given(at=INSTANTS, more=st.timedeltas(timedelta(0), timedelta(minutes=15)))
def test_nothing_opens_or_closes_within_a_quarter_of_an_hour(at: datetime, more: timedelta) -> None:
    begins = quarter_of(at)
    assert begins <= at < begins + timedelta(minutes=15)
    inside = min(begins + more, begins + timedelta(minutes=15) - timedelta(microseconds=1))
    assert is_open(BEIJING, at=inside) == is_open(BEIJING, at=begins)


def test_the_same_hours_have_the_same_text_and_words_for_people() -> None:
    other = PriceHours(
        zone="Asia/Shanghai",
        weekdays=(5, 4, 3, 2, 1, 1),
        windows=BEIJING.windows,
        except_on=(date(2026, 10, 2), date(2026, 10, 1)),
        except_name="public holidays",
    )
    assert text_of(other) == text_of(BEIJING)
    assert hours_of(text_of(BEIJING)) == BEIJING
    assert hours_in_words(text_of(BEIJING)) == (
        "Mon, Tue, Wed, Thu, Fri 09:00-12:00, 14:00-18:00 Asia/Shanghai, but not on public holidays"
    )
    assert (text_of(None), hours_in_words("")) == ("", "")
    weekend = PriceHours(zone="Asia/Shanghai", weekdays=(6, 7), windows=(("09:00", "12:00"),))
    assert hours_in_words(text_of(weekend)) == "Sat, Sun 09:00-12:00 Asia/Shanghai"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"zone": "Mars/Olympus"}, "'Mars/Olympus' is no time zone"),
        ({"zone": "../etc/passwd"}, "is no time zone"),
        ({"weekdays": ()}, "from 1 for Monday to 7"),
        ({"weekdays": (0, 1)}, "from 1 for Monday to 7"),
        ({"windows": ()}, "at least one window"),
        ({"windows": (("09:10", "12:00"),)}, "09:10 to 12:00 is no window"),
        ({"windows": (("22:00", "02:00"),)}, "22:00 to 02:00 is no window"),
        ({"windows": (("9:00", "12:00"),)}, "is no window"),
        ({"windows": (("24:00", "24:00"),)}, "is no window"),
        ({"windows": (("09:00", "09:00"),)}, "is no window"),
        ({"weekdays": (1, 8)}, "from 1 for Monday to 7 for Sunday"),
    ],
)
def test_hours_that_cannot_be_are_refused(fields: dict[str, object], sentence: str) -> None:
    given_fields = {"zone": "UTC", "weekdays": (1,), "windows": (("09:00", "12:00"),), **fields}
    with pytest.raises(HoursInvalid, match=sentence):
        text_of(PriceHours(**given_fields))  # type: ignore[arg-type]
