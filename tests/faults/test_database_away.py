"""The database is away (F3) or does not answer (F4): no call is sent without cover, and none is forgotten."""

import asyncio

import psycopg

from tests.faults.cases.database_slow import FAST_COMMITS, SLOW_COMMITS
from tests.faults.conftest import Machine
from tests.gateway.world import eventually

_CALLS = 20


async def test_calls_while_the_database_is_away_are_refused_or_booked_later(machine: Machine) -> None:
    machine.host.start_gateways()
    await machine.host.ready()
    for _ in range(_CALLS):
        await machine.served()

    await machine.host.stop_database()
    replies = await asyncio.gather(*(machine.call() for _ in range(_CALLS)))
    served = [reply for reply in replies if reply.status_code == 200]
    refused = [reply for reply in replies if reply.status_code != 200]
    assert {reply.status_code for reply in refused} <= {503}
    assert {reply.json()["error"]["code"] for reply in refused} <= {"governance_unavailable"}
    assert all("retry-after" in reply.headers for reply in refused)
    assert len(machine.vendor.calls) == _CALLS + len(served)
    assert len(served) > 0

    await machine.host.start_database()
    machine.reconnect()
    await machine.served()
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    assert await machine.host.drain() == [0, 0]
    assert machine.is_booked()


async def test_calls_while_every_account_is_locked_are_refused_or_booked_later(machine: Machine) -> None:
    machine.host.start_gateways(1)
    await machine.host.ready()
    for _ in range(_CALLS):
        await machine.served()

    with psycopg.connect(machine.host.environment.database_url("owner")) as other:
        other.execute("SELECT 1 FROM budgets_account ORDER BY id FOR UPDATE")
        replies = await asyncio.gather(*(machine.call() for _ in range(_CALLS)))
        served = [reply for reply in replies if reply.status_code == 200]
        assert {reply.status_code for reply in replies} <= {200, 429, 503}
        assert len(served) > 0
        assert len(machine.vendor.calls) == _CALLS + len(served)
        other.rollback()

    await machine.served()
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    assert await machine.host.drain() == [0]


async def test_calls_while_commits_take_a_second_are_served_from_leases_or_refused(machine: Machine) -> None:
    """One budget is so small that every call asks the database; the others pay from leases."""
    tiny = machine.world.add_budget(5_000_000, team_id=None, key_id=machine.key_id, window="total")
    machine.host.start_gateways(1)
    await machine.host.ready()
    await machine.served()
    machine.world.owner.execute(SLOW_COMMITS)
    try:
        replies = await asyncio.gather(*(machine.call() for _ in range(_CALLS)))
    finally:
        machine.world.owner.execute(FAST_COMMITS)
    refusals = {reply.json()["error"]["code"] for reply in replies if reply.status_code != 200}
    assert refusals <= {"budget_held", "governance_unavailable"}
    assert len(machine.vendor.calls) == 1 + sum(reply.status_code == 200 for reply in replies)
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    (account,) = machine.world.rows("SELECT settled_nano FROM budgets_account WHERE budget_id = %s", tiny)
    assert account["settled_nano"] <= 5_000_000
    assert await machine.host.drain() == [0]
