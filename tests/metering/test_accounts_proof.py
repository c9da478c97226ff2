"""Budget accounts proved from records and attempts in flight."""

import pytest

from governance.budgets.models import Account
from governance.metering.proof import prove_accounts
from tests.support.broken_books import damage
from tests.support.finance_world import Call, FinanceWorld, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> FinanceWorld:
    return make_world()


@pytest.fixture
def accounts(world: FinanceWorld) -> tuple[Account, Account]:
    """A team's account that three calls went through, and the organisation's, which saw one of them."""
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    model = world.model("gpt-5")
    team, organisation = world.account("team", 10**12), world.account("organisation", 10**12)
    lines = {"input": (1000, "1250.25")}
    world.book(Call(key, model, lines, accounts=[team]), Call(key, model, lines, accounts=[team, organisation]))
    world.suspend(Call(key, model, lines, accounts=[team], held_nano=700))
    return team, organisation


def _failures() -> list[tuple[str, str, str, str]]:
    return [(item.check, item.subject, item.expected, item.found) for item in prove_accounts().failures]


def test_accounts_that_the_gateway_moved_follow_from_records_and_attempts(accounts: tuple[Account, Account]) -> None:
    team, organisation = accounts
    assert _failures() == []
    team.refresh_from_db()
    organisation.refresh_from_db()
    assert (team.settled_nano, team.held_nano) == (2502, 700)
    assert (organisation.settled_nano, organisation.held_nano) == (1251, 0)


def test_a_settled_amount_that_no_record_explains_is_named(accounts: tuple[Account, Account]) -> None:
    damage("UPDATE budgets_account SET settled_nano = settled_nano - 1 WHERE id = %s", accounts[0].pk)
    assert _failures() == [
        ("settled_differs_from_records", f"budget account {accounts[0].pk}", "2502", "2501"),
    ]


def test_a_hold_that_leaked_is_named(accounts: tuple[Account, Account]) -> None:
    damage("UPDATE budgets_account SET held_nano = held_nano + 5 WHERE id = %s", accounts[1].pk)
    assert _failures() == [("held_differs_from_leases_and_suspense", f"budget account {accounts[1].pk}", "0", "5")]


def test_an_account_that_is_gone_is_missed(accounts: tuple[Account, Account]) -> None:
    damage("DELETE FROM budgets_account WHERE id = %s", accounts[1].pk)
    assert _failures() == [("settled_differs_from_records", f"budget account {accounts[1].pk}", "1251", "0")]


def test_an_attempt_that_was_booked_and_is_still_held_is_named(
    world: FinanceWorld, accounts: tuple[Account, Account]
) -> None:
    damage("UPDATE metering_attempt SET id = (SELECT min(attempt_id::text)::uuid FROM ledger_usagerecord)")
    assert [(check, found) for check, _, _, found in _failures()] == [("attempt_is_booked_and_still_held", "700")]
