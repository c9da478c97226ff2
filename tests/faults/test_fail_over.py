"""PostgreSQL is replaced by its standby, behind or not (F3): nothing is lost or lent twice (money.md 5.6)."""

import asyncio
import signal
from collections import Counter
from typing import Any

import httpx

from governance.config.postgres import EmbeddedPostgres
from tests.faults.conftest import COST_NANO, Machine
from tests.faults.standby import hanging, stop_hearing
from tests.gateway.vendor import DONE, USAGE, VendorCall, answer_plainly, chat_event
from tests.gateway.world import eventually, question

_BEFORE = 3
_UNHEARD = 12
_LEFT = 15
_CALLERS = 4
_MANY = 250
_WORST_NANO = 1_000_000
"""More than a call can cost, by the bytes of its body and its maximum of output."""


async def _calls(machine: Machine, count: int) -> None:
    for _ in range(count):
        assert (await machine.call()).status_code == 200


def _standby(machine: Machine) -> EmbeddedPostgres:
    assert machine.host.standby is not None
    return machine.host.standby


def _timelines(machine: Machine) -> list[dict[str, Any]]:
    return machine.world.rows("SELECT number FROM metering_timeline ORDER BY id")


async def test_a_standby_that_was_behind_hears_again_what_it_lost_and_lends_nothing_twice(machine: Machine) -> None:
    """What it lost: settled calls, leases, and the epoch of a process that had just begun."""
    limit = (_BEFORE + _UNHEARD + _LEFT) * COST_NANO + _WORST_NANO
    tight = machine.world.add_budget(limit, team_id=None, key_id=machine.key_id, window="total")
    machine.host.add_standby(is_synchronous=False)
    machine.host.start_gateways(1)
    await machine.host.ready()
    await _calls(machine, _BEFORE)
    await eventually(lambda: len(machine.records()) == _BEFORE or None, seconds=30)
    before = _timelines(machine)

    stop_hearing(_standby(machine))
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


class _Callers:
    """Clients that call without pause, and what they were told."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.said: Counter[int] = Counter()
        self.sentences: set[str] = set()
        self._is_over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._call()) for _ in range(_CALLERS)]

    async def _call(self) -> None:
        while not self._is_over.is_set():
            try:
                reply = await self.machine.call()
            except httpx.TransportError:  # its process was killed
                continue
            self.said[reply.status_code] += 1
            if reply.status_code != 200:
                self.sentences.add(reply.json()["error"]["message"])
                await asyncio.sleep(0.05)

    async def served(self, count: int) -> None:
        """Return when so many more calls were served."""
        wanted = self.said[200] + count
        await eventually(lambda: self.said[200] >= wanted or None, seconds=60)

    async def refused(self, word: str) -> None:
        """Return when some call was refused with this word in the sentence."""
        await eventually(lambda: any(word in sentence for sentence in self.sentences) or None, seconds=60)

    async def stop(self) -> None:
        self._is_over.set()
        await asyncio.gather(*self._tasks)


async def test_of_a_synchronous_standby_everything_that_was_answered_is_known(machine: Machine) -> None:
    """Traffic goes on all the time. The budget is so tight that every call of it asks the database."""
    limit = _MANY * COST_NANO
    tight = machine.world.add_budget(limit, team_id=None, key_id=machine.key_id, window="total")
    machine.host.add_standby(is_synchronous=True)
    machine.host.start_gateways()
    await machine.host.ready()
    callers = _Callers(machine)
    await callers.served(_CALLERS)

    with hanging(_standby(machine)):
        # What the standby does not confirm is not lent.
        await callers.refused("cannot be reached")
    await callers.served(_CALLERS)

    answered = {row["attempt_id"] for row in machine.records()}
    machine.host.signal_gateway(machine.host.gateways[0], signal.SIGKILL)
    await machine.host.fail_over()
    machine.reconnect()
    assert answered <= {row["attempt_id"] for row in machine.records()}
    await callers.refused("no synchronous standby")
    machine.host.add_standby(is_synchronous=True)
    machine.host.tend()

    def is_used_up() -> bool:
        # A call that the killed process had in flight holds its worst case until somebody knows how it ended: what is
        # left of the budget is then refused as held, for it may come free.
        suspended = sum(row["held_nano"] for row in machine.suspended())
        (account,) = machine.world.rows("SELECT settled_nano FROM budgets_account WHERE budget_id = %s", tight)
        return bool(callers.said[402] or (suspended and limit - account["settled_nano"] - suspended < _WORST_NANO))

    await eventually(lambda: is_used_up() or None, seconds=60)
    await callers.stop()
    assert await machine.host.drain() == [0, 0]
    assert set(callers.said) <= {200, 402, 429, 503}
    assert machine.covers_every_call()
    (account,) = machine.world.rows("SELECT settled_nano, held_nano FROM budgets_account WHERE budget_id = %s", tight)
    assert account["settled_nano"] + account["held_nano"] <= limit


async def test_a_process_that_dies_with_the_database_is_recovered_from_its_journal(machine: Machine) -> None:
    machine.host.add_standby(is_synchronous=False)
    machine.host.start_gateways(1)
    await machine.host.ready()
    await _calls(machine, _BEFORE)
    stop_hearing(_standby(machine))
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
