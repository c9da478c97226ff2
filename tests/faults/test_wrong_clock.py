"""Gateway processes with wrong clocks (F11): the database's clock alone decides to which period a call belongs."""

import pytest

from tests.faults.conftest import COST_NANO, Machine
from tests.gateway.world import eventually

_DAY_AND_AN_HOUR = 25 * 3600
_CALLS = 5
_LIMIT_NANO = 100 * COST_NANO
"""Some calls and one worst case: what must be held for a call is much more than it costs."""


@pytest.mark.parametrize("skew", [_DAY_AND_AN_HOUR, -_DAY_AND_AN_HOUR], ids=["fast", "slow"])
async def test_a_process_with_a_wrong_clock_spends_the_same_days_budget(machine: Machine, skew: int) -> None:
    """One a day off begins; one that is right goes on until the day's budget is spent. It is one account."""
    budget = machine.world.add_budget(_LIMIT_NANO, team_id=None, key_id=machine.key_id, window="day", zone="UTC")
    machine.host.skews = {0: skew}
    machine.host.start_gateways(1)
    await machine.host.ready()
    for _ in range(_CALLS):
        reply = await machine.call()
        assert reply.status_code == 200, reply.text
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    assert await machine.host.drain() == [0]

    machine.host.skews = {}
    machine.host.start_gateways(1)
    await machine.host.ready()
    served = _CALLS
    while (reply := await machine.call()).status_code != 402:
        assert reply.status_code in (200, 429)
        served += reply.status_code == 200
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    accounts = machine.world.rows(
        "SELECT settled_nano, starts_at <= clock_timestamp() AND clock_timestamp() < ends_at AS is_now "
        "FROM budgets_account WHERE budget_id = %s",
        budget,
    )
    assert accounts == [{"settled_nano": served * COST_NANO, "is_now": True}]
    assert served * COST_NANO <= _LIMIT_NANO
    assert await machine.host.drain() == [0]
