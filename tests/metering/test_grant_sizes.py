"""The sizes of grants: `slices` and the SQL `metering_grant` are the same arithmetic."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.metering import slices
from governance.metering.slices import Ask, Standing
from tests.metering.conftest import World

pytestmark = pytest.mark.django_db(transaction=True)

LINES = 60
AMOUNTS = st.one_of(st.integers(0, 50), st.integers(0, 10_000), st.integers(0, 10**15))
CASES = st.lists(
    st.tuples(
        st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS),
        st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, st.booleans(), st.integers(1, 8)),
    ),
    min_size=LINES,
    max_size=LINES,
)

ADD_BUDGETS = """
    INSERT INTO budgets_budget (organisation_id, team_id, name, model_pattern, limit_nano, "window", zone, first_month,
                                enforcement)
    SELECT %s, %s, 'budget ' || n, '', 0, 'total', 'UTC', 1, 'hard' FROM generate_series(1, %s) AS n RETURNING id
"""
ADD_ACCOUNTS = """
    INSERT INTO budgets_account (budget_id, starts_at, ends_at, limit_nano)
    SELECT budget, '1970-01-01Z', '9999-01-01Z', 0 FROM unnest(%s::bigint[]) AS budget RETURNING id, budget_id
"""
ADD_WORKERS = """
    INSERT INTO metering_worker (host, lock_name, process_id)
    SELECT 'here', n || '.lock', n FROM generate_series(1, 8) AS n RETURNING epoch
"""
SET_STANDINGS = """
    UPDATE budgets_account a
       SET limit_nano = s.lim, settled_nano = s.settled, held_nano = s.held
      FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS s (id, lim, settled, held)
     WHERE a.id = s.id
"""
SET_ENFORCEMENT = """
    UPDATE budgets_budget b SET enforcement = CASE WHEN s.hard THEN 'hard' ELSE 'soft' END
      FROM unnest(%s::bigint[], %s::boolean[]) AS s (id, hard) WHERE b.id = s.id
"""
ADD_LEASES = """
    INSERT INTO metering_lease (epoch, account_id, amount_nano, used_at)
    SELECT epoch, account, 0, clock_timestamp() FROM unnest(%s::bigint[], %s::bigint[]) AS l (epoch, account)
"""
GRANT = """
    SELECT claim, outcome, granted_nano, is_exact
      FROM metering_grant(%s, %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                          %s::bigint[])
"""


class Accounts:
    """Many accounts, and eight epochs that may use them. The last epoch is the one that asks."""

    def __init__(self, world: World) -> None:
        self.owner = world.owner
        attribution = world.attribution
        made = world.rows(ADD_BUDGETS, attribution.organisation_id, attribution.team_id, LINES)
        accounts = world.rows(ADD_ACCOUNTS, [row["id"] for row in made])
        self.ids = [row["id"] for row in accounts]
        self.budget_ids = [row["budget_id"] for row in accounts]
        self.epochs = [row["epoch"] for row in world.rows(ADD_WORKERS)]

    def stand(self, standings: list[Standing]) -> None:
        execute = self.owner.execute
        execute("DELETE FROM metering_lease")
        execute(SET_ENFORCEMENT, (self.budget_ids, [standing.is_hard for standing in standings]))
        columns = zip(*((each.limit, each.settled, each.held) for each in standings), strict=True)
        execute(SET_STANDINGS, (self.ids, *map(list, columns)))
        leases = [
            (epoch, account_id)
            for account_id, standing in zip(self.ids, standings, strict=True)
            for epoch in self.epochs[-standing.users :]
        ]
        execute(ADD_LEASES, tuple(map(list, zip(*leases, strict=True))))

    def grant(self, asks: list[tuple[int, ...]]) -> list[tuple[str, int, bool]]:
        columns = [list(column) for column in zip(*asks, strict=True)]
        rows = self.owner.execute(GRANT, (self.epochs[-1], list(range(LINES)), self.ids, *columns)).fetchall()
        by_claim = {row["claim"]: row for row in rows}
        return [(row["outcome"], row["granted_nano"], row["is_exact"]) for row in (by_claim[n] for n in range(LINES))]


def expected(ask: Ask, standing: Standing) -> tuple[str, int, bool]:
    if slices.is_payable(ask, standing):
        return ("granted", *slices.grant(ask, standing))
    return ("exceeded" if slices.is_spent(ask, standing) else "held", 0, False)


def test_the_database_grants_what_slices_says(world: World) -> None:
    accounts = Accounts(world)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases=CASES)
    def holds(cases: list[tuple[tuple[int, ...], tuple[int, int, int, bool, int]]]) -> None:
        standings = [Standing(*standing) for _, standing in cases]
        accounts.stand(standings)
        answers = accounts.grant([ask for ask, _ in cases])
        for answer, (ask, _), standing, account_id in zip(answers, cases, standings, accounts.ids, strict=True):
            assert answer == expected(Ask(account_id, *ask), standing), (ask, standing)

    holds()
    world.owner.close()
