"""Gateway processes that open one account at the same moment get the same one, and no error."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg

from tests.metering.conftest import World

_OPENERS = 6
_BUDGETS = 60
_OPEN = (
    "SELECT budgets_open_account(%s, date_trunc('month', clock_timestamp(), 'UTC'),"
    " date_trunc('month', clock_timestamp(), 'UTC') + interval '1 month')"
)


def test_an_account_opened_by_many_at_once_is_one_account(world: World, database_urls: dict[str, str]) -> None:
    budgets = [world.add_budget(1_000) for _ in range(_BUDGETS)]
    at_once = Barrier(_OPENERS)

    def open_all() -> list[int]:
        opened = []
        with psycopg.connect(database_urls["gateway"], autocommit=True) as connection:
            for budget in budgets:
                at_once.wait()
                row = connection.execute(_OPEN, [budget.id]).fetchone()
                assert row is not None
                opened.append(row[0])
        return opened

    def open_all_or_let_go() -> list[int]:
        try:
            return open_all()
        except BaseException:
            at_once.abort()
            raise

    with ThreadPoolExecutor(_OPENERS) as pool:
        answers = [opener.result() for opener in [pool.submit(open_all_or_let_go) for _ in range(_OPENERS)]]
    assert answers == [[world.account(budget)["id"] for budget in budgets]] * _OPENERS
