"""Deadlines that move with an assignment."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from governance.gateway.watchdog import Overdue, Waiting, Watchdog


def running() -> "asyncio.Task[None]":
    task = asyncio.current_task()
    assert task is not None
    return task


@pytest.fixture
async def watchdog() -> AsyncIterator[Watchdog]:
    made = Watchdog(interval_seconds=0.01)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()


async def test_a_deadline_that_passes_ends_the_wait_and_says_what_for(watchdog: Watchdog) -> None:
    now = time.monotonic()
    with pytest.raises(Overdue) as overdue, watchdog.watch(running(), ends_at=now + 60) as patience:
        patience.until(now, Waiting.NEXT_BYTE)
        await asyncio.Event().wait()
    assert overdue.value.waiting is Waiting.NEXT_BYTE
    assert running().cancelling() == 0


async def test_a_deadline_that_moves_on_in_time_ends_nothing(watchdog: Watchdog) -> None:
    with watchdog.watch(running(), ends_at=time.monotonic() + 60) as patience:
        for _ in range(10):
            patience.until(time.monotonic() + 5, Waiting.NEXT_BYTE)
            await asyncio.sleep(0.01)


async def test_the_end_of_all_waits_counts_too(watchdog: Watchdog) -> None:
    now = time.monotonic()
    with pytest.raises(Overdue), watchdog.watch(running(), ends_at=now) as patience:
        patience.until(now + 60, Waiting.CLIENT)
        await asyncio.Event().wait()


async def test_somebody_elses_cancellation_stays_one(watchdog: Watchdog) -> None:
    async def wait() -> None:
        with watchdog.watch(running(), ends_at=time.monotonic() + 60):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_end_that_comes_too_late_cancels_nothing(watchdog: Watchdog) -> None:
    with watchdog.watch(running(), ends_at=time.monotonic() + 60) as patience:
        pass
    patience.end()
    await asyncio.sleep(0)
    assert running().cancelling() == 0
