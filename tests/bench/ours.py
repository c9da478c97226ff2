"""Our cases, and the accounts of what they did."""

import time
from collections.abc import Callable

from tests.bench import machine
from tests.bench.cases import Case
from tests.bench.gateway import Gateway
from tests.bench.load import LoadOrder
from tests.bench.scene import finish_load, running_load
from tests.bench.settings import HELD_STREAMS, STREAMS_AT_ONCE

_BOOKED_SECONDS = 30
_RAMP_SECONDS = 1.0


class Ours:
    """Our cases, and the accounts of what they did."""

    def __init__(self, gateway: Gateway, cases: list[Case]) -> None:
        self.gateway = gateway
        self.cases = cases

    def accounts_of(self, case: Case) -> dict[str, float | int]:
        """Measure what is left to measure after the rounds, then count the rows that the calls left in the ledger."""
        figures: dict[str, float | int] = {}
        if case.is_stream:
            figures["stream_kib"] = round(self._kib_per_open_stream(case), 1)
        figures["database_transactions"] = round(case.median(lambda item: item.database_transactions), 4)
        booked = self.gateway.database.booked(case.model)
        deadline = time.monotonic() + _BOOKED_SECONDS
        while booked.usage_rows < case.calls and time.monotonic() < deadline:
            time.sleep(0.2)
            booked = self.gateway.database.booked(case.model)
        budgets = booked.least_budgets if booked.least_budgets == booked.most_budgets else 0
        return {**figures, "budgets_on_path": budgets, "usage_rows": booked.usage_rows, "calls": case.calls}

    def _kib_per_open_stream(self, case: Case) -> float:
        """Hold many streams open and see what the workers grew by beyond those that the rounds had open already."""
        before = machine.rss_mib(self.gateway.processes())
        requests = case.requests(is_slow=True)
        order = LoadOrder(
            kind="streams", port=case.port, requests=requests, expected=case.expected, connections=HELD_STREAMS,
            calls=1, ramp_seconds=_RAMP_SECONDS,
        )  # fmt: skip
        with running_load(order) as process:
            time.sleep(_RAMP_SECONDS + 2)
            during = machine.rss_mib(self.gateway.processes())
            case.calls += finish_load(process).calls
        return max(0.0, during - before) * 1024 / (HELD_STREAMS - STREAMS_AT_ONCE)


def prepare(gateway: Gateway, *, tell: Callable[[str], None]) -> Ours:
    """Add models, four budgets and a key, and return our cases."""
    tell("adding models, budgets and a key")
    for ending in ("", "-translated"):
        gateway.operator.add_model(f"bench-chat{ending}", gateway.scene.json_port)
        gateway.operator.add_model(f"bench-stream{ending}", gateway.scene.stream_port)
    key = gateway.operator.add_key_under_four_budgets()
    meters = gateway.meters()

    def case(name: str, model: str, *, is_stream: bool, is_translated: bool = False) -> Case:
        return Case(
            name=name, port=gateway.port, model=model, is_stream=is_stream, meters=meters, keys=(key,),
            is_translated=is_translated,
        )  # fmt: skip

    return Ours(
        gateway,
        [
            case("bursar", "bench-chat", is_stream=False),
            case("bursar_stream", "bench-stream", is_stream=True),
            case("translated", "bench-chat-translated", is_stream=False, is_translated=True),
            case("translated_stream", "bench-stream-translated", is_stream=True, is_translated=True),
        ],
    )
