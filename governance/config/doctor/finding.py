"""What one check found."""

from enum import StrEnum

import msgspec


class Health(StrEnum):
    """`note` is neither good nor bad: a check that could not be made, and why."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True):
    """One line of the report. `remedy` says what to do; it is empty when nothing is to be done."""

    subject: str
    health: Health
    words: str
    remedy: str = ""


def good(subject: str, words: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, Health.GOOD, words)


def note(subject: str, words: str, remedy: str = "") -> Finding:
    """Worth knowing."""
    return Finding(subject, Health.NOTE, words, remedy)


def bad(subject: str, words: str, remedy: str) -> Finding:
    """To be mended."""
    return Finding(subject, Health.BAD, words, remedy)
