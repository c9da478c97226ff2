"""Kill bookkeepers again and again, and hold the books against the invoice after each death."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from governance.budgets.hot import BudgetPolicy
from governance.metering.attempt import Attribution

Owner = psycopg.Connection[dict[str, Any]]

WATCH = """
    CREATE TABLE overspent (account_id bigint, settled_nano bigint, held_nano bigint, limit_nano bigint);
    CREATE FUNCTION watch_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF NEW.settled_nano + NEW.held_nano > NEW.limit_nano THEN
            INSERT INTO overspent VALUES (NEW.id, NEW.settled_nano, NEW.held_nano, NEW.limit_nano);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER watch_account AFTER INSERT OR UPDATE ON budgets_account
        FOR EACH ROW EXECUTE FUNCTION watch_account();
"""
"""The database itself looks at every change of an account, so that no moment goes unseen."""

UNWATCH = "DROP TRIGGER watch_account ON budgets_account; DROP FUNCTION watch_account; DROP TABLE overspent"


@dataclass
class Campaign:
    """One run: two bookkeepers at a time, killed at random instants."""

    owner: Owner
    url: str
    folder: Path
    attribution: Attribution
    budgets: list[BudgetPolicy]
    seed: int

    def run(self, *, kills: int, recover: Callable[[], None], longest_life_seconds: float = 0.5) -> dict[str, int]:
        """Kill so many processes; return counts. Raises AssertionError when an invariant breaks."""
        chance = random.Random(self.seed)
        for number in range(0, kills, 2):
            pair = [self._start(number + offset) for offset in (0, 1)]
            for process in pair:
                assert process.stdout is not None
                assert process.stdout.readline() == b"open\n"
            for process in pair:
                # The instant of death is the experiment's variable; nothing is awaited here.
                time.sleep(chance.random() * longest_life_seconds)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            recover()
            self.check()
        return {"kills": kills, "attempts": len(self._invoice()), "in_suspense": len(self._rows("metering_attempt"))}

    def check(self) -> None:
        """Hold the books against the invoice: nothing overspent, nothing lost, nothing twice."""
        assert self.owner.execute("SELECT * FROM overspent").fetchall() == []
        records = {str(row["attempt_id"]): row for row in self._rows("ledger_usagerecord")}
        attempts = {str(row["id"]): row for row in self._rows("metering_attempt")}
        for attempt_id, cost in self._invoice().items():
            if attempt_id in records:
                assert records[attempt_id]["charge_nano"] == cost
                assert attempt_id not in attempts
            else:
                assert attempts[attempt_id]["held_nano"] >= cost
        settled = sum(row["charge_nano"] for row in records.values())
        held = sum(row["held_nano"] for row in attempts.values())
        for account in self._rows("budgets_account"):
            assert (account["settled_nano"], account["held_nano"]) == (settled, held)
        expense = self.owner.execute(
            "SELECT coalesce(sum(amount_nano), 0) AS amount FROM ledger_posting WHERE amount_nano > 0"
        ).fetchone()
        assert expense is not None
        assert expense["amount"] == settled

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        config = self.folder / f"bookkeeper-{number}.json"
        config.write_text(
            json.dumps(
                {
                    "url": self.url,
                    "locks": str(self.folder / "locks"),
                    "invoice": str(self.folder / "invoice.txt"),
                    "attribution": msgspec.to_builtins(self.attribution),
                    "budgets": [budget.id for budget in self.budgets],
                    "seed": self.seed + number,
                }
            ),
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "tests.faults.bookkeeper", str(config)]
        root = Path(__file__).parent.parent.parent
        return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)

    def _invoice(self) -> dict[str, int]:
        path = self.folder / "invoice.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return {attempt_id: int(cost) for attempt_id, cost in (line.split() for line in lines)}

    def _rows(self, table: str) -> list[dict[str, Any]]:
        return self.owner.execute(psycopg.sql.SQL("SELECT * FROM {}").format(psycopg.sql.Identifier(table))).fetchall()
