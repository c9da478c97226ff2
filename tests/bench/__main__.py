"""`python -m tests.bench`: the gateway, nginx, peers and a direct call in one run, as a table and in BENCH_OUT."""

import contextlib
import json
import os
import sys

from tests.bench.admission import ALIAS
from tests.bench.cases import Case, Meters, run_rounds
from tests.bench.gateway import Gateway, open_gateway
from tests.bench.levels import measure_admission
from tests.bench.nginx import find_nginx
from tests.bench.ours import Ours, prepare
from tests.bench.peers import open_peers
from tests.bench.report import Figures, figures_of, render
from tests.bench.scene import Scene, open_scene
from tests.bench.seeding import Seeding
from tests.bench.settings import BenchSettings, read_settings


def main() -> int:
    """Run the whole bench."""
    settings = read_settings(os.environ)
    find_nginx()
    with open_scene() as scene:
        tell(f"Pinned: {scene.cores}.")
        with open_gateway(scene, settings, tell=tell) as gateway:
            ours = prepare(gateway, tell=tell)
            with open_peers(scene, settings.peers) as peers:
                cases = [*_reference_cases(scene), *ours.cases, *peers]
                cases.sort(key=lambda case: case.is_stream)
                run_rounds(cases, rounds=settings.rounds, seconds=settings.round_seconds, tell=tell)
            results = {case.name: figures_of(case) for case in cases}
            _add_ours(results, ours)
            tell("measuring admission and settlement alone")
            results["admission"] = _admission(gateway, settings)
    print(render(results))
    _write(settings, results)
    return 0 if _is_every_call_booked(results) else 1


def _reference_cases(scene: Scene) -> list[Case]:
    nobody = Meters(processes=list)
    nginx = Meters(processes=lambda: [scene.nginx_process])
    return [
        Case(name="direct", port=scene.json_port, model="bench-chat", is_stream=False, meters=nobody),
        Case(name="nginx", port=scene.nginx_port, model="bench-chat", is_stream=False, meters=nginx),
        Case(name="direct_stream", port=scene.stream_port, model="bench-stream", is_stream=True, meters=nobody),
        Case(name="nginx_stream", port=scene.nginx_stream_port, model="bench-stream", is_stream=True, meters=nginx),
    ]


def _add_ours(results: dict[str, Figures], ours: Ours) -> None:
    for case in ours.cases:
        tell(f"counting the usage rows of {case.name}")
        results[case.name] |= ours.accounts_of(case)


def _admission(gateway: Gateway, settings: BenchSettings) -> Figures:
    with contextlib.closing(Seeding(gateway.home)) as seeding:
        seeding.add_model(ALIAS, gateway.scene.json_port)
        payer = seeding.payer(seeding.add_team("admission", budgets=4))
    return measure_admission(gateway, payer, settings.seconds)


def _is_every_call_booked(results: dict[str, Figures]) -> bool:
    missing = {
        name: figures for name, figures in results.items() if figures.get("usage_rows") not in (None, figures["calls"])
    }
    for name, figures in missing.items():
        print(f"{name}: {figures['calls']} calls were made but {figures['usage_rows']} usage rows are booked.")
    return not missing


def _write(settings: BenchSettings, results: dict[str, Figures]) -> None:
    if settings.output is not None:
        document = {"seconds": settings.seconds, "rounds": settings.rounds, "cases": results}
        settings.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        tell(f"Written to {settings.output}.")


def tell(sentence: str) -> None:
    """Say on stderr what is going on, so that stdout holds the table alone."""
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
