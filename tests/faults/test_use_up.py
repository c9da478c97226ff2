"""Many processes can use a budget up: what each holds of it comes back in time. The campaign has the large figures."""

from pathlib import Path

from tests.faults.cases.use_up import use_up
from tests.faults.conftest import Machine
from tests.faults.crowd import Crowd
from tests.faults.watch import install_watch

_LEAST_PERCENT = 90


async def test_a_small_budget_is_used_up_by_eight_processes_and_not_overspent(machine: Machine, tmp_path: Path) -> None:
    install_watch(machine.host.environment.database_url("owner"), {})
    crowd = Crowd(machine.host, machine.world, tmp_path)
    figures = use_up(crowd, limit_nano=10**8, processes=2, books=4, want_nano=1_000_000)
    assert float(str(figures["used_percent"])) > _LEAST_PERCENT
    assert crowd.wrong() == []
