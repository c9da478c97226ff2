"""The figures of a run as JSON and as a table, with what they mean beside nginx and the bars."""

from collections.abc import Mapping

from tests.bench.cases import Case

Figures = dict[str, float | int]

# docs/benchmarks.md explains the bars: (what, hold, aim, unit).
_BARS = (
    ("CPU per governed call / nginx", 10.0, 4.0, "x"),
    ("added latency p50", 500.0, 250.0, "us"),
    ("added latency p99", 2000.0, 1000.0, "us"),
    ("CPU per stream / nginx", 4.0, 1.7, "x"),
    ("first event after the vendor's, p50", 3000.0, 1000.0, "us"),
    ("memory per open stream", 40.0, 16.0, "KiB"),
    ("database transactions per call", 0.05, 0.02, ""),
    ("database round trips per admission", 0.05, 0.02, ""),
)
_COLUMNS = ("requests_per_second", "cpu_us", "per_core", "p50_us", "p99_us", "rss_mib", "database_cpu_us")


def figures_of(case: Case) -> Figures:
    """Return the medians of a case. A direct call has no proxy, so no CPU and no memory of one."""
    figures: Figures = {
        "requests_per_second": round(case.median(lambda item: item.requests_per_second), 1),
        "p50_us": round(case.median(lambda item: item.p50_us), 1),
        "p99_us": round(case.median(lambda item: item.p99_us), 1),
        "calls": case.calls,
    }
    if case.meters.processes():
        cpu_us = case.median(lambda item: item.cpu_us)
        figures["cpu_us"] = round(cpu_us, 1)
        figures["requests_per_second_per_core"] = round(1e6 / cpu_us, 1) if cpu_us else 0.0
        figures["rss_mib"] = round(case.median(lambda item: item.rss_mib), 1)
    if case.meters.database:
        figures["database_cpu_us"] = round(case.median(lambda item: item.database_cpu_us), 1)
    return figures


def against_bars(cases: Mapping[str, Figures]) -> list[tuple[str, float, float, float, str]]:
    """Return (what, measured, hold, aim, unit) for every bar whose figures are there."""
    measured: dict[str, float] = {}
    if "bursar" in cases:
        ours, nginx, direct = cases["bursar"], cases["nginx"], cases["direct"]
        measured["CPU per governed call / nginx"] = _ratio(ours["cpu_us"], nginx["cpu_us"])
        measured["added latency p50"] = ours["p50_us"] - direct["p50_us"]
        measured["added latency p99"] = ours["p99_us"] - direct["p99_us"]
        measured["database transactions per call"] = ours["database_transactions"]
    if "bursar_stream" in cases:
        ours, nginx, direct = cases["bursar_stream"], cases["nginx_stream"], cases["direct_stream"]
        measured["CPU per stream / nginx"] = _ratio(ours["cpu_us"], nginx["cpu_us"])
        measured["first event after the vendor's, p50"] = ours["p50_us"] - direct["p50_us"]
        measured["memory per open stream"] = ours["stream_kib"]
    if "admission" in cases:
        measured["database round trips per admission"] = cases["admission"]["database_round_trips"]
    return [(what, measured[what], hold, aim, unit) for what, hold, aim, unit in _BARS if what in measured]


def render(cases: Mapping[str, Figures]) -> str:
    """Return the table that a person reads."""
    heads = ("calls/s", "CPU us", "per core/s", "p50 us", "p99 us", "RSS MiB", "database us")
    lines = [f"{'':18}" + "".join(f"{head:>13}" for head in heads)]
    names = {"per_core": "requests_per_second_per_core"}
    for name, figures in cases.items():
        cells = [_cell(figures.get(names.get(column, column))) for column in _COLUMNS]
        lines.append(f"{name:18}" + "".join(f"{cell:>13}" for cell in cells))
    lines += [
        "",
        "Streams: calls are whole streams of 100 events, p50 and p99 are the time to the first event.",
        "Translated: asked in Anthropic's wire, answered by the same upstream in OpenAI's.",
        "Admission: reserving and settling on four budgets alone, without HTTP.",
    ]
    bars = against_bars(cases)
    if bars:
        lines += ["", f"{'':38}{'measured':>12}{'hold':>10}{'aim':>10}"]
        lines += [
            f"{what:38}{measured:>12.2f}{hold:>10g}{aim:>10g} {unit}".rstrip()
            for what, measured, hold, aim, unit in bars
        ]
    return "\n".join(lines)


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else 0.0


def _cell(value: float | int | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
