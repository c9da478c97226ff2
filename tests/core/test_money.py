"""Amounts stay exact, and say clearly when they cannot."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.core.money import MAX_NANO, MoneyInvalid, charge_nano, exact, exact_sum, parse_usd, usd_text

AMOUNTS = st.integers(-MAX_NANO, MAX_NANO)


@given(nano=AMOUNTS)
def test_text_and_amount_are_the_same_thing(nano: int) -> None:
    assert usd_text(nano) == usd_text(Decimal(nano))
    assert parse_usd(usd_text(nano)) == nano


@pytest.mark.parametrize(
    ("text", "nano"),
    [("1", 10**9), ("0.000000001", 1), ("-2.5", -25 * 10**8), ("9007199.254740993", 9007199254740993)],
)
def test_decimal_text_becomes_whole_nano_usd(text: str, nano: int) -> None:
    assert parse_usd(text) == nano


@pytest.mark.parametrize("text", ["", "1,50", "NaN", "Infinity", "0.0000000001", "ten", "1e99"])
def test_what_is_not_an_amount_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(MoneyInvalid, match=r"\.$"):
        parse_usd(text)


def test_a_float_is_refused() -> None:
    with pytest.raises(MoneyInvalid, match=r"^Money is never a float: give a decimal string such as 12\.50\.$"):
        parse_usd(0.1)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("text", ["abc", "NaN", "Infinity"])
def test_a_rate_must_be_a_finite_decimal(text: str) -> None:
    with pytest.raises(MoneyInvalid):
        exact(text)


@given(cost=st.decimals(min_value=0, max_value=10**15, places=18))
def test_a_charge_is_the_smallest_whole_amount_that_pays_the_cost(cost: Decimal) -> None:
    charge = charge_nano(cost)
    assert charge - 1 < cost <= charge


def test_a_negative_cost_is_refused() -> None:
    with pytest.raises(MoneyInvalid, match="negative"):
        charge_nano(Decimal("-0.1"))


def test_whole_dollars_show_two_places_and_small_change_shows_all() -> None:
    assert [usd_text(nano) for nano in (0, 10**9, 1, 1_500_000_000)] == ["0.00", "1.00", "0.000000001", "1.50"]
    assert [usd_text(nano) for nano in (-1_500_000_000, Decimal(100_000_000))] == ["-1.50", "0.10"]


@pytest.mark.parametrize(("text", "complaint"), [("abc", "'abc' is not a decimal"), ("NaN", "'NaN' is not a finite")])
def test_a_rate_that_is_none_is_named(text: str, complaint: str) -> None:
    with pytest.raises(MoneyInvalid, match=complaint):
        exact(text)


def test_no_digit_is_lost_beyond_what_python_rounds_to() -> None:
    long = Decimal("0.1234567890123456789012345678901234567890")
    with pytest.raises(MoneyInvalid, match="finer than a nano-USD"):
        parse_usd("1." + "0" * 40 + "1")
    assert usd_text(long) == "0.000000000" + str(long)[2:].rstrip("0")
    assert exact_sum([Decimal(10**40), long]) == Decimal(f"{10**40}{str(long)[1:]}")
    assert exact_sum([]) == 0
    assert str(exact_sum([Decimal(1), Decimal(2)])) == "3"


def test_whole_amounts_have_two_decimal_places_and_a_fraction_keeps_its_digits() -> None:
    assert [usd_text(10**9), usd_text(10 * 10**9), usd_text(15 * 10**8), usd_text(1)] == [
        "1.00",
        "10.00",
        "1.50",
        "0.000000001",
    ]


def test_an_amount_without_a_decimal_point_gets_one() -> None:
    assert [usd_text(Decimal(text)) for text in ("1E+10", "1E+9", "0E+12")] == ["10.00", "1.00", "0.00"]
