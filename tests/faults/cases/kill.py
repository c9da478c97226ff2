"""F1: what the others notice when one process is killed."""

import signal
import time

from tests.faults.crowd import Crowd, between, load, milliseconds, open_crowd, said
from tests.faults.spender import Spending

_AROUND_SECONDS = 15.0


def measure() -> dict[str, object]:
    """Four processes at a steady pace; one is killed. Admission of the others before and after."""
    with open_crowd() as crowd:
        path = [crowd.budget(10**15) for _ in range(4)]
        victim, *others = crowd.start(4, Spending(paths=[path], callers=8, want_nano=2_000_000, pause_seconds=0.05))
        time.sleep(_AROUND_SECONDS + 5)
        killed_at = time.monotonic()
        victim.send_signal(signal.SIGKILL)
        recovered_at = _await_recovery(crowd, victim.pid)
        time.sleep(max(0, _AROUND_SECONDS - (time.monotonic() - killed_at)))
        notes = crowd.end(others)
        before = between(notes, killed_at - _AROUND_SECONDS, killed_at)
        after = between(notes, killed_at, killed_at + _AROUND_SECONDS)
        return {
            "others_p99_ms": {"before": milliseconds(before, 99), "after": milliseconds(after, 99)},
            "others_p50_ms": {"before": milliseconds(before, 50), "after": milliseconds(after, 50)},
            "recovered_seconds": round(recovered_at - killed_at, 1),
            "answers": said(notes),
            "load_per_core": load(),
            "wrong": crowd.wrong(),
        }


def _await_recovery(crowd: Crowd, process_id: int) -> float:
    while crowd.world.rows("SELECT 1 FROM metering_worker WHERE process_id = %s AND state <> 'dead'", process_id):
        time.sleep(0.05)
    return time.monotonic()
