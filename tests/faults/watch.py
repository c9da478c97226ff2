"""Watching the accounts: the database itself at every change, and a sampler beside the vendor's invoice."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping

import psycopg
from psycopg.rows import dict_row

from tests.faults.checker import Balance, Books, Record, Suspended, charged_per_budget, check_covered
from tests.faults.invoice import Invoice
from tests.faults.scene import Scene

_WATCH = """
    CREATE TABLE faults_limit (budget_id bigint PRIMARY KEY, limit_nano bigint NOT NULL);
    CREATE TABLE faults_overspent (account_id bigint PRIMARY KEY, excess_nano bigint NOT NULL);
    CREATE FUNCTION faults_watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE
        v_excess bigint;
    BEGIN
        SELECT NEW.settled_nano + NEW.held_nano - limit_nano INTO v_excess
          FROM faults_limit WHERE budget_id = NEW.budget_id;
        IF v_excess > 0 THEN
            INSERT INTO faults_overspent VALUES (NEW.id, v_excess)
            ON CONFLICT (account_id)
            DO UPDATE SET excess_nano = greatest(faults_overspent.excess_nano, excluded.excess_nano);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER faults_watch AFTER INSERT OR UPDATE ON budgets_account
        FOR EACH ROW EXECUTE FUNCTION faults_watch();
"""
"""The limits are the campaign's own copy: a product that forgot a limit would be seen."""

_COVERED = "SELECT budget_id, sum(settled_nano + held_nano) AS nano FROM budgets_account GROUP BY budget_id"

_RECORDS = """
    SELECT r.attempt_id, r.tags->>'call' AS call, (array_agg(r.outcome ORDER BY r.revision DESC))[1] AS outcome,
           sum(r.cost_nano) AS cost_nano,
           sum(r.charge_nano)::bigint AS charge_nano,
           (SELECT array_agg(a.budget_id) FROM budgets_account a WHERE a.id = ANY (r.account_ids)) AS budgets
      FROM ledger_usagerecord r GROUP BY r.attempt_id, r.tags, r.account_ids
"""
_SUSPENDED = """
    SELECT t.id AS attempt_id, t.tags->>'call' AS call, t.held_nano,
           (SELECT array_agg(a.budget_id) FROM budgets_account a WHERE a.id = ANY (t.account_ids)) AS budgets
      FROM metering_attempt t
"""
_BALANCES = "SELECT id AS account_id, budget_id, settled_nano, held_nano FROM budgets_account"
_LONGEST_PAUSE_SECONDS = 0.2


def install_watch(url: str, limits: Mapping[int, int]) -> None:
    """Let the database look at every change of an account, so that no moment goes unseen."""
    with psycopg.connect(url) as owner:
        owner.execute(_WATCH)
        for budget, limit in limits.items():
            owner.execute("INSERT INTO faults_limit VALUES (%s, %s)", (budget, limit))


def overspend_nano(url: str) -> int:
    """Return by how much accounts ever were over their limit, all together."""
    with psycopg.connect(url) as owner:
        row = owner.execute("SELECT coalesce(sum(excess_nano), 0)::bigint FROM faults_overspent").fetchone()
        assert row is not None
        return int(row[0])


def read_books(url: str) -> Books:
    """Return everything in one snapshot."""
    with psycopg.connect(url, row_factory=dict_row) as owner:
        owner.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        records = [Record(**_with_set(row)) for row in owner.execute(_RECORDS)]
        suspended = [Suspended(**_with_set(row)) for row in owner.execute(_SUSPENDED)]
        balances = [Balance(**row) for row in owner.execute(_BALANCES)]
    return Books(records=records, suspended=suspended, balances=balances)


def read_old_suspense(url: str, *, older_than_seconds: float) -> list[Suspended]:
    """Return the attempts in suspense whose calls are long over."""
    old = _SUSPENDED + " WHERE t.admitted_at < clock_timestamp() - make_interval(secs => %s)"
    with psycopg.connect(url, row_factory=dict_row) as owner:
        return [Suspended(**_with_set(row)) for row in owner.execute(old, (older_than_seconds,))]


def _with_set(row: dict[str, object]) -> dict[str, object]:
    return {**row, "budgets": frozenset(row["budgets"] or ())}  # type: ignore[call-overload]


class Sampler:
    """At random moments: what our accounts cover is at least what the vendor had charged before."""

    def __init__(self, url: str, invoice: Invoice, scene: Scene, *, seed: int) -> None:
        self._url = url
        self._invoice = invoice
        self._scene = scene
        self._charged: Counter[int] = Counter()
        self._chance = random.Random(seed)
        self.samples = 0
        self.violations: list[str] = []

    async def run(self) -> None:
        """Sample until cancelled; while the database is away there is nothing to see."""
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as owner:
                    await self._sample_on(owner)
            await asyncio.sleep(_LONGEST_PAUSE_SECONDS)

    async def _sample_on(self, owner: psycopg.AsyncConnection[tuple[int, int]]) -> None:
        while True:
            self._charged += charged_per_budget(self._invoice.read(), self._scene)
            cursor = await owner.execute(_COVERED)
            covered = {budget: int(nano) for budget, nano in await cursor.fetchall()}
            self.violations += check_covered(self._charged, covered)
            self.samples += 1
            await asyncio.sleep(self._chance.random() * _LONGEST_PAUSE_SECONDS)
