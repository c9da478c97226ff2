"""What is left of a period goes into the next: never a debt, never more than the cap, never money that is held."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.budgets import increases, queries
from governance.budgets.errors import BudgetRefused
from governance.budgets.increases import NewIncrease
from governance.budgets.models import Account, Budget
from governance.core.clock import utc_now
from governance.core.database_url import DatabaseRole
from governance.core.windows import WindowKind
from tests.budgets.world import HOUR, USD, limit_at, make, open_account, person
from tests.support.company import ACTOR, Company, found

pytestmark = pytest.mark.django_db


def past(budget: Budget, *, settled: int = 0, held: int = 0, hours_ago: int = 1, **fields: Any) -> Account:
    """An account that ended so many hours ago, with what dollars were settled and held."""
    ends_at = utc_now() - hours_ago * HOUR
    values = {"limit_nano": 100 * USD, "starts_at": ends_at - HOUR, "ends_at": ends_at, **fields}
    return Account.objects.create(budget=budget, settled_nano=settled * USD, held_nano=held * USD, **values)


@pytest.mark.parametrize(
    ("settled", "held", "cap", "carried"),
    [(30, 0, None, 70), (30, 20, None, 50), (130, 0, None, 0), (30, 0, 25, 25), (30, 0, 0, 0)],
)
def test_what_is_neither_settled_nor_held_is_carried_over_up_to_the_cap(
    company: Company, settled: int, held: int, cap: int | None, carried: int
) -> None:
    budget = make(company, carries_over=True, carry_cap_nano=None if cap is None else cap * USD)
    past(budget, settled=settled, held=held)
    (before,) = queries.standings(budgets=[budget], at=utc_now())
    account = open_account(budget)
    assert account.carried_nano == carried * USD
    assert limit_at(account, utc_now()) == (100 + carried) * USD
    assert before.limit_nano >= 100 * USD


def test_a_budget_that_does_not_say_so_carries_nothing_over(company: Company) -> None:
    budget = make(company)
    past(budget)
    assert open_account(budget).carried_nano == 0


def test_carried_money_is_carried_on_and_a_quiet_period_neither_adds_nor_loses(company: Company) -> None:
    budget = make(company, carries_over=True)
    past(budget, settled=20, carried_nano=50 * USD, hours_ago=9)
    assert open_account(budget).carried_nano == 130 * USD


def test_an_increase_is_not_carried_over_but_what_it_paid_does_not_lessen_the_rest_below_zero(
    company: Company,
) -> None:
    budget = make(company, carries_over=True)
    now = utc_now()
    increases.give(
        actor=ACTOR,
        new=NewIncrease(budget_id=budget.pk, amount_nano=50 * USD, starts_at=now - 3 * HOUR, ends_at=now + HOUR),
        at=now,
    )
    past(budget, settled=120, increased_until=now + HOUR)
    account = open_account(budget)
    assert account.carried_nano == 0
    assert limit_at(account, utc_now()) == 150 * USD


def test_money_that_comes_back_later_is_not_carried_over(company: Company) -> None:
    budget = make(company, carries_over=True)
    former = past(budget, held=40)
    account = open_account(budget)
    Account.objects.filter(pk=former.pk).update(held_nano=0)
    assert open_account(budget, starts_at=account.starts_at, ends_at=account.ends_at).carried_nano == 60 * USD


def test_each_member_carries_over_their_own(company: Company) -> None:
    budget = make(company, carries_over=True, is_per_member=True)
    ada, bob = person(company, "ada"), person(company, "bob")
    past(budget, settled=10, user=ada)
    past(budget, settled=90, user=bob)
    assert open_account(budget, user=ada).carried_nano == 90 * USD
    assert open_account(budget, user=bob).carried_nano == 10 * USD


def test_contradictions_are_refused(company: Company) -> None:
    with pytest.raises(BudgetRefused, match="never resets"):
        make(company, carries_over=True, window=WindowKind.TOTAL)
    with pytest.raises(BudgetRefused, match="cap"):
        make(company, carry_cap_nano=1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spent=st.lists(st.integers(0, 250), min_size=1, max_size=8), cap=st.none() | st.integers(0, 120))
def test_over_many_periods_no_more_is_ever_granted_than_all_limits_together(
    company: Company, spent: list[int], cap: int | None
) -> None:
    budget = Budget.objects.create(
        organisation=company.organisation,
        name=f"b{Budget.objects.count()}",
        limit_nano=100,
        window="month",
        carries_over=True,
        carry_cap_nano=cap,
    )
    total, left = 0, 0
    for number, wish in enumerate(spent):
        account = open_account(budget)
        expected = 0 if number == 0 else left if cap is None else min(left, cap)
        assert account.carried_nano == expected
        limit = limit_at(account, utc_now())
        paid = min(wish, limit)
        total += paid
        left = limit - paid
        assert total <= 100 * (number + 1)
        # The period ends: its account moves into the past, each one before the next.
        shift = (len(spent) - number) * 10 * HOUR
        Account.objects.filter(pk=account.pk).update(
            settled_nano=paid, starts_at=account.starts_at - shift, ends_at=account.ends_at - shift
        )


@pytest.mark.django_db(transaction=True)
def test_opening_waits_for_a_grant_of_the_former_period_that_is_not_committed(
    database_urls: dict[DatabaseRole, str],
) -> None:
    budget = make(found(), carries_over=True)
    former = past(budget)
    opening = "SELECT budgets_open_account(%s, %s, %s)"
    period = (budget.pk, utc_now() - HOUR, utc_now() + HOUR)
    with psycopg.connect(database_urls["owner"]) as granting, psycopg.connect(database_urls["gateway"]) as gateway:
        granting.execute("UPDATE budgets_account SET held_nano = %s WHERE id = %s", (30 * USD, former.pk))
        gateway.execute("SET lock_timeout = '100ms'")
        gateway.commit()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            gateway.execute(opening, period)
        gateway.rollback()
        granting.commit()
        gateway.execute(opening, period)
        gateway.commit()
    assert Account.objects.get(budget=budget, ends_at__gt=utc_now()).carried_nano == 70 * USD
