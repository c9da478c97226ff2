"""Temporary increases: what the limit is at each instant, who gets them, and what is refused."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.budgets import increases, operations, queries
from governance.budgets.errors import BudgetRefused, BudgetRetired
from governance.budgets.increases import NewIncrease
from governance.budgets.models import Account, Budget, Increase
from governance.core.clock import utc_now
from governance.core.database_url import DatabaseRole
from governance.core.money import MAX_NANO
from governance.core.windows import BEGINNING, END
from tests.budgets.world import HOUR, USD, limit_at, make, open_account, person
from tests.support.company import ACTOR, Company, found, last_event

pytestmark = pytest.mark.django_db


def give(budget: Budget, *, amount: int = 50, hours: tuple[float, float] = (0, 2), **fields: int) -> Increase:
    now = utc_now()
    new = NewIncrease(
        budget_id=budget.pk,
        amount_nano=amount * USD,
        starts_at=now + hours[0] * HOUR,
        ends_at=now + hours[1] * HOUR,
        reason="fair",
        **fields,
    )
    return increases.give(actor=ACTOR, new=new, at=now)


def test_an_increase_holds_from_its_beginning_to_its_end_and_ends_by_itself(company: Company) -> None:
    budget = make(company)
    account = open_account(budget)
    increase = give(budget)
    for at, dollars in (
        (increase.starts_at - timedelta(microseconds=1), 100),
        (increase.starts_at, 150),
        (increase.ends_at - timedelta(microseconds=1), 150),
        (increase.ends_at, 100),
    ):
        assert limit_at(account, at) == dollars * USD
    assert last_event().action == "budget.increased"
    assert last_event().after["amount_usd"] == "50.00"


def test_an_account_opened_later_has_the_increase_too(company: Company) -> None:
    budget = make(company)
    give(budget)
    (before,) = queries.standings(budgets=[budget], at=utc_now())
    account = open_account(budget)
    (after,) = queries.standings(budgets=[budget], at=utc_now())
    assert limit_at(account, utc_now()) == before.limit_nano == after.limit_nano == 150 * USD


def test_a_period_that_is_over_does_not_show_the_increases_of_today(company: Company) -> None:
    budget = make(company)
    account = open_account(budget)
    give(budget)
    Account.objects.filter(pk=account.pk).update(starts_at=BEGINNING, ends_at=utc_now() - HOUR)
    (shown,) = queries.with_limits(accounts=Account.objects.all(), at=utc_now()).values_list(
        "effective_nano", flat=True
    )
    assert shown == 100 * USD


@pytest.mark.django_db(transaction=True)
def test_an_account_that_is_opened_while_an_increase_is_given_waits_for_it(
    database_urls: dict[DatabaseRole, str],
) -> None:
    budget = make(found())
    opening = "SELECT budgets_open_account(%s, %s, %s)"
    period = (budget.pk, utc_now() - HOUR, utc_now() + HOUR)
    with psycopg.connect(database_urls["gateway"], autocommit=True) as gateway:
        gateway.execute("SET lock_timeout = '100ms'")
        with transaction.atomic():
            give(budget)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                gateway.execute(opening, period)
        gateway.execute(opening, period)
    assert limit_at(Account.objects.get(budget=budget), utc_now()) == 150 * USD


def test_a_withdrawn_increase_is_gone_at_once_and_withdrawing_again_changes_nothing(company: Company) -> None:
    budget = make(company)
    account = open_account(budget)
    increase = give(budget)
    for _ in range(2):
        increases.withdraw(actor=ACTOR, increase_id=increase.pk, reason="cancelled")
    assert limit_at(account, utc_now()) == 100 * USD
    assert not queries.increases_of(budgets=[budget], at=utc_now()).exists()
    assert last_event().action == "budget.increase_withdrawn"


def test_a_changed_limit_and_an_increase_add_up(company: Company) -> None:
    budget = make(company)
    account = open_account(budget)
    give(budget)
    operations.change_limit(actor=ACTOR, budget_id=budget.pk, limit_nano=10 * USD)
    account.refresh_from_db()
    assert limit_at(account, utc_now()) == 60 * USD


def test_an_increase_for_one_member_is_theirs_alone(company: Company) -> None:
    budget = make(company, is_per_member=True)
    ada, bob = person(company, "ada"), person(company, "bob")
    give(budget, user_id=ada.pk)
    give(budget, amount=1)
    assert limit_at(open_account(budget, user=ada), utc_now()) == 151 * USD
    assert limit_at(open_account(budget, user=bob), utc_now()) == 101 * USD


def test_what_makes_no_sense_is_refused(company: Company) -> None:
    budget = make(company)
    ada = person(company, "ada")
    with pytest.raises(BudgetRefused, match="above zero"):
        give(budget, amount=0)
    with pytest.raises(BudgetRefused, match="later end"):
        give(budget, hours=(-2, -1))
    with pytest.raises(BudgetRefused, match="later end"):
        give(budget, hours=(2, 1))
    with pytest.raises(BudgetRefused, match="Everybody shares"):
        give(budget, user_id=ada.pk)
    operations.retire(actor=ACTOR, budget_id=budget.pk)
    with pytest.raises(BudgetRetired):
        give(budget)
    assert not Increase.objects.exists()


def test_the_database_refuses_an_increase_of_nothing_or_that_ends_first(company: Company) -> None:
    increase = give(make(company))
    for fields in ({"amount_nano": 0}, {"ends_at": increase.starts_at}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Increase.objects.filter(pk=increase.pk).update(**fields)


_INSTANTS = st.integers(0, 20)
_INCREASES = st.lists(st.tuples(st.integers(1, MAX_NANO), _INSTANTS, st.integers(1, 20), st.booleans()), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(0, MAX_NANO), carried=st.integers(0, MAX_NANO), given_increases=_INCREASES, at=st.integers(0, 45)
)
def test_the_limit_is_the_sum_of_all_that_is_in_force_and_never_overflows(
    company: Company, limit: int, carried: int, given_increases: list[tuple[int, int, int, bool]], at: int
) -> None:
    def instant(hours: int) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + hours * HOUR

    with transaction.atomic():
        budget = Budget.objects.create(organisation=company.organisation, name="b", limit_nano=0, window="month")
        wanted = limit + carried
        for amount, start, length, is_withdrawn in given_increases:
            Increase.objects.create(
                budget=budget,
                amount_nano=amount,
                starts_at=instant(start),
                ends_at=instant(start + length),
                withdrawn_at=instant(0) if is_withdrawn else None,
            )
            wanted += amount if not is_withdrawn and start <= at < start + length else 0
        account = Account.objects.create(
            budget=budget,
            starts_at=BEGINNING,
            ends_at=END,
            limit_nano=limit,
            carried_nano=carried,
            increased_until=max((instant(start + length) for _, start, length, _ in given_increases), default=None),
        )
        assert limit_at(account, instant(at)) == min(wanted, MAX_NANO)
        transaction.set_rollback(True)
