"""Tasks end, also those that miss a cancellation."""

import asyncio

from governance.core.tasks import end_tasks


async def _misses(times: int) -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if times == 0:
                raise
            times -= 1


async def _fails() -> None:
    raise ValueError("of no interest any more")


async def test_all_end_however_often_one_misses_it_or_fails() -> None:
    tasks = [asyncio.create_task(work) for work in (_misses(0), _misses(2), _fails())]
    await asyncio.sleep(0)
    await end_tasks(*tasks, again_seconds=0.01)
    assert [task.cancelled() for task in tasks] == [True, True, False]


async def test_nothing_to_end_is_no_error() -> None:
    await end_tasks()
