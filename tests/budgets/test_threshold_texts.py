"""Thresholds as people write them."""

import pytest

from governance.budgets.errors import BudgetRefused
from governance.budgets.thresholds import Measure, NewThreshold, parse_threshold, threshold_text


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("80", NewThreshold(80)),
        (" 80 % ", NewThreshold(80)),
        ("80%", NewThreshold(80)),
        ("80 settled", NewThreshold(80)),
        ("90 committed", NewThreshold(90, Measure.COMMITTED)),
        ("90 %  committed", NewThreshold(90, Measure.COMMITTED)),
        ("1", NewThreshold(1)),
        ("1000", NewThreshold(1000)),
    ],
)
def test_a_threshold_is_read_with_or_without_its_sign_and_measure(text: str, threshold: NewThreshold) -> None:
    assert parse_threshold(text) == threshold


@pytest.mark.parametrize(
    "text", ["", "half", "0", "1001", "99999999999999999999", "8.5", "-1", "²", "90 held", "committed"]
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BudgetRefused, match="is no threshold: give a whole number of per cent from 1 to 1000"):
        parse_threshold(text)


@pytest.mark.parametrize("threshold", [NewThreshold(80), NewThreshold(90, Measure.COMMITTED)])
def test_what_is_shown_can_be_typed_again(threshold: NewThreshold) -> None:
    assert parse_threshold(threshold_text(percent=threshold.percent, measure=threshold.measure)) == threshold
