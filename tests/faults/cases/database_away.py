"""F3: the database is away for 40 seconds."""

import asyncio
import time

from tests.faults.crowd import between, load, milliseconds, open_crowd, said
from tests.faults.spender import Spending

_WARM_SECONDS = 75.0
_AWAY_SECONDS = 40.0


def measure() -> dict[str, object]:
    """How long leases in hand go on paying, and how soon everything is as before when it is back."""
    with open_crowd() as crowd:
        path = [crowd.budget(10**15) for _ in range(4)]
        spenders = crowd.start(2, Spending(paths=[path], callers=8, want_nano=2_000_000, pause_seconds=0.05))
        time.sleep(_WARM_SECONDS)
        gone_at = time.monotonic()
        asyncio.run(crowd.host.stop_database())
        time.sleep(max(0, _AWAY_SECONDS - (time.monotonic() - gone_at)))
        asyncio.run(crowd.host.start_database())
        back_at = time.monotonic()
        crowd.look_again()
        seen_after = crowd.await_flushes()
        time.sleep(5)
        notes = crowd.end(spenders)
        refused = between(notes, gone_at, back_at, only="unavailable")
        return {
            "served_from_leases_seconds": round((refused[0].at if refused else back_at) - gone_at, 1),
            "answers_meanwhile": said(note for note in notes if gone_at <= note.at < back_at),
            "reconnected_seconds": round(seen_after - back_at, 2),
            "p99_ms": {
                "before": milliseconds(between(notes, gone_at - 20, gone_at), 99),
                "meanwhile": milliseconds(between(notes, gone_at, back_at), 99),
            },
            "load_per_core": load(),
            "wrong": crowd.wrong(),
        }
