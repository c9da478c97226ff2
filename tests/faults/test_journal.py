"""What a gateway process keeps in files: torn and copied after its death (F16), and with no room to write (F10).

The vendor's calls and the database are all that is looked at.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from governance.metering.recovery import recover_dead, tidy_folder
from tests.faults.conftest import COST_NANO, Machine
from tests.faults.journals import duplicate, full_disk, remove, small_disk, smuggle, tear
from tests.gateway.vendor import VendorCall, answer_plainly
from tests.gateway.world import eventually

_CALLS = 12
_MOST_CALLS = 100
_DISK_KIBIBYTES = 1024


@pytest.fixture
def folder(machine: Machine) -> Path:
    return machine.host.home / "gateway"


@pytest.mark.parametrize("damage", [tear, duplicate], ids=["torn", "duplicated"])
async def test_files_that_were_damaged_after_a_death_lose_and_double_nothing(
    machine: Machine, folder: Path, damage: Callable[[Path], object]
) -> None:
    machine.host.start_gateways()
    await machine.host.ready()
    under_way = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        if len(machine.vendor.calls) <= _CALLS:
            await answer_plainly(call)
        else:
            under_way.set()
            await call.closed()

    machine.vendor.answer = answer
    for _ in range(_CALLS):
        await machine.served()
    lost = asyncio.create_task(machine.call())
    await under_way.wait()
    machine.host.kill_gateways()
    await asyncio.gather(lost, return_exceptions=True)
    damage(folder)

    machine.host.start_gateways()
    await machine.host.ready()
    await eventually(lambda: machine.covers_every_call() or None, seconds=30)
    assert len(machine.suspended()) == 1
    assert await machine.host.drain() == [0, 0]
    assert machine.covers_every_call()


async def test_the_files_of_another_machine_are_nobody_elses_business(
    machine: Machine, folder: Path, tmp_path: Path
) -> None:
    """Carried into another folder under their own names, they are neither recovered there nor taken for its own."""
    machine.host.start_gateways(1)
    await machine.host.ready()
    for _ in range(_CALLS):
        await machine.served()
    machine.host.kill_gateways()
    assert smuggle(folder, tmp_path) > 0

    async with await psycopg.AsyncConnection.connect(
        machine.host.environment.database_url("gateway"), autocommit=True
    ) as connection:
        assert await recover_dead(connection, host="elsewhere", folder=tmp_path) == {}
        await tidy_folder(connection, host="elsewhere", folder=tmp_path, before=time.time() + 1)
    assert len(list(tmp_path.glob("*.journal"))) > 0  # noqa: ASYNC240 - a temporary folder
    machine.host.start_gateways(1)
    await machine.host.ready()
    # Who was answered last may have been told before its result was in the journal: nobody can prove what it cost then.
    await eventually(lambda: machine.covers_every_call() or None, seconds=30)
    assert len(machine.suspended()) <= 1
    assert await machine.host.drain() == [0]


async def test_a_lost_journal_frees_nothing(machine: Machine, folder: Path) -> None:
    """The machine of a process is gone with its files: what it could have spent stays held until somebody decides."""
    machine.host.start_gateways(1)
    await machine.host.ready()
    under_way = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        under_way.set()
        await call.closed()

    machine.vendor.answer = answer
    lost = asyncio.create_task(machine.call())
    await under_way.wait()
    machine.host.kill_gateways()
    await asyncio.gather(lost, return_exceptions=True)
    before = machine.balance()
    assert remove(folder) > 0

    machine.vendor.answer = answer_plainly
    machine.host.start_gateways(1)
    await machine.host.ready()
    await machine.served()
    assert await machine.host.drain() == [0]
    settled, held = machine.balance()
    assert (settled, held) == (COST_NANO, sum(before))
    assert held >= COST_NANO


async def test_without_room_for_the_journal_nothing_is_sent_and_with_room_it_goes_on(
    machine: Machine, folder: Path
) -> None:
    with small_disk(folder, kibibytes=_DISK_KIBIBYTES):
        machine.host.start_gateways(1)
        await machine.host.ready()
        assert (await machine.call()).status_code == 200

        with full_disk(machine.host.gateways, folder):
            statuses = [(await machine.call()).status_code for _ in range(_MOST_CALLS)]
            first_refusal = statuses.index(503) if 503 in statuses else _MOST_CALLS
            assert set(statuses[:first_refusal]) <= {200}
            assert set(statuses[first_refusal:]) <= {503}
            assert len(machine.vendor.calls) == 1 + first_refusal
            assert first_refusal < _MOST_CALLS

        await machine.served()
        await eventually(lambda: machine.is_booked() or None, seconds=30)
        assert await machine.host.drain() == [0]
        assert machine.is_booked()
