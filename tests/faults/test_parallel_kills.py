"""A hundred calls at once against a budget for one, and their process is killed: it still pays for one."""

import asyncio
import signal

import httpx

from tests.faults.conftest import COST_NANO, Machine
from tests.gateway.vendor import VendorCall
from tests.gateway.world import eventually, question

MANY = 100


async def test_a_hundred_calls_and_a_kill_never_pass_a_budget_for_one(machine: Machine) -> None:
    """The call that was on its way when its process died stays held at its worst case: silence frees nothing."""
    never = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await never.wait()

    machine.vendor.answer = answer
    body = question(max_tokens=100)
    worst = (len(httpx.Request("POST", "http://x", json=body).content) + 512 + 16) * 1000 + 100 * 2000
    budget = machine.world.add_budget(worst, team_id=None, key_id=machine.key_id, window="total")
    machine.host.start_gateways(1)
    await machine.host.ready()

    async def ask() -> int:
        try:
            return (await machine.client.post("/v1/chat/completions", json=body)).status_code
        except httpx.HTTPError:
            return 0

    async def ask_all() -> list[int]:
        return list(await asyncio.gather(*(ask() for _ in range(MANY))))

    asked = asyncio.create_task(ask_all())
    await eventually(lambda: machine.vendor.calls or None, seconds=30)
    machine.host.signal_gateway(machine.host.gateways[0], signal.SIGKILL)
    assert set(await asked) <= {0, 429}
    assert len(machine.vendor.calls) == 1

    machine.host.tend()
    await machine.host.ready()
    (attempt,) = await eventually(lambda: machine.suspended() or None, seconds=60)
    assert attempt["held_nano"] == worst
    assert set(await ask_all()) <= {429, 402}
    assert len(machine.vendor.calls) == 1
    (account,) = machine.world.rows("SELECT * FROM budgets_account WHERE budget_id = %s", budget)
    assert (account["settled_nano"], account["held_nano"]) == (0, worst)
    assert account["limit_nano"] == worst > COST_NANO
    assert await machine.host.drain() == [0]
