"""The words of an alert."""

from datetime import UTC, datetime

import msgspec

from governance.alerts.message import Passed, make_notice, make_test_notice
from governance.budgets.thresholds import Measure
from governance.core.windows import END

PASSED = Passed(
    crossing_id=5,
    organisation="Acme",
    budget="Search monthly",
    scope="team Search",
    percent=80,
    settled_nano=80_127_000_000,
    limit_nano=100_000_000_000,
    starts_at=datetime(2026, 10, 31, 23, tzinfo=UTC),
    ends_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
    zone="Europe/Berlin",
)


def test_a_notice_names_the_budget_what_is_spent_and_when_it_resets() -> None:
    assert make_notice(PASSED).text == (
        "The budget Search monthly of team Search has spent 80.127 USD of its 100.00 USD (80.12 %), which passes the "
        "threshold of 80 %. It resets at 2026-12-01 00:00 (Europe/Berlin)."
    )


def test_a_budget_that_is_used_up_says_that_calls_may_be_refused() -> None:
    notice = make_notice(msgspec.structs.replace(PASSED, percent=100, settled_nano=100_000_000_000))
    assert "(100.00 %)" in notice.text
    assert "may be refused" in notice.text


def test_a_committed_threshold_says_what_is_held_and_what_that_makes_together() -> None:
    notice = make_notice(msgspec.structs.replace(PASSED, measure=Measure.COMMITTED, held_nano=20_000_000_000))
    assert notice.text == (
        "The budget Search monthly of team Search has spent 80.127 USD and holds 20.00 USD for calls that are not "
        "booked yet, of its 100.00 USD (100.127 USD, 100.12 %), which passes the threshold of 80 % committed. Further "
        "calls that it pays for may be refused. It resets at 2026-12-01 00:00 (Europe/Berlin)."
    )


def test_a_test_message_says_that_nothing_has_happened() -> None:
    notice = make_test_notice(organisation="Acme", at=datetime(2026, 11, 25, tzinfo=UTC))
    assert "no budget has passed a threshold" in notice.text
    assert notice.key != make_test_notice(organisation="Acme", at=datetime(2026, 11, 26, tzinfo=UTC)).key


def test_a_budget_without_end_does_not_reset() -> None:
    assert "It does not reset." in make_notice(msgspec.structs.replace(PASSED, ends_at=END)).text


def test_a_limit_of_nothing_has_no_share() -> None:
    notice = make_notice(msgspec.structs.replace(PASSED, limit_nano=0))
    assert "of its 0.00 USD, which passes" in notice.text


def test_the_key_of_a_notice_stays_the_same_so_that_a_second_delivery_can_be_dropped() -> None:
    assert make_notice(PASSED).key == make_notice(PASSED).key == "bursar-crossing-5"
