"""Ending tasks of asyncio for good."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 5.0


async def end_tasks(*tasks: asyncio.Task[Any], again_seconds: float = AGAIN_SECONDS) -> None:
    """Cancel these tasks, again where one goes on, until all have ended; however they end is ignored.

    A cancellation can get lost: before Python 3.12 `asyncio.wait_for`, by which psycopg's pool waits, returns instead
    of raising when what it waits for comes at that moment (python/cpython#86296).
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=again_seconds)
    await asyncio.gather(*tasks, return_exceptions=True)
