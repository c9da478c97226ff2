from decimal import Decimal

import pytest

from governance.console import amounts, charts, times
from tests.console.demo import NOW


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (1_234_567, "$0.0012"),
        (9_999_999, "$0.0100"),
        (10_000_000, "$0.01"),
        (1_234_567_890_123, "$1,234.57"),
        (-22_770_000_000, "\N{MINUS SIGN}$22.77"),
        (2**63 - 1, "$9,223,372,036.85"),
    ],
)
def test_dollars_have_sensible_digits(nano: int, shown: str) -> None:
    assert amounts.usd(nano) == shown


def test_exact_amounts_keep_every_digit() -> None:
    assert amounts.usd_exact(2**63 - 1) == "9223372036.854775807 USD"
    assert amounts.usd_exact(Decimal("0.25")) == "0.00000000025 USD"


def test_prices_are_told_per_million() -> None:
    assert amounts.per_million(Decimal("2500")) == "$2.50"
    assert amounts.per_million(Decimal("150.3")) == "$0.1503"
    assert amounts.per_million(Decimal("1000000000")) == "$1,000,000.00"


@pytest.mark.parametrize(
    ("number", "shown"), [(999, "999"), (1_000, "1.00 K"), (67_299_962, "67.2 M"), (123_456_789_012, "123 B")]
)
def test_large_counts_are_short(number: int, shown: str) -> None:
    assert amounts.short_count(number) == shown


def test_something_is_never_shown_as_nothing() -> None:
    assert amounts.percent(1, 10**12) == "< 1 %"
    assert amounts.permille(1, 10**12) == 1
    assert amounts.percent(5, 0) == "-"


@pytest.mark.parametrize("largest", [0, 1, 7, 10, 7_540_000_000, 2**62])
def test_a_scale_covers_the_largest_amount_with_few_lines(largest: int) -> None:
    ticks = charts.scale(largest)

    assert ticks[0] == 0
    assert ticks[-1] >= largest
    assert 2 <= len(ticks) <= 5


def test_distances_are_told_in_words() -> None:
    assert times.distance(NOW, NOW) == "just now"
    assert times.distance(NOW.replace(hour=12), NOW) == "2 hours ago"
    assert times.distance(NOW.replace(day=25), NOW) == "in 1 day"
