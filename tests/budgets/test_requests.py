"""Asking for more money: who may ask, who may decide, and that an approval is applied at once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from governance.audit.models import AuditEvent
from governance.budgets import operations, queries, requests
from governance.budgets.errors import BudgetRefused, RequestDecided, RequestNotFound, RequestOpen
from governance.budgets.models import Budget, Increase, IncreaseRequest
from governance.budgets.requests import NewRequest
from governance.core.clock import utc_now
from governance.core.errors import Forbidden
from governance.keys.operations import NewKey, issue
from governance.teams.models import User
from governance.teams.people import set_membership
from tests.budgets.world import HOUR, USD, limit_at, make, open_account, person
from tests.support.company import ACTOR, NOW, PEPPER, Company, found

pytestmark = pytest.mark.django_db


def ask(budget: Budget, who: User, *, amount: int = 50, hours: int | None = None) -> IncreaseRequest:
    now = utc_now()
    new = NewRequest(
        budget_id=budget.pk,
        amount_nano=amount * USD,
        until=now + hours * HOUR if hours is not None else None,
        reason="load test",
    )
    return requests.ask(actor=ACTOR, requester=who, new=new, at=now)


def approve(request: IncreaseRequest, who: User, *, amount: int | None = None) -> IncreaseRequest:
    nano = None if amount is None else amount * USD
    return requests.approve(actor=ACTOR, decider=who, request_id=request.pk, amount_nano=nano, at=utc_now())


def decline(request: IncreaseRequest, who: User, *, reason: str = "no") -> IncreaseRequest:
    return requests.decline(actor=ACTOR, decider=who, request_id=request.pk, reason=reason, at=utc_now())


def test_an_approved_request_for_good_raises_the_limit_at_once_with_both_in_the_trail(company: Company) -> None:
    budget, ada, admin = make(company), person(company, "ada"), person(company, "boss", part="admin")
    account = open_account(budget)
    request = approve(ask(budget, ada), admin, amount=30)
    account.refresh_from_db()
    assert limit_at(account, utc_now()) == 130 * USD
    assert (request.state, request.granted_nano, request.decided_by) == ("approved", 30 * USD, admin)
    actions = list(AuditEvent.objects.order_by("-id").values_list("action", flat=True)[:3])
    assert actions == ["increase_request.approved", "budget.limit_changed", "increase_request.made"]


def test_an_approved_request_until_an_instant_is_an_increase(company: Company) -> None:
    budget, owner, finance = make(company), person(company, "own", part="owner"), person(company, "fin", part="finance")
    account = open_account(budget)
    request = approve(ask(budget, owner, hours=3), finance)
    account.refresh_from_db()
    assert request.until is not None
    assert limit_at(account, utc_now()) == 150 * USD
    assert limit_at(account, request.until) == 100 * USD
    budget.refresh_from_db()
    assert budget.limit_nano == 100 * USD


def test_an_increase_in_a_budget_with_members_is_the_requesters_alone(company: Company) -> None:
    budget = make(company, is_per_member=True)
    ada, bob, admin = person(company, "ada"), person(company, "bob"), person(company, "boss", part="admin")
    approve(ask(budget, ada, hours=3), admin)
    assert limit_at(open_account(budget, user=ada), utc_now()) == 150 * USD
    assert limit_at(open_account(budget, user=bob), utc_now()) == 100 * USD


def test_nobody_decides_their_own_request_not_even_an_administrator(company: Company) -> None:
    budget, admin = make(company), person(company, "boss", part="admin")
    set_membership(actor=ACTOR, user_id=admin.pk, team_id=company.team.pk, part="developer")
    request = ask(budget, admin)
    for decide in (approve, decline):
        with pytest.raises(Forbidden):
            decide(request, admin)
    with pytest.raises(IntegrityError), transaction.atomic():
        IncreaseRequest.objects.filter(pk=request.pk).update(state="declined", decided_by=admin, decided_at=utc_now())
    budget.refresh_from_db()
    assert budget.limit_nano == 100 * USD


@pytest.mark.parametrize("part", ["owner", "developer", "auditor"])
def test_who_may_not_change_budgets_decides_nothing(company: Company, part: str) -> None:
    budget, ada, other = make(company), person(company, "ada"), person(company, "other", part=part)
    request = ask(budget, ada)
    for decide in (approve, decline):
        with pytest.raises(Forbidden):
            decide(request, other)


def test_an_administrator_of_another_organisation_decides_nothing(company: Company) -> None:
    request = ask(make(company), person(company, "ada"))
    with pytest.raises(Forbidden):
        approve(request, person(found("Other"), "boss", part="admin"))


def test_only_who_spends_from_a_budget_asks_for_more_in_it(company: Company) -> None:
    ada, owner, admin = person(company, "ada"), person(company, "own", part="owner"), person(company, "b", part="admin")
    parent = make(company, name="whole", team_id=None)
    sibling = make(company, name="sibling", team_id=company.add_team("sibling").pk)
    for budget in (parent, sibling):
        for who in (ada, owner, admin):
            with pytest.raises(Forbidden):
                ask(budget, who)
    own = make(company, name="own", team_id=None, user_id=ada.pk)
    assert ask(own, ada).state == "open"
    with pytest.raises(Forbidden):
        ask(own, owner)


def test_a_keys_budget_is_asked_for_by_whose_key_it_is_and_by_the_teams_owner(company: Company) -> None:
    ada, bob, owner = person(company, "ada"), person(company, "bob"), person(company, "own", part="owner")
    key = issue(
        actor=ACTOR, at=NOW, pepper=PEPPER, new=NewKey(team_id=company.team.pk, name="hers", user_id=ada.pk)
    ).key
    budget = make(company, team_id=None, key_id=key.pk)
    with pytest.raises(Forbidden):
        ask(budget, bob)
    assert {ask(budget, who).state for who in (ada, owner)} == {"open"}


def test_a_request_is_decided_once(company: Company) -> None:
    budget, ada, admin = make(company), person(company, "ada"), person(company, "boss", part="admin")
    request = ask(budget, ada)
    with pytest.raises(BudgetRefused, match="reason"):
        decline(request, admin, reason=" ")
    decline(request, admin)
    for again in (approve, decline):
        with pytest.raises(RequestDecided):
            again(request, admin)
    with pytest.raises(RequestDecided):
        requests.withdraw(actor=ACTOR, requester=ada, request_id=request.pk, at=utc_now())
    with pytest.raises(RequestNotFound):
        requests.withdraw(actor=ACTOR, requester=ada, request_id=0, at=utc_now())
    budget.refresh_from_db()
    assert budget.limit_nano == 100 * USD


def test_a_person_has_one_open_request_per_budget_and_can_take_it_back(company: Company) -> None:
    budget, ada, bob = make(company), person(company, "ada"), person(company, "bob")
    request = ask(budget, ada)
    with pytest.raises(RequestOpen):
        ask(budget, ada)
    with pytest.raises(Forbidden):
        requests.withdraw(actor=ACTOR, requester=bob, request_id=request.pk, at=utc_now())
    requests.withdraw(actor=ACTOR, requester=ada, request_id=request.pk, at=utc_now())
    assert ask(budget, ada).pk != request.pk
    assert queries.increase_requests(organisation_id=company.organisation.pk).count() == 2


def test_what_cannot_be_given_is_refused_and_leaves_the_request_open(company: Company) -> None:
    budget, ada, admin = make(company), person(company, "ada"), person(company, "boss", part="admin")
    with pytest.raises(BudgetRefused, match="above zero"):
        ask(budget, ada, amount=0)
    with pytest.raises(BudgetRefused, match="past"):
        ask(budget, ada, hours=-1)
    request = ask(budget, ada, hours=1)
    for amount in (0, 10**11):
        with pytest.raises(BudgetRefused):
            approve(request, admin, amount=amount)
    with pytest.raises(BudgetRefused, match="over already"):
        requests.approve(actor=ACTOR, decider=admin, request_id=request.pk, at=utc_now() + timedelta(hours=2))
    operations.retire(actor=ACTOR, budget_id=budget.pk)
    request.refresh_from_db()
    assert (request.state, Increase.objects.count()) == ("open", 0)
