"""A process that is stopped for longer than the fence (F2): nothing is freed meanwhile, and its streams end."""

import asyncio
import signal

from tests.faults.conftest import COST_NANO, Machine
from tests.faults.strikes import FENCE_SECONDS
from tests.gateway.vendor import DONE, USAGE, VendorCall, chat_event
from tests.gateway.world import eventually, question

_RECOVERY_ROUND_SECONDS = 6.0


async def test_a_frozen_process_frees_nothing_and_ends_its_stream_when_it_wakes(machine: Machine) -> None:
    machine.host.start_gateways(1)
    await machine.host.ready()
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hel"))
        if len(machine.vendor.calls) == 1:
            has_begun.set()
            await may_end.wait()
        await call.chunk(chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    machine.vendor.answer = answer
    body = question(max_tokens=100, stream=True)
    async with machine.client.stream("POST", "/v1/chat/completions", json=body) as stream:
        pieces = stream.aiter_bytes()
        seen = await anext(pieces)
        (frozen,) = machine.host.gateways
        machine.host.signal_gateway(frozen, signal.SIGSTOP)
        before = machine.balance()
        may_end.set()

        machine.host.add_gateway()
        await machine.host.ready()
        assert (await machine.call(stream=True)).status_code == 200
        # How long it is frozen is the experiment: past the fence, and past the others' next look for the dead.
        await asyncio.sleep(FENCE_SECONDS + _RECOVERY_ROUND_SECONDS)
        settled, held = machine.balance()
        assert settled + held >= sum(before) >= COST_NANO
        assert held > 0

        machine.host.signal_gateway(frozen, signal.SIGCONT)
        async for piece in pieces:
            seen += piece
    assert has_begun.is_set()
    assert b"[DONE]" in seen or b'"error"' in seen
    await eventually(lambda: machine.is_booked() or None, seconds=30)
    assert await machine.host.drain() == [0, 0]
    assert machine.suspended() == []
