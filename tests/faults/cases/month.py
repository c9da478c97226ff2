"""F19: the periods of 5,000 budgets turn at once, at peak. A minute's window turns as a month's does."""

import time

from tests.faults.crowd import between, load, milliseconds, open_crowd, said
from tests.faults.spender import Spending

_KEYS = 5_000
_AROUND_SECONDS = 10.0
_MINUTE = 60.0
_WARM_SECONDS = 50.0
"""In this time every key has called, so that the ten seconds before the turn are those of a day's middle."""


def measure() -> dict[str, object]:
    """Two processes, a budget for each of 5,000 keys below three that all share; every window turns in the middle."""
    with open_crowd() as crowd:
        shared = [crowd.budget(10**15, window="minute") for _ in range(3)]
        paths = [[*shared, crowd.budget(10**12, window="minute")] for _ in range(_KEYS)]
        _sleep_until(_MINUTE - _WARM_SECONDS)
        spenders = crowd.start(
            2, Spending(paths=paths, callers=16, want_nano=2_000_000, window="minute", pause_seconds=0.1)
        )
        turn = _sleep_until(0)
        time.sleep(_AROUND_SECONDS)
        notes = crowd.end(spenders)
        before = between(notes, turn - _AROUND_SECONDS, turn)
        after = between(notes, turn, turn + _AROUND_SECONDS)
        return {
            "p99_ms": {"before": milliseconds(before, 99), "first_10_s": milliseconds(after, 99)},
            "p50_ms": {"before": milliseconds(before, 50), "first_10_s": milliseconds(after, 50)},
            "calls_per_second": round(len(after) / _AROUND_SECONDS),
            "answers_after": said(note for note in notes if note.at >= turn),
            "load_per_core": load(),
            "wrong": crowd.wrong(),
        }


def _sleep_until(second: float) -> float:
    """Sleep until this second of a minute by the wall clock, which the database on this machine shares."""
    time.sleep((second - time.time()) % _MINUTE)
    return time.monotonic()
