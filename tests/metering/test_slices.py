"""The sizes of leases and the pace of spending, example by example; the database is held against them elsewhere."""

import pytest

from governance.metering.slices import Ask, Pace, Standing, grant, is_payable, is_spent


def ask(*, need: int = 10, short: int = 20, slice: int = 0, typical: int = 10, least: int = 10) -> Ask:
    return Ask(account_id=1, need=need, short=short, slice=slice, typical=typical, least=least)


def standing(*, limit: int = 1_000, settled: int = 0, held: int = 0, hard: bool = True, users: int = 1) -> Standing:
    return Standing(limit=limit, settled=settled, held=held, is_hard=hard, users=users)


def test_what_remains_is_neither_settled_nor_held() -> None:
    assert standing(limit=100, settled=30, held=80).remaining == -10


@pytest.mark.parametrize(
    ("held", "need", "hard", "payable"),
    [(990, 10, True, True), (991, 10, True, False), (991, 10, False, True), (2_000, 0, True, True)],
)
def test_an_ask_is_payable_down_to_the_last_nano(held: int, need: int, hard: bool, payable: bool) -> None:
    assert is_payable(ask(need=need), standing(held=held, hard=hard)) is payable


@pytest.mark.parametrize(
    ("settled", "held", "hard", "spent"),
    [(990, 10, True, False), (991, 0, True, True), (991, 0, False, False), (0, 1_000, True, False)],
)
def test_an_account_is_spent_when_no_returning_money_could_pay(
    settled: int, held: int, hard: bool, spent: bool
) -> None:
    assert is_spent(ask(least=10), standing(settled=settled, held=held, hard=hard)) is spent


@pytest.mark.parametrize(
    ("asked", "account", "granted"),
    [
        # A soft account gives what is wished for.
        (ask(short=20, slice=50), standing(limit=0, hard=False), (50, False)),
        (ask(short=60, slice=50), standing(limit=0, hard=False), (60, False)),
        # Exact mode: a fair share holds less than four typical reservations.
        (ask(typical=100), standing(limit=799), (20, True)),
        (ask(typical=100), standing(limit=800), (20, False)),
        (ask(typical=100), standing(limit=1_599, users=2), (20, True)),
        (ask(need=10, short=20, typical=100), standing(limit=100, held=85), (15, True)),
        (ask(need=0, short=20, typical=100), standing(limit=100, held=120), (0, True)),
        # A slice: the least of a fair share, limit / 200, and what is worth having; never less than is wanted.
        (ask(slice=10**6), standing(limit=200_000), (1_000, False)),
        (ask(slice=900), standing(limit=200_000), (900, False)),
        (ask(slice=10**6), standing(limit=200_000, held=198_400), (800, False)),
        (ask(slice=10**6), standing(limit=200_000, held=198_400, users=4), (200, False)),
        (ask(short=5_000, slice=10**6), standing(limit=200_000), (5_000, False)),
        # Shares are whole nano-USD, rounded down; who has nothing left has no share.
        (ask(slice=10**6), standing(limit=200_199), (1_000, False)),
        (ask(slice=10**6), standing(limit=200_000, held=199_599, users=1), (200, False)),
        (ask(need=0, short=0, slice=10**6, typical=0), standing(limit=200_000, held=200_000, users=1), (0, False)),
    ],
)
def test_a_grant_is_as_large_as_the_rule_says(asked: Ask, account: Standing, granted: tuple[int, bool]) -> None:
    found = grant(asked, account)
    assert found == granted
    assert [type(part) for part in found] == [int, bool]


def test_the_pace_counts_a_minute_and_fades_the_one_before() -> None:
    pace = Pace(0)
    assert pace.nano(at=0) == 0
    pace.add(600, at=1)
    pace.add(600, at=59.9)
    assert pace.nano(at=59.9) == 1_200
    assert pace.nano(at=60) == 1_200
    assert pace.nano(at=75) == 900
    pace.add(100, at=75)
    assert pace.nano(at=90) == 100 + 600
    assert pace.nano(at=119.999) == 100
    assert pace.nano(at=120) == 100
    pace.add(40, at=120)
    assert pace.nano(at=150) == 40 + 50


def test_the_pace_of_long_ago_is_forgotten() -> None:
    pace = Pace(0)
    pace.add(600, at=1)
    assert pace.nano(at=120) == 0
    pace.add(500, at=130)
    assert pace.nano(at=239.9) == 500
    assert Pace(0).nano(at=500) == 0
