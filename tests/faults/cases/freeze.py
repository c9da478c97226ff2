"""F2: one process is stopped for a minute and wakes."""

import signal
import time

from tests.faults.crowd import between, load, milliseconds, open_crowd, said
from tests.faults.spender import Spending

_BEFORE_SECONDS = 10.0
_FROZEN_SECONDS = 60.0
_LEASED = """
    SELECT coalesce(sum(l.amount_nano), 0)::bigint AS nano, max(w.state) AS state
      FROM metering_worker w LEFT JOIN metering_lease l ON l.epoch = w.epoch
     WHERE w.process_id = %s AND w.state IN ('alive', 'fenced')
"""


def measure() -> dict[str, object]:
    """What it held stays held as long as it is frozen; then it goes on, under another epoch."""
    with open_crowd() as crowd:
        path = [crowd.budget(10**15) for _ in range(4)]
        frozen, *others = crowd.start(3, Spending(paths=[path], callers=8, want_nano=2_000_000, pause_seconds=0.05))
        time.sleep(_BEFORE_SECONDS + 5)
        frozen_at = time.monotonic()
        frozen.send_signal(signal.SIGSTOP)
        time.sleep(1)
        (held,) = crowd.world.rows(_LEASED, frozen.pid)
        time.sleep(_FROZEN_SECONDS - 1)
        (still_held,) = crowd.world.rows(_LEASED, frozen.pid)
        woken_at = time.monotonic()
        frozen.send_signal(signal.SIGCONT)
        time.sleep(5)
        theirs, own = crowd.end(others), crowd.end([frozen])
        first = next((note.at for note in own if note.at > woken_at and note.said == "ok"), woken_at)
        return {
            "held_nano": {"when_frozen": held["nano"], "a_minute_later": still_held["nano"]},
            "state_when_frozen": still_held["state"],
            "first_admission_after_waking_seconds": round(first - woken_at, 2),
            "others_p99_ms": {
                "before": milliseconds(between(theirs, frozen_at - _BEFORE_SECONDS, frozen_at), 99),
                "meanwhile": milliseconds(between(theirs, frozen_at, woken_at), 99),
            },
            "answers": said([*theirs, *own]),
            "load_per_core": load(),
            "wrong": crowd.wrong() + _freed(held["nano"], still_held["nano"]),
        }


def _freed(before: int, after: int) -> list[str]:
    return [f"{before - after} nano-USD of a frozen process were freed."] if after < before else []
