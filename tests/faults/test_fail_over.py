"""PostgreSQL is replaced by a standby that was behind (F3): nothing is lost or lent twice (money.md 5.6)."""

import asyncio
from typing import Any

from tests.faults.conftest import COST_NANO, Machine
from tests.gateway.vendor import DONE, USAGE, VendorCall, answer_plainly, chat_event
from tests.gateway.world import eventually, question

_BEFORE = 3
_UNHEARD = 12
_LEFT = 15
_WORST_NANO = 1_000_000
"""More than a call can cost, by the bytes of its body and its maximum of output."""


async def _calls(machine: Machine, count: int) -> None:
    for _ in range(count):
        assert (await machine.call()).status_code == 200


def _timelines(machine: Machine) -> list[dict[str, Any]]:
    return machine.world.rows("SELECT number FROM metering_timeline ORDER BY id")


async def test_a_standby_that_was_behind_hears_again_what_it_lost_and_lends_nothing_twice(machine: Machine) -> None:
    """What it lost: settled calls, leases, and the epoch of a process that had just begun."""
    limit = (_BEFORE + _UNHEARD + _LEFT) * COST_NANO + _WORST_NANO
    tight = machine.world.add_budget(limit, team_id=None, key_id=machine.key_id, window="total")
    machine.host.start_gateways(1)
    await machine.host.ready()
    await _calls(machine, _BEFORE)
    await eventually(lambda: len(machine.records()) == _BEFORE or None, seconds=30)
    before = _timelines(machine)

    machine.host.copy_database()
    machine.host.add_gateway()
    await machine.host.ready()
    await _calls(machine, _UNHEARD)
    may_end, has_begun = asyncio.Event(), asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hel"))
        has_begun.set()
        await may_end.wait()
        await call.chunk(chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    machine.vendor.answer = answer
    body = question(max_tokens=100, stream=True)
    async with machine.client.stream("POST", "/v1/chat/completions", json=body) as stream:
        pieces = stream.aiter_bytes()
        await anext(pieces)
        await has_begun.wait()
        await eventually(lambda: len(machine.records()) == _BEFORE + _UNHEARD or None, seconds=30)
        await machine.host.fail_over()
        machine.reconnect()
        assert len(machine.records()) < _BEFORE + _UNHEARD
        machine.vendor.answer = answer_plainly
        await eventually(lambda: len(machine.records()) == _BEFORE + _UNHEARD or None, seconds=30)
        may_end.set()
        assert b"[DONE]" in b"".join([piece async for piece in pieces])

    await machine.served()
    while (reply := await machine.call()).status_code != 402:
        assert reply.status_code in (200, 429, 503)
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    assert len(_timelines(machine)) == len(before) + 1
    (account,) = machine.world.rows("SELECT settled_nano, held_nano FROM budgets_account WHERE budget_id = %s", tight)
    assert account["settled_nano"] + account["held_nano"] <= limit
    assert account["settled_nano"] == len(machine.vendor.calls) * COST_NANO
    assert len(machine.vendor.calls) > _BEFORE + _UNHEARD + _LEFT
    assert await machine.host.drain() == [0, 0]
    assert machine.is_booked()


async def test_a_process_that_dies_with_the_database_is_recovered_from_its_journal(machine: Machine) -> None:
    machine.host.start_gateways(1)
    await machine.host.ready()
    await _calls(machine, _BEFORE)
    machine.host.copy_database()
    await _calls(machine, _UNHEARD)
    await eventually(lambda: len(machine.records()) == _BEFORE + _UNHEARD or None, seconds=30)
    machine.host.kill_gateways()
    await machine.host.fail_over()
    machine.reconnect()

    machine.host.start_gateways(1)
    await eventually(lambda: len(machine.records()) == _BEFORE + _UNHEARD or None, seconds=60)
    assert machine.suspended() == []
    await machine.host.ready()
    await machine.served()
    assert await machine.host.drain() == [0]
    assert machine.is_booked()
