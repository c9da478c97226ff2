"""SIGKILL at any instant: nothing overspent, nothing lost, nothing twice (P1, P2).

`KILLS=1000 python -m pytest tests/faults` is the long campaign; the seed is printed and can be given as SEED.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from governance.metering.recovery import recover_dead
from tests.faults.kills import UNWATCH, WATCH, Campaign
from tests.metering.conftest import World, world

__all__ = ["world"]

pytestmark = pytest.mark.django_db(transaction=True)


async def _recover(url: str, locks: Path) -> dict[int, int]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as gateway:
        return await recover_dead(gateway, host="here", folder=locks)


@pytest.fixture
def watched(world: World) -> Iterator[World]:
    world.owner.execute(WATCH)
    yield world
    world.owner.execute(UNWATCH)
    world.owner.close()


def test_killed_processes_overspend_nothing_and_lose_nothing(
    watched: World, database_urls: dict[str, str], tmp_path: Path
) -> None:
    kills = int(os.environ.get("KILLS", "8"))
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    budgets = [watched.add_budget(40_000 * kills), watched.add_budget(25_000 * kills)]
    locks = tmp_path / "locks"

    def recover() -> None:
        """As the next process of the host does: prove each epoch dead by its lock, then end it."""
        recovered = asyncio.run(_recover(database_urls["gateway"], locks))
        assert watched.rows("SELECT * FROM metering_worker WHERE state <> 'dead'") == []
        assert watched.rows("SELECT * FROM metering_lease") == []
        assert recovered

    campaign = Campaign(
        owner=watched.owner,
        url=database_urls["gateway"],
        folder=tmp_path,
        attribution=watched.attribution,
        budgets=budgets,
        seed=seed,
    )
    counts = campaign.run(kills=kills, recover=recover)
    print(counts)
    assert counts["attempts"] > 0
    assert watched.rows("SELECT * FROM metering_worker WHERE state = 'alive'") == []
