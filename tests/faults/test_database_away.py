"""The database is ended at once and comes back later (F3): no call is sent without cover, and none is forgotten."""

import asyncio

from tests.faults.conftest import Machine
from tests.gateway.world import eventually

_CALLS = 20


async def test_calls_while_the_database_is_away_are_refused_or_booked_later(machine: Machine) -> None:
    machine.host.start_gateways()
    await machine.host.ready()
    for _ in range(_CALLS):
        await machine.served()
    has_leases = machine.has_leases

    await machine.host.stop_database()
    replies = await asyncio.gather(*(machine.call() for _ in range(_CALLS)))
    served = [reply for reply in replies if reply.status_code == 200]
    refused = [reply for reply in replies if reply.status_code != 200]
    assert {reply.status_code for reply in refused} <= {503}
    assert {reply.json()["error"]["code"] for reply in refused} <= {"governance_unavailable"}
    assert all("retry-after" in reply.headers for reply in refused)
    assert len(machine.vendor.calls) == _CALLS + len(served)
    if has_leases:
        assert len(served) > 0

    await machine.host.start_database()
    machine.reconnect()
    await machine.served()
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    assert await machine.host.drain() == [0, 0]
    assert machine.is_booked()
