"""`python -m tests.faults`: strike a working machine, and hold its books against what the vendor charged.

FAULT_KILLS (default 40) is how many processes are killed, FAULT_SEED what decides everything that chance decides. The
last line is one JSON object; the exit code is 1 when anything was overspent, lost or wrong.
"""

import asyncio
import json
import os
import sys

from tests.faults.campaign import Result, prepared_campaign
from tests.faults.host import open_host
from tests.faults.journals import small_disk
from tests.faults.settings import read_settings

_SHOWN = 50
_DISK_KIBIBYTES = 64 * 1024


def main() -> int:
    """Run the campaign and print what it found."""
    settings = read_settings(os.environ)
    print(f"FAULT_SEED={settings.seed}: {settings.calls} calls, {sum(settings.strikes.values())} strikes", flush=True)
    with (
        open_host(gateways=settings.gateways, homes=settings.machines) as host,
        small_disk(host.journal_folders[0], kibibytes=_DISK_KIBIBYTES),
        prepared_campaign(host, settings, is_followed=True) as campaign,
    ):
        result = asyncio.run(campaign.run())
        if not result.is_clean:
            print(host.log_tail(), file=sys.stderr)
    _print(result)
    return 0 if result.is_clean else 1


def _print(result: Result) -> None:
    for sentence in [*result.lost[:_SHOWN], *result.violations[:_SHOWN]]:
        print(sentence)
    print(json.dumps(result.figures()), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
