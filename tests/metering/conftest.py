"""A small organisation, books over it, and a look at its accounts."""

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from governance.budgets.hot import BudgetPolicy
from governance.core.windows import Window, WindowKind
from governance.metering.attempt import Attribution, Claim
from governance.metering.leased import LeasedBooks
from governance.policy.rate_limit import Counts, LimitWindow, RateLimitPolicy

MakeBooks = Callable[[], Awaitable[LeasedBooks]]


@dataclass
class World:
    """One team with a key, and budgets made as asked. Reads and writes as the owner of the database."""

    owner: psycopg.Connection[dict[str, Any]]
    attribution: Attribution
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def add_budget(
        self, limit_nano: int, *, enforcement: str = "hard", window: WindowKind = WindowKind.MONTH
    ) -> BudgetPolicy:
        name = f"budget {next(self._numbers)}"
        row = self.owner.execute(
            'INSERT INTO budgets_budget (organisation_id, team_id, name, model_pattern, limit_nano, "window", zone,'
            " first_month, enforcement) VALUES (%s, %s, %s, '', %s, %s, 'UTC', 1, %s) RETURNING id",
            (
                self.attribution.organisation_id,
                self.attribution.team_id,
                name,
                limit_nano,
                window.value,
                enforcement,
            ),
        ).fetchone()
        assert row is not None
        return BudgetPolicy(
            id=row["id"],
            name=name,
            scope="team default",
            window=Window(kind=window),
            is_hard=enforcement == "hard",
        )

    def add_rate_limit(
        self, amount: int, counts: Counts = Counts.REQUESTS, *, window: LimitWindow | None = LimitWindow.DAY
    ) -> RateLimitPolicy:
        window = None if counts is Counts.CONCURRENT else window
        name = f"limit {next(self._numbers)}"
        row = self.owner.execute(
            'INSERT INTO policy_ratelimit (organisation_id, team_id, name, counts, amount, "window")'
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            (
                self.attribution.organisation_id,
                self.attribution.team_id,
                name,
                counts.value,
                amount,
                window and window.value,
            ),
        ).fetchone()
        assert row is not None
        return RateLimitPolicy(
            id=row["id"], name=name, scope="team default", counts=counts, amount=amount, window=window
        )

    def taken(self, limit: RateLimitPolicy) -> int:
        """Return what processes have taken: of the window that the database knows, or of requests at once."""
        if limit.window is None:
            query = (
                "SELECT coalesce(sum(t.amount), 0)::bigint AS taken FROM metering_allotment t"
                " JOIN metering_allowance a ON a.id = t.allowance_id WHERE a.rate_limit_id = %s"
            )
        else:
            query = "SELECT coalesce(sum(taken), 0)::bigint AS taken FROM metering_allowance WHERE rate_limit_id = %s"
        return int(self.rows(query, limit.id)[0]["taken"])

    def account(self, budget: BudgetPolicy) -> dict[str, Any]:
        rows = self.rows("SELECT * FROM budgets_account WHERE budget_id = %s", budget.id)
        assert len(rows) == 1
        return rows[0]

    def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        return self.owner.execute(query, arguments).fetchall()

    def claim(self, *budgets: BudgetPolicy, want: int, least: int | None = None) -> Claim:
        return Claim(
            attempt_id=uuid4(),
            request_id=uuid4(),
            attribution=self.attribution,
            budgets=tuple(sorted(budgets, key=lambda budget: budget.id)),
            want_nano=want,
            least_nano=want if least is None else least,
        )


def _insert(owner: psycopg.Connection[dict[str, Any]], table: str, **columns: object) -> int:
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    found = owner.execute(query, tuple(columns.values())).fetchone()
    assert found is not None
    return int(found["id"])


@pytest.fixture
def world(database_urls: dict[str, str]) -> Iterator[World]:
    owner = psycopg.connect(database_urls["owner"], autocommit=True, row_factory=dict_row)
    organisation = _insert(owner, "teams_organisation", name="Acme", zone="Europe/Berlin")
    unit = _insert(owner, "teams_businessunit", organisation_id=organisation, name="Research")
    cost_centre = _insert(owner, "teams_costcentre", organisation_id=organisation, code="4711", name="")
    team = _insert(
        owner,
        "teams_team",
        organisation_id=organisation,
        unit_id=unit,
        cost_centre_id=cost_centre,
        name="default",
        required_tags=[],
    )
    key = _insert(owner, "keys_virtualkey", organisation_id=organisation, team_id=team, name="first", default_tags="{}")
    connection = _insert(
        owner,
        "connections_connection",
        organisation_id=organisation,
        name="vendor",
        provider="sandbox",
        base_url="http://127.0.0.1:9",
        options="{}",
        is_enabled=True,
    )
    attribution = Attribution(
        organisation_id=organisation,
        unit_id=unit,
        cost_centre_id=cost_centre,
        team_id=team,
        key_id=key,
        user_id=None,
        model_id=1,
        deployment_id=1,
        connection_id=connection,
        alias="sandbox-1",
        wire="openai.chat",
        is_stream=False,
        tags={"feature": "search"},
    )
    yield World(owner=owner, attribution=attribution)
    owner.close()


@pytest.fixture
async def make_books(world: World, database_urls: dict[str, str], tmp_path: Path) -> AsyncIterator[MakeBooks]:
    """Return a function that opens books as another gateway process of this host would."""
    pools = []

    async def make() -> LeasedBooks:
        pool = AsyncConnectionPool(
            database_urls["gateway"], min_size=1, max_size=4, open=False, kwargs={"autocommit": True}
        )
        await pool.open(wait=True)
        pools.append(pool)
        books = LeasedBooks(
            pool=pool,
            listen=lambda: AsyncConnection.connect(database_urls["gateway"], autocommit=True),
            host="here",
            folder=tmp_path,
            monotonic=time.monotonic,
        )
        await books.open()
        return books

    yield make
    for pool in pools:
        await pool.close()
