"""At which share of its limit a budget tells, and by what it is measured. Pure."""

from enum import StrEnum

import msgspec

from governance.budgets.errors import BudgetRefused

LARGEST_THRESHOLD = 1000


class Measure(StrEnum):
    """Which money is compared with the share of the limit."""

    SETTLED = "settled"
    """What calls did cost."""
    COMMITTED = "committed"
    """That, and what is held for calls that are not booked yet: it tells earlier."""


class NewThreshold(msgspec.Struct, frozen=True, order=True):
    """A threshold to be made."""

    percent: int
    measure: Measure = Measure.SETTLED


def parse_threshold(text: str) -> NewThreshold:
    """Read "80", "80 %" or "90 committed". Raises BudgetRefused."""
    number, _, measure = text.replace("%", " ").strip().partition(" ")
    measure = measure.strip() or Measure.SETTLED
    if not number.isascii() or not number.isdigit() or len(number) > len(str(LARGEST_THRESHOLD)):
        raise _unreadable(text)
    if int(number) not in range(1, LARGEST_THRESHOLD + 1) or measure not in list(Measure):
        raise _unreadable(text)
    return NewThreshold(int(number), Measure(measure))


def threshold_text(*, percent: int, measure: str) -> str:
    """Say a threshold as `parse_threshold` reads it: "80 %", "90 % committed"."""
    return f"{percent} %" if measure == Measure.SETTLED else f"{percent} % {measure}"


def _unreadable(text: str) -> BudgetRefused:
    return BudgetRefused(
        f"{text.strip()!r} is no threshold: give a whole number of per cent from 1 to {LARGEST_THRESHOLD}, such as 80, "
        "or 90 committed to count what is held too."
    )
