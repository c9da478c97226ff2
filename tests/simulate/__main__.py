"""Live through random worlds for SIMULATE_SECONDS, or through the one world of SIMULATE_SEED again.

Where SIMULATE_FIRST names the first seed, the worlds are those that follow it, and the same ones each time.
Prints the seed and the last events of every world in which an invariant broke; the last line is JSON. The exit code is
1 when there was one.
"""

import json
import logging
import os
import secrets
import sys
import time

import structlog

from tests.simulate.world import Result, World


def show(result: Result) -> None:
    """Print what a reader needs to find the fault: SIMULATE_SEED lives the same world again."""
    print(f"World {result.seed} broke:")
    print("\n".join(f"    {line}" for line in result.trace))
    print("\n".join(f"  ! {violation}" for violation in result.violations[:5]))


def silence_logs() -> None:
    """Warnings of faults are the everyday here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> int:
    """Run, and return the exit code."""
    silence_logs()
    seconds, replayed = float(os.environ.get("SIMULATE_SECONDS", "60")), os.environ.get("SIMULATE_SEED")
    first = int(replayed or os.environ.get("SIMULATE_FIRST") or secrets.randbits(32))
    total = {"worlds": 0, "events": 0, "calls": 0, "crashes": 0, "violations": 0}
    ends_at = time.monotonic() + seconds
    while not total["worlds"] or (replayed is None and time.monotonic() < ends_at):
        result = World(first + total["worlds"]).run()
        total["worlds"] += 1
        total["events"] += result.events
        total["calls"] += result.calls
        total["crashes"] += result.crashes
        if result.violations:
            total["violations"] += 1
            show(result)
    print(json.dumps(total | {"seed": first}))
    return 1 if total["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
