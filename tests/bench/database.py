"""What the bench asks PostgreSQL: its own CPU time, its transactions, and the usage rows of one alias."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg

from governance.core.environment import read_environment
from tests.bench import machine


class DatabaseReading(msgspec.Struct, frozen=True):
    """Totals since the server started. `transactions` are those that wrote: the counter of their ids has no delay."""

    cpu_seconds: float
    transactions: float

    def since(self, before: "DatabaseReading", *, idle: "DatabaseReading", seconds: float) -> "DatabaseReading":
        """Return what was added since, less what these seconds would have cost without any call; never negative."""
        return DatabaseReading(
            max(0.0, self.cpu_seconds - before.cpu_seconds - idle.cpu_seconds * seconds),
            max(0.0, self.transactions - before.transactions - idle.transactions * seconds),
        )

    def per_second(self, before: "DatabaseReading", seconds: float) -> "DatabaseReading":
        """Return the rate since the earlier reading."""
        return DatabaseReading(
            (self.cpu_seconds - before.cpu_seconds) / seconds, (self.transactions - before.transactions) / seconds
        )


NO_READING = DatabaseReading(0.0, 0)


class Booked(msgspec.Struct, frozen=True):
    """The usage rows of one alias, how many budgets each was charged to, and what was not settled."""

    usage_rows: int
    least_budgets: int
    most_budgets: int
    attempts_open: int


class Database:
    """A connection as owner, and the server's processes."""

    def __init__(self, home: Path, processes: Callable[[], list[int]]) -> None:
        url = read_environment({"BURSAR_HOME": str(home)}).database_url("owner")
        self.connection = psycopg.connect(url, autocommit=True)
        self._processes = processes

    def read(self) -> DatabaseReading:
        """Return the totals up to now."""
        row = self.connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
        # The first process reaps the others, so what ended backends used is counted with it.
        cpu = sum(machine.cpu_seconds(process, with_ended_children=True) for process in self._processes())
        return DatabaseReading(cpu, int(row[0]) if row else 0)

    def booked(self, alias: str) -> Booked:
        """Count what is booked for calls of this alias."""
        query = """
            SELECT count(*), coalesce(min(cardinality(account_ids)), 0), coalesce(max(cardinality(account_ids)), 0),
                   (SELECT count(*) FROM metering_attempt WHERE alias = %(alias)s)
            FROM ledger_usagerecord WHERE alias = %(alias)s
        """
        row = self.connection.execute(query, {"alias": alias}).fetchone()
        assert row is not None
        return Booked(*map(int, row))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
