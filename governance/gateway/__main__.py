"""`python -m governance.gateway`: one process of the data plane.

What it needs takes most of a second to import. A SIGTERM that comes meanwhile ends it with exit code 0, as one that
comes when it serves does: nothing was admitted yet, so nothing has to be finished.
"""

import importlib
import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Take signals, then import the rest and run it; the server takes them over."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    return int(importlib.import_module("governance.gateway.command").main())


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
