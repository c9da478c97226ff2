"""The headers that announce a model's end."""

from datetime import date

import msgspec
import pytest

from governance.catalog.rating import RateTable
from governance.gateway.retirement import retirement_headers
from governance.policy.snapshot import ModelPolicy

MODEL = ModelPolicy(
    id=1,
    provider="p",
    name="m",
    max_output_tokens=None,
    retires_on=date(2026, 12, 11),
    successor="newer",
    rates=RateTable([]),
)


@pytest.mark.parametrize("on", [date(2026, 9, 12), date(2026, 12, 11)])
def test_the_end_of_the_last_day_is_announced_ninety_days_before(on: date) -> None:
    assert retirement_headers(MODEL, on=on) == [
        (b"deprecation", b"@1789257600"),
        (b"sunset", b"Sat, 12 Dec 2026 00:00:00 GMT"),
        (b"x-bursar-successor", b"newer"),
    ]


def test_nothing_is_said_earlier_or_of_a_model_that_stays() -> None:
    assert retirement_headers(MODEL, on=date(2026, 9, 11)) == []
    assert retirement_headers(msgspec.structs.replace(MODEL, retires_on=None), on=date(2026, 12, 11)) == []


def test_a_model_without_a_successor_names_none() -> None:
    model = msgspec.structs.replace(MODEL, successor="")
    assert [name for name, _ in retirement_headers(model, on=date(2026, 12, 1))] == [b"deprecation", b"sunset"]
