"""Pauses before a retry: full jitter within bounds, and what a vendor asks for as far as it makes sense."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.gateway.backoff import LONGEST_RETRY_AFTER_SECONDS, LONGEST_SECONDS, pause, retry_after

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@given(st.integers(0, 1000), st.floats(0, 1))
def test_the_jitter_is_within_a_bound_that_doubles_up_to_two_seconds(retries: int, chance: float) -> None:
    seconds = pause(retries=retries, retry_after_seconds=None, chance=chance)
    assert seconds is not None
    assert 0 <= seconds <= min(LONGEST_SECONDS, 0.2 * 2**retries)


@given(st.floats(0, LONGEST_RETRY_AFTER_SECONDS), st.floats(0, 1))
def test_a_vendors_wait_is_kept_and_jittered(asked: float, chance: float) -> None:
    seconds = pause(retries=0, retry_after_seconds=asked, chance=chance)
    assert seconds is not None
    assert asked <= seconds <= asked + 0.2


@pytest.mark.parametrize("asked", [5.1, 86_400.0, float("inf"), float("nan"), -1.0])
def test_a_wait_that_makes_no_sense_is_no_retry(asked: float) -> None:
    assert pause(retries=0, retry_after_seconds=asked, chance=0.5) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (("retry-after", "3"), 3.0),
        (("retry-after", " 2.5 "), 2.5),
        (("retry-after-ms", "1500"), 1.5),
        (("retry-after", "Wed, 25 Nov 2026 08:00:04 GMT"), 4.0),
        (("retry-after", "Wed, 25 Nov 2026 07:59:00 GMT"), 0.0),
        (("retry-after", "Wed, 25 Nov 2026 08:00:04 -0000"), 4.0),
        (
            ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"),
            (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - NOW).total_seconds(),
        ),
        (("retry-after", "9" * 400), float("inf")),
        (("retry-after", "-5"), None),
        (("retry-after", "1e3"), None),
        (("retry-after", "soon"), None),
        (("retry-after", ""), None),
        (("retry-after", "٣"), None),
        (("x-other", "3"), None),
    ],
)
def test_what_a_vendor_asks_for_is_read_from_its_headers(header: tuple[str, str], seconds: float | None) -> None:
    assert retry_after([header], at=NOW) == seconds


def test_milliseconds_are_the_more_exact_word() -> None:
    assert retry_after([("retry-after", "1"), ("retry-after-ms", "40")], at=NOW) == 0.04


@given(st.text())
def test_no_header_of_a_vendor_breaks_it(text: str) -> None:
    seconds = retry_after([("retry-after", text)], at=NOW)
    assert seconds is None or seconds >= 0
