"""`python -m tests.faults.figures [CASE ...]`: what faults cost, as figures; one JSON line for each case.

Cases: use_up, kill, freeze, database_away, database_slow, month, slow_peers. What must hold is asserted in the suite
and in the campaign; here it is measured. The exit code is 1 when money was overspent or lost.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Final

from tests.faults.cases import database_away, database_slow, freeze, kill, month, slow_peers, use_up

CASES: Final[Mapping[str, Callable[[], dict[str, object]]]] = {
    "use_up": use_up.measure,
    "kill": kill.measure,
    "freeze": freeze.measure,
    "database_away": database_away.measure,
    "database_slow": database_slow.measure,
    "month": month.measure,
    "slow_peers": slow_peers.measure,
}


def main() -> int:
    """Measure the named cases, or all."""
    is_clean = True
    for name in sys.argv[1:] or CASES:
        figures = CASES[name]()
        is_clean = is_clean and not figures["wrong"]
        print(json.dumps({"case": name, **figures}), flush=True)
    return 0 if is_clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
