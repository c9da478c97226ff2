"""Budgets made, changed, increased and retired in any order: their accounts' limits are what was said, nothing else."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from governance.audit.models import AuditEvent
from governance.audit.queries import first_broken_event
from governance.budgets import increases, operations
from governance.budgets.errors import BudgetNameTaken, BudgetRefused, BudgetRetired
from governance.budgets.increases import NewIncrease
from governance.budgets.models import Account, Budget
from governance.core.clock import utc_now
from governance.core.money import MAX_NANO
from tests.budgets.world import HOUR, limit_at, make, open_account
from tests.support.company import ACTOR, found

USD = 10**9
LIMITS = st.integers(0, 10**6) | st.just(MAX_NANO)
NAMES = st.sampled_from(["a", "b", "c"])


class Budgets(RuleBasedStateMachine):
    """`limits` and `more` are what was said of each budget that lives, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.company = found(f"Company {Budget.objects.count()}")
        self.limits: dict[str, int] = {}
        self.more: dict[str, dict[int, int]] = {}
        self.retired: list[int] = []
        self.said = AuditEvent.objects.count()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def budget(self, name: str) -> Budget:
        return Budget.objects.get(organisation=self.company.organisation, name=name, retired_at=None)

    @rule(name=NAMES, limit=st.integers(0, 5))
    def create(self, name: str, limit: int) -> None:
        if name in self.limits:
            with pytest.raises(BudgetNameTaken):
                make(self.company, name=name, limit=limit)
            return
        open_account(make(self.company, name=name, limit=limit))
        self.limits[name], self.more[name] = limit * USD, {}
        self.said += 1

    @precondition(lambda self: self.limits)
    @rule(data=st.data(), limit=LIMITS)
    def change_limit(self, data: st.DataObject, limit: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.limits)))
        operations.change_limit(actor=ACTOR, budget_id=self.budget(name).pk, limit_nano=limit)
        self.said += limit != self.limits[name]
        self.limits[name] = limit

    @precondition(lambda self: self.limits)
    @rule(data=st.data(), limit=st.sampled_from([-1, MAX_NANO + 1, -MAX_NANO]))
    def change_to_what_is_no_limit(self, data: st.DataObject, limit: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.limits)))
        with pytest.raises(BudgetRefused):
            operations.change_limit(actor=ACTOR, budget_id=self.budget(name).pk, limit_nano=limit)

    @precondition(lambda self: self.limits)
    @rule(data=st.data(), amount=st.integers(1, 10**6) | st.just(MAX_NANO))
    def increase(self, data: st.DataObject, amount: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.limits)))
        at = utc_now()
        new = NewIncrease(
            budget_id=self.budget(name).pk, amount_nano=amount, starts_at=at - HOUR, ends_at=at + HOUR, reason="more"
        )
        given = increases.give(actor=ACTOR, new=new, at=at)
        self.more[name][given.pk] = amount
        self.said += 1

    @precondition(lambda self: any(self.more.values()))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, given in self.more.items() if given)))
        increase = data.draw(st.sampled_from(sorted(self.more[name])))
        for _ in range(2):
            increases.withdraw(actor=ACTOR, increase_id=increase)
        del self.more[name][increase]
        self.said += 1

    @precondition(lambda self: self.limits)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.limits)))
        budget = self.budget(name)
        for _ in range(2):
            operations.retire(actor=ACTOR, budget_id=budget.pk)
        del self.limits[name], self.more[name]
        self.retired.append(budget.pk)
        self.said += 1

    @precondition(lambda self: self.retired)
    @rule(data=st.data())
    def change_what_is_retired(self, data: st.DataObject) -> None:
        with pytest.raises(BudgetRetired):
            operations.change_limit(actor=ACTOR, budget_id=data.draw(st.sampled_from(self.retired)), limit_nano=1)

    @rule(name=NAMES, nano=st.integers(0, 100))
    def spend(self, name: str, nano: int) -> None:
        """Facts, which no operation here may touch."""
        Account.objects.filter(budget__name=name, budget__retired_at=None).update(settled_nano=nano, held_nano=nano)

    @invariant()
    def limits_are_what_was_said(self) -> None:
        for name, limit in self.limits.items():
            (account,) = Account.objects.filter(budget=self.budget(name))
            assert (account.limit_nano, account.settled_nano) == (limit, account.held_nano)
            assert limit_at(account, utc_now()) == min(MAX_NANO, limit + sum(self.more[name].values()))

    @invariant()
    def each_change_is_in_the_trail_once(self) -> None:
        assert AuditEvent.objects.count() == self.said
        assert first_broken_event() is None


@pytest.mark.django_db
def test_no_sequence_of_operations_makes_a_limit_that_nobody_said() -> None:
    run_state_machine_as_test(
        Budgets,
        settings=settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
