"""A whole gateway over a real database and a scripted vendor on a real port."""

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from governance.core.environment import Environment, read_environment
from governance.core.plugins import load_plugins
from governance.gateway import process
from governance.gateway.limits import Limits
from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World, serving


@contextlib.asynccontextmanager
async def _selling() -> AsyncIterator[Vendor]:
    scripted = Vendor()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, limit=2**20)
    scripted.port = server.sockets[0].getsockname()[1]
    yield scripted
    server.close()
    await scripted.stop()


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with _selling() as scripted:
        yield scripted


@pytest.fixture
async def other(world: World) -> AsyncIterator[Vendor]:
    """A second vendor, whose model `big` costs five times as much and follows in the alias `tiny`."""
    async with _selling() as scripted:
        model = world.add_model("big", prices={"input": "5000", "output": "10000"})
        world.add_fallback("tiny", model=model, connection=world.add_connection(scripted.base_url))
        yield scripted


@pytest.fixture
def environment(database_urls: dict[str, str], tmp_path: Path) -> Environment:
    variables = {
        **os.environ,
        "BURSAR_HOME": str(tmp_path / "home"),
        "BURSAR_GATEWAY_DATABASE_URL": database_urls["gateway"],
    }
    return read_environment(variables)


@pytest.fixture
def world(database_urls: dict[str, str], environment: Environment, vendor: Vendor) -> Iterator[World]:
    with psycopg.connect(database_urls["owner"], autocommit=True, row_factory=dict_row) as owner:
        made = World(owner=owner, environment=environment)
        made.found(vendor.base_url)
        yield made


@pytest.fixture
def limits() -> Limits:
    """Shorter waits than in earnest; a test that needs others overrides this."""
    return Limits(
        first_byte_seconds=5,
        idle_seconds=5,
        write_stall_seconds=5,
        body_seconds=2,
        header_seconds=2,
        watch_seconds=0.05,
        policy_poll_seconds=1,
        flush_seconds=0.05,
        lease_idle_seconds=0.3,
        database_seconds=20,
    )


_load_once = functools.cache(load_plugins)


@pytest.fixture
async def served(
    world: World, environment: Environment, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    # What is installed does not change while tests run, and to read it again costs each of them a tenth of a second.
    monkeypatch.setattr(process, "load_plugins", _load_once)
    async with serving(environment, limits) as running:
        yield running


@pytest.fixture
def key(world: World) -> str:
    return world.add_key()[1]
