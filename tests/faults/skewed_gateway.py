"""A gateway process whose clock is wrong: `python -m tests.faults.skewed_gateway SECONDS --fd FD`.

Everything but the clock is the real process; the clock is exchanged before anything has taken hold of it.
"""

import importlib
import sys
from datetime import datetime, timedelta

from governance.core import clock

_right_now = clock.utc_now


def main() -> int:
    """Serve with a clock that is so many seconds fast (or slow, when negative)."""
    skew = timedelta(seconds=int(sys.argv.pop(1)))

    def wrong_now() -> datetime:
        return _right_now() + skew

    clock.utc_now = wrong_now
    code: int = importlib.import_module("governance.gateway.__main__").main()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
