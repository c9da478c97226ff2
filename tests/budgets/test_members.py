"""Budgets whose members each have the whole limit."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError

from governance.budgets import queries
from governance.budgets.errors import BudgetRefused
from governance.budgets.models import Account
from governance.core.clock import utc_now
from tests.budgets.world import HOUR, USD, make, open_account, person
from tests.support.company import Company

pytestmark = pytest.mark.django_db


def test_a_budget_with_members_stands_as_the_one_with_least_left(company: Company) -> None:
    budget = make(company, is_per_member=True)
    ada, bob = person(company, "ada"), person(company, "bob")
    for user, settled in ((ada, 20), (bob, 70)):
        Account.objects.filter(pk=open_account(budget, user=user).pk).update(settled_nano=settled * USD)
    now = utc_now()
    (standing,) = queries.standings(budgets=[budget], at=now)
    assert (standing.member, standing.left_nano) == ("person bob@acme.example", 30 * USD)
    members = [(each.member, each.left_nano // USD) for each in queries.member_standings(budget=budget, at=now)]
    assert members == [("person bob@acme.example", 30), ("person ada@acme.example", 80)]


def test_nobody_has_spent_yet_and_the_whole_limit_is_left(company: Company) -> None:
    budget = make(company, is_per_member=True)
    (standing,) = queries.standings(budgets=[budget], at=utc_now())
    assert (standing.member, standing.left_nano) == ("", 100 * USD)


def test_a_member_has_one_account_per_period_which_overlaps_no_other_of_theirs(company: Company) -> None:
    budget = make(company, is_per_member=True)
    ada, bob = person(company, "ada"), person(company, "bob")
    account = open_account(budget, user=ada)
    assert open_account(budget, user=ada, starts_at=account.starts_at, ends_at=account.ends_at) == account
    assert open_account(budget, user=bob, starts_at=account.starts_at, ends_at=account.ends_at) != account
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.create(
            budget=budget, user=ada, starts_at=account.starts_at + HOUR / 2, ends_at=account.ends_at, limit_nano=1
        )


def test_the_database_opens_no_shared_account_of_a_budget_with_members_and_no_members_of_a_shared_one(
    company: Company,
) -> None:
    apart, shared = make(company, is_per_member=True), make(company, name="all")
    for budget, user in ((apart, None), (shared, person(company, "ada"))):
        with pytest.raises(DatabaseError, match="open its account accordingly"), transaction.atomic():
            open_account(budget, user=user)


def test_one_person_or_key_has_no_members(company: Company) -> None:
    ada = person(company, "ada")
    with pytest.raises(BudgetRefused, match="no members"):
        make(company, is_per_member=True, user_id=ada.pk)
    budget = make(company, is_per_member=True)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE budgets_budget SET user_id = %s WHERE id = %s", [ada.pk, budget.pk])
