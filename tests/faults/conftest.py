"""A machine for tests that break it: a PostgreSQL and gateway processes of its own, and a scripted vendor."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.faults.host import Host, open_host
from tests.gateway.vendor import USAGE, Vendor
from tests.gateway.world import World, question

COST_NANO = USAGE["prompt_tokens"] * 1_000 + USAGE["completion_tokens"] * 2_000
"""What the scripted vendor's usual answer costs."""

_PATIENCE_SECONDS = 60.0


@dataclass
class Machine:
    """The host, a key whose budget nobody else uses, and the vendor behind it."""

    host: Host
    world: World
    vendor: Vendor
    client: httpx.AsyncClient
    key_id: int
    budget: int

    async def call(self, **fields: Any) -> httpx.Response:
        """Make one call on a connection of its own."""
        return await self.client.post("/v1/chat/completions", json=question(max_tokens=100, **fields))

    async def served(self) -> None:
        """Make a call, again and again while it is refused: a process that has just started is not ready yet."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (await self.call()).status_code != 200:  # noqa: ASYNC110 - other processes set no event
                await asyncio.sleep(0.1)

    def reconnect(self) -> None:
        """Look at the database again after it was restarted."""
        self.world.owner.close()
        self.world.owner = _owner(self.host)

    def records(self) -> list[dict[str, Any]]:
        """Return the usage records of the key."""
        return self.world.rows("SELECT * FROM ledger_usagerecord WHERE key_id = %s", self.key_id)

    def suspended(self) -> list[dict[str, Any]]:
        """Return the attempts of the key that are in suspense."""
        return self.world.rows("SELECT * FROM metering_attempt WHERE key_id = %s", self.key_id)

    def balance(self) -> tuple[int, int]:
        """Return what is settled and what is held on the key's budget."""
        (row,) = self.world.rows(
            "SELECT coalesce(sum(settled_nano), 0)::bigint AS settled, coalesce(sum(held_nano), 0)::bigint AS held "
            "FROM budgets_account WHERE budget_id = %s",
            self.budget,
        )
        return row["settled"], row["held"]

    def is_booked(self) -> bool:
        """Say whether every call that reached the vendor is settled at its cost, and nothing else is held."""
        return self.covers_every_call() and not self.suspended()

    def covers_every_call(self) -> bool:
        """Say whether every call that reached the vendor is settled at its cost or held, once, and nothing else is."""
        records, suspended = self.records(), self.suspended()
        ids = {row["attempt_id"] for row in records} | {row["id"] for row in suspended}
        charges, holds = [row["charge_nano"] for row in records], [row["held_nano"] for row in suspended]
        return (
            len(records) + len(suspended) == len(ids) == len(self.vendor.calls)
            and set(charges) <= {COST_NANO}
            and min(holds, default=COST_NANO) >= COST_NANO
            and self.balance() == (sum(charges), sum(holds))
        )


@dataclass
class _Prepared:
    host: Host
    world: World
    listener: socket.socket


@pytest.fixture(scope="session")
def prepared() -> Iterator[_Prepared]:
    with (
        open_host(gateways=2, is_durable=False) as host,
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
    ):
        world = World(owner=_owner(host), environment=host.environment)
        world.found(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        world.owner.close()
        yield _Prepared(host, world, listener)


@pytest.fixture
async def machine(prepared: _Prepared) -> AsyncIterator[Machine]:
    """No gateway process runs yet: a test starts what it needs. What still runs at its end is killed."""
    host = prepared.host
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, sock=prepared.listener.dup())
    world = dataclasses.replace(prepared.world, owner=_owner(host))
    key_id, key = world.add_key(name="breaker")
    budget = world.add_budget(10**12, team_id=None, key_id=key_id, window="total")
    async with httpx.AsyncClient(
        base_url=host.url,
        headers={"authorization": f"Bearer {key}"},
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=_PATIENCE_SECONDS,
        trust_env=False,
    ) as client:
        made = Machine(host=host, world=world, vendor=vendor, client=client, key_id=key_id, budget=budget)
        yield made
    host.kill_gateways()
    host.dismiss_standby()
    # The next test's calls are paid by budgets of its own alone.
    made.world.execute("UPDATE budgets_budget SET retired_at = now() WHERE retired_at IS NULL")
    # Nor does it wait, after a fail-over, for processes that were killed.
    made.world.execute("UPDATE metering_timeline SET grants_from = now() WHERE grants_from > now()")
    made.world.owner.close()
    server.close()
    await vendor.stop()


def _owner(host: Host) -> psycopg.Connection[dict[str, Any]]:
    return psycopg.connect(host.environment.database_url("owner"), autocommit=True, row_factory=dict_row)
