"""Which account pays now: the current period of each budget, remembered until it ends."""

from collections.abc import Iterable
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.budgets.hot import BudgetPolicy, Member, open_account
from governance.core.windows import Period


class PeriodMoved(Exception):
    """The database's clock is in another period than the one that was asked for."""


class OpenAccounts:
    """The accounts of the current periods. The database confirms every period by its own clock."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Member | None], tuple[Period, int]] = {}

    def known(self, budgets: Iterable[BudgetPolicy], *, at: datetime) -> tuple[int, ...] | None:
        """Return the account ids in ascending order, or None when one of them has to be opened first."""
        found = []
        for budget in budgets:
            entry = self._known.get(budget.account_key)
            if entry is None or not entry[0].holds(at):
                return None
            found.append(entry[1])
        return tuple(sorted(found))

    async def open(
        self, connection: AsyncConnection[TupleRow], budgets: Iterable[BudgetPolicy], *, at: datetime
    ) -> tuple[int, ...]:
        """Open what is missing and return the account ids in ascending order. Raises PeriodMoved."""
        found = []
        for budget in budgets:
            entry = self._known.get(budget.account_key)
            if entry is None or not entry[0].holds(at):
                entry = await _open(connection, budget, at=at)
                self._known[budget.account_key] = entry
            found.append(entry[1])
        return tuple(sorted(found))

    def forget(self, budgets: Iterable[BudgetPolicy]) -> None:
        """Drop what is remembered of these budgets: their periods have to be computed anew."""
        for budget in budgets:
            self._known.pop(budget.account_key, None)


async def _open(connection: AsyncConnection[TupleRow], budget: BudgetPolicy, *, at: datetime) -> tuple[Period, int]:
    period = budget.window.period_at(at)
    account_id = await open_account(connection, budget, period)
    if account_id is None:
        raise PeriodMoved(f"The database's clock is not in the period of budget {budget.id} that begins {period}.")
    return period, account_id
