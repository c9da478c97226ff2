"""Admission and settlement alone, as a row of the bench: `tests.bench.admission`, and the database beside it."""

import subprocess
import sys
import time

import msgspec

from tests.bench.admission import ALIAS, AdmissionOrder, AdmissionResult, Payer
from tests.bench.gateway import Gateway, idle_rate
from tests.bench.report import Figures


def measure_admission(gateway: Gateway, payer: Payer, seconds: float) -> Figures:
    """Measure on the proxy's core, then count what is booked. Raises SystemExit when a call is not."""
    idle = idle_rate(gateway.database)
    booked = gateway.database.booked(ALIAS).usage_rows
    before, started = gateway.database.read(), time.monotonic()
    order = AdmissionOrder(home=str(gateway.home), payer=payer, seconds=seconds, cores=gateway.scene.cores.proxy)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.admission"], input=msgspec.json.encode(order), stdout=subprocess.PIPE
    )
    if done.returncode != 0:
        raise SystemExit("The bench of admission stopped; the lines above are its own.")
    result = msgspec.json.decode(done.stdout, type=AdmissionResult)
    used = gateway.database.read().since(before, idle=idle, seconds=time.monotonic() - started)
    rows = gateway.database.booked(ALIAS).usage_rows - booked
    if rows != result.all_calls:
        raise SystemExit(f"{result.all_calls} attempts were settled but {rows} usage rows are booked.")
    return {
        "requests_per_second": round(result.requests_per_second, 1),
        "cpu_us": round(result.cpu_us, 1),
        "requests_per_second_per_core": round(1e6 / result.cpu_us, 1),
        "database_cpu_us": round(used.cpu_seconds / result.all_calls * 1e6, 1),
        "database_round_trips": round(result.round_trips, 4),
        "budgets_on_path": result.levels,
        "usage_rows": rows,
        "calls": result.all_calls,
    }
