"""`python -m tests.bench.curves`: how the cost of a call grows with keys, budgets on its path, usage rows and
gateway processes; and what admission and settlement cost alone.

BENCH_SECONDS (default 5) is the time of one point, BENCH_OUT the JSON. Each point is measured twice, in opposite order.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable

import msgspec

from tests.bench.cases import Case
from tests.bench.gateway import Gateway, open_gateway
from tests.bench.levels import measure_admission
from tests.bench.nginx import find_nginx
from tests.bench.report import Figures, figures_of
from tests.bench.scene import Scene, open_scene
from tests.bench.seeding import Seeding
from tests.bench.settings import BenchSettings, read_settings

_MODEL = "bench-curve"
_KEYS = (100, 1_000, 10_000, 100_000, 1_000_000)
_BUDGETS = (1, 2, 4, 8, 16)
_PROCESSES = (1, 2, 4, 8)
_USAGE_ROWS = (0, 1_000_000)
_KEYS_IN_USE = 64
_COLUMNS = {
    "requests_per_second": "calls/s",
    "database_cpu_us": "database us",
    "database_round_trips": "round trips",
    "p50_us": "p50 us",
    "rss_mib": "RSS MiB",
}


def main() -> int:
    """Measure all curves on one installation."""
    settings = read_settings(os.environ)
    find_nginx()
    with open_scene() as scene:
        _tell(f"Pinned: {scene.cores}.")
        with open_gateway(scene, settings, tell=_tell) as gateway, contextlib.closing(Seeding(gateway.home)) as seeding:
            seeding.add_model(_MODEL, scene.json_port)
            in_use = seeding.add_keys(seeding.add_team("processes", budgets=4), _KEYS_IN_USE)
            curves = {
                "admission": _admission(gateway, seeding, settings),
                "budgets": _budgets(gateway, seeding, settings),
                "keys": _keys(gateway, seeding, settings),
                "usage_rows": _usage_rows(gateway, seeding, settings),
            }
        curves["processes"] = _processes(scene, in_use, settings)
    for name, points in curves.items():
        print(_render(name, points))
    if settings.output is not None:
        settings.output.write_text(json.dumps({"curves": curves}, indent=1) + "\n", encoding="utf-8")
    return 0


def _admission(gateway: Gateway, seeding: Seeding, settings: BenchSettings) -> dict[int, Figures]:
    points = {}
    for count in _BUDGETS:
        _tell(f"measuring admission and settlement alone, {count} budgets")
        payer = seeding.payer(seeding.add_team(f"admission {count}", budgets=count))
        points[count] = measure_admission(gateway, payer, settings.seconds)
    return points


def _processes(scene: Scene, keys: list[str], settings: BenchSettings) -> dict[int, Figures]:
    """Start the same installation again with so many gateway processes, which share the proxy's core."""
    points = {}
    for count in _PROCESSES:
        with open_gateway(scene, msgspec.structs.replace(settings, gateway_workers=count), tell=_tell) as gateway:
            case = _case(gateway, f"{count} processes", keys)
            _measure(case, settings)
            _measure(case, settings)
            points[count] = figures_of(case)
    return points


def _budgets(gateway: Gateway, seeding: Seeding, settings: BenchSettings) -> dict[int, Figures]:
    cases = {}
    for count in _BUDGETS:
        team = seeding.add_team(f"budgets {count}", budgets=count)
        cases[count] = _case(gateway, f"{count} budgets", seeding.add_keys(team, 1))
    for case in [*cases.values(), *reversed(cases.values())]:
        _measure(case, settings)
    return {count: figures_of(case) for count, case in cases.items()}


def _keys(gateway: Gateway, seeding: Seeding, settings: BenchSettings) -> dict[int, Figures]:
    team = seeding.add_team("keys", budgets=4)
    in_use = seeding.add_keys(team, _KEYS_IN_USE)
    return _growing(
        gateway, settings, in_use, what="keys", sizes=_KEYS, fill=lambda size: seeding.fill_keys(team, size)
    )


def _usage_rows(gateway: Gateway, seeding: Seeding, settings: BenchSettings) -> dict[int, Figures]:
    keys = seeding.add_keys(seeding.add_team("rows", budgets=4), 1)
    return _growing(
        gateway, settings, keys, what="usage rows", sizes=_USAGE_ROWS,
        fill=lambda size: seeding.fill_usage_rows(_MODEL, size),
    )  # fmt: skip


def _growing(
    gateway: Gateway,
    settings: BenchSettings,
    keys: list[str],
    *,
    what: str,
    sizes: tuple[int, ...],
    fill: Callable[[int], None],
) -> dict[int, Figures]:
    """Measure before and after each filling; what was filled in stays."""
    points = {}
    for size in sizes:
        _tell(f"filling up to {size} {what}")
        fill(size)
        case = _case(gateway, f"{size} {what}", keys)
        _measure(case, settings)
        _measure(case, settings)
        points[size] = figures_of(case)
    return points


def _case(gateway: Gateway, name: str, keys: list[str]) -> Case:
    case = Case(name=name, port=gateway.port, model=_MODEL, is_stream=False, meters=gateway.meters(), keys=tuple(keys))
    case.verify()
    case.warm_up()
    return case


def _measure(case: Case, settings: BenchSettings) -> None:
    _tell(f"measuring {case.name}")
    case.measure(settings.seconds / 2)


def _render(name: str, points: dict[int, Figures]) -> str:
    first = next(iter(points.values()))
    lines = [f"{name:>12}{'CPU us':>12}{'ratio':>8}" + "".join(f"{head:>16}" for head in _COLUMNS.values())]
    for size, figures in points.items():
        cells = [_cell(figures.get(name)) for name in _COLUMNS]
        lines.append(
            f"{size:>12,}{figures['cpu_us']:>12,.1f}{figures['cpu_us'] / first['cpu_us']:>8.2f}" + "".join(cells)
        )
    return "\n".join([*lines, ""])


def _cell(value: float | None) -> str:
    if value is None:
        return f"{'-':>16}"
    return f"{value:>16,.1f}" if value >= 1 or value == 0 else f"{value:>16.4f}"


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
