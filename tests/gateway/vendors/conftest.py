"""The gateway runs on uvloop, its tests on asyncio's own loop: what depends on transports is tested on both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from governance.gateway.limits import Limits
from governance.gateway.vendor_pool import VendorPool
from governance.gateway.watchdog import Watchdog


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def watchdog() -> AsyncIterator[Watchdog]:
    made = Watchdog(interval_seconds=0.02)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()


@pytest.fixture
async def pool(watchdog: Watchdog) -> AsyncIterator[VendorPool]:
    made = VendorPool(Limits(), watchdog=watchdog)
    yield made
    await made.close()
