"""What was refused is added up for people, by key, hour and reason; what a vendor refused is not among it."""

from datetime import timedelta

import psycopg
import pytest

from governance.core.clock import utc_now
from governance.gateway.limits import Limits
from governance.gateway.refusal_counts import RefusalCounts
from tests.gateway.vendor import Vendor, refusing
from tests.gateway.world import Served, World, eventually, question

SUMS = """
    SELECT code, team_id, organisation_id, sum(requests)::int AS requests FROM metering_refusalsum GROUP BY 1, 2, 3
"""


@pytest.fixture
def limits() -> Limits:
    return Limits(refusals_seconds=0.05)


async def ask(served: Served, key: str, **fields: object) -> int:
    async with served.client(key) as client:
        return (await client.post("/v1/chat/completions", json=question(**fields))).status_code


async def told(world: World, requests: int) -> dict[str, int]:
    def sums() -> dict[str, int] | None:
        found = {row["code"]: row["requests"] for row in world.rows(SUMS)}
        return found if sum(found.values()) >= requests else None

    return await eventually(sums)


async def test_each_refusal_of_a_known_key_is_counted_by_its_reason(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    assert [await ask(served, key, model="nothing") for _ in range(3)] == [404] * 3
    assert await ask(served, key, max_tokens=-1) == 400
    assert await ask(served, "bsr_" + "0" * 64) == 401
    vendor.answer = refusing(429)
    assert await ask(served, key) == 429
    vendor.answer = refusing(500)
    assert await ask(served, key) == 500
    assert await told(world, 4) == {"model_unknown": 3, "bad_request": 1}
    (row, *_) = world.rows(SUMS)
    assert (row["team_id"], row["organisation_id"]) == (world.team, world.organisation)


async def test_counts_of_several_processes_add_up_and_unknown_keys_do_not_matter(served: Served, world: World) -> None:
    (key,) = world.rows("SELECT id FROM keys_virtualkey LIMIT 1") or [{"id": world.add_key(name="other")[0]}]
    hour = utc_now()
    pool = served.gateway.vendors.refusals._pool
    for _ in range(2):
        counts = RefusalCounts(pool=pool, interval_seconds=60)
        for at in (hour, hour, hour - timedelta(hours=1)):
            counts.count(key_id=key["id"], code="rate_limited", at=at)
        counts.count(key_id=10**15, code="rate_limited", at=hour)
        await counts.close()
    rows = world.rows("SELECT hour, requests FROM metering_refusalsum ORDER BY hour")
    assert [row["requests"] for row in rows] == [2, 4]
    assert all(row["hour"].minute == row["hour"].second == 0 for row in rows)


async def test_what_could_not_be_told_is_told_later(served: Served, world: World, key: str) -> None:
    world.execute("ALTER TABLE metering_refusalsum RENAME TO metering_away")
    try:
        assert await ask(served, key, model="nothing") == 404
        with pytest.raises(psycopg.Error):
            await served.gateway.vendors.refusals._tell()
        assert await ask(served, key, model="nothing") == 404
    finally:
        world.execute("ALTER TABLE metering_away RENAME TO metering_refusalsum")
    assert await told(world, 2) == {"model_unknown": 2}
