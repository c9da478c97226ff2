"""The sizes of slices of rate limits: `rates.slice_size` and the SQL `metering_take` are the same arithmetic."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.metering.rates import Line, slice_size
from governance.policy.rate_limit import Counts, RateLimitPolicy
from tests.metering.conftest import World

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 6
AMOUNTS = st.one_of(st.integers(0, 50), st.integers(0, 10_000), st.integers(0, 10**12))
TAKE = """
    SELECT outcome, granted, is_exact, remaining
      FROM metering_take(%s, %s, ARRAY[0], ARRAY[%s]::bigint[], ARRAY[0]::bigint[], ARRAY[NULL]::timestamptz[],
                         ARRAY[0]::bigint[], ARRAY[%s]::bigint[], ARRAY[%s]::bigint[], ARRAY[%s]::bigint[],
                         ARRAY[%s]::bigint[])
"""


def _line(need: int, more: int, slice_: int, typical: int) -> Line:
    return Line(
        allowance_id=0, back=0, window=None, keeps=0, need=need, want=need + more, slice=slice_, typical=typical
    )


LINES = st.builds(_line, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)


class Allowances:
    """One limit per kind, and processes of which the last one asks."""

    def __init__(self, world: World) -> None:
        self.owner: psycopg.Connection[dict[str, Any]] = world.owner
        self.limits = [world.add_rate_limit(1, Counts.TOKENS), world.add_rate_limit(1, Counts.CONCURRENT)]
        self.ids = [self._open(limit) for limit in self.limits]
        self.epochs = [
            row["epoch"]
            for row in world.rows(
                "INSERT INTO metering_worker (host, lock_name, process_id)"
                " SELECT 'here', n || '.lock', n FROM generate_series(1, %s) AS n RETURNING epoch",
                PROCESSES,
            )
        ]
        self.sequence = 0

    def _open(self, limit: RateLimitPolicy) -> int:
        rows = self.owner.execute("SELECT metering_open_allowance(%s, NULL, NULL) AS id", (limit.id,)).fetchall()
        return int(rows[0]["id"])

    def stand(self, number: int, *, amount: int, taken: int, users: int) -> None:
        """Others have taken so much of it, or run so many requests."""
        execute, allowance = self.owner.execute, self.ids[number]
        execute("UPDATE policy_ratelimit SET amount = %s WHERE id = %s", (amount, self.limits[number].id))
        execute("DELETE FROM metering_allotment WHERE allowance_id = %s", (allowance,))
        execute(
            "UPDATE metering_allowance SET taken = %s, window_starts_at = date_trunc('day', clock_timestamp(), 'UTC')"
            " WHERE id = %s",
            (taken if number == 0 else 0, allowance),
        )
        others = self.epochs[: users - 1] or self.epochs[:1]
        is_recent = users > 1
        execute(
            "INSERT INTO metering_allotment (epoch, allowance_id, amount, sequence, used_at)"
            " SELECT e, %s, CASE WHEN e = %s THEN %s::bigint ELSE 0 END, 0,"
            "        clock_timestamp() - CASE WHEN %s THEN interval '0' ELSE interval '1 hour' END"
            "   FROM unnest(%s::bigint[]) AS e",
            (allowance, others[0], taken if number == 1 else 0, is_recent, others),
        )

    def take(self, number: int, line: Line) -> tuple[str, int, bool, int]:
        self.sequence += 1
        asked = (line.need, line.want, line.slice, line.typical)
        row = self.owner.execute(TAKE, (self.epochs[-1], self.sequence, self.ids[number], *asked)).fetchone()
        assert row is not None
        return row["outcome"], row["granted"], row["is_exact"], row["remaining"]


def test_the_database_takes_what_slice_size_says(world: World) -> None:
    allowances = Allowances(world)

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(number=st.integers(0, 1), line=LINES, amount=AMOUNTS, taken=AMOUNTS, users=st.integers(1, PROCESSES))
    def holds(number: int, line: Line, amount: int, taken: int, users: int) -> None:
        allowances.stand(number, amount=amount + 1, taken=taken, users=users)
        remaining = amount + 1 - taken
        expected = slice_size(line, remaining=remaining, users=users)
        found = allowances.take(number, line)
        if expected is None:
            assert found == ("refused", 0, False, remaining)
        else:
            assert found == ("granted", *expected, remaining - expected[0])

    holds()
    world.owner.close()


def test_what_was_said_before_is_not_heard_after_what_was_said_later(world: World) -> None:
    allowances = Allowances(world)
    allowances.stand(1, amount=10, taken=0, users=1)
    asked = (1, 1, 0, 1)
    for sequence, is_heard in ((7, True), (6, False), (7, False), (8, True)):
        rows = world.owner.execute(TAKE, (allowances.epochs[-1], sequence, allowances.ids[1], *asked)).fetchall()
        assert bool(rows) is is_heard
    world.owner.close()
