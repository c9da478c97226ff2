"""Thresholds that were passed, recorded once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection

from governance.alerts.models import Crossing, Delivery, Recipient
from governance.alerts.operations import notice_crossings
from governance.alerts.queries import crossings_of
from governance.budgets.models import Account, Threshold
from governance.budgets.thresholds import Measure
from tests.support.broken_books import damage
from tests.support.finance_world import FinanceWorld, make_world

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture
def world() -> FinanceWorld:
    return make_world()


def _account(world: FinanceWorld, *, limit_nano: int, settled_nano: int, percents: tuple[int, ...]) -> Account:
    account = world.account(
        "monthly", limit_nano, starts_at=datetime(2026, 11, 1, tzinfo=UTC), ends_at=datetime(2026, 12, 1, tzinfo=UTC)
    )
    for percent in percents:
        Threshold.objects.create(budget=account.budget, percent=percent)
    damage("UPDATE budgets_account SET settled_nano = %s WHERE id = %s", settled_nano, account.pk)
    return account


def _percents() -> list[int]:
    return sorted(crossing.threshold.percent for crossing in Crossing.objects.select_related("threshold"))


@pytest.mark.parametrize(
    ("settled_nano", "crossed"),
    [(0, []), (49, []), (50, [50]), (79, [50]), (80, [50, 80]), (100, [50, 80, 100]), (250, [50, 80, 100])],
)
def test_a_threshold_is_crossed_from_exactly_its_share_on(
    world: FinanceWorld, settled_nano: int, crossed: list[int]
) -> None:
    _account(world, limit_nano=100, settled_nano=settled_nano, percents=(50, 80, 100))
    assert notice_crossings(at=NOW) == len(crossed)
    assert _percents() == crossed


def test_amounts_beyond_floating_point_are_compared_exactly(world: FinanceWorld) -> None:
    limit = 9 * 10**18
    _account(world, limit_nano=limit, settled_nano=limit - 1, percents=(100,))
    assert notice_crossings(at=NOW) == 0


@pytest.mark.parametrize(
    ("settled_nano", "held_nano", "crossed"),
    [(60, 19, []), (60, 20, [80]), (0, 80, [80]), (80, 0, [80, 80]), (80, 20, [80, 80]), (0, 0, [])],
)
def test_a_committed_threshold_counts_what_is_held_and_a_settled_one_beside_it_does_not(
    world: FinanceWorld, settled_nano: int, held_nano: int, crossed: list[int]
) -> None:
    account = _account(world, limit_nano=100, settled_nano=settled_nano, percents=(80,))
    Threshold.objects.create(budget=account.budget, percent=80, measure=Measure.COMMITTED)
    damage("UPDATE budgets_account SET held_nano = %s WHERE id = %s", held_nano, account.pk)
    assert notice_crossings(at=NOW) == len(crossed)
    assert _percents() == crossed
    assert all(crossing.held_nano == held_nano for crossing in Crossing.objects.all())


def test_a_committed_threshold_is_told_once_though_what_is_held_comes_and_goes(world: FinanceWorld) -> None:
    account = _account(world, limit_nano=100, settled_nano=0, percents=())
    Threshold.objects.create(budget=account.budget, percent=80, measure=Measure.COMMITTED)
    for held_nano, new in ((90, 1), (0, 0), (95, 0)):
        damage("UPDATE budgets_account SET held_nano = %s WHERE id = %s", held_nano, account.pk)
        assert notice_crossings(at=NOW) == new


def test_the_database_knows_two_measures_and_no_other(world: FinanceWorld) -> None:
    account = _account(world, limit_nano=100, settled_nano=0, percents=())
    with pytest.raises(IntegrityError, match="a_threshold_measures_settled_or_committed_money"):
        Threshold.objects.create(budget=account.budget, percent=80, measure="hoped")


def test_a_crossing_is_recorded_once_per_period(world: FinanceWorld) -> None:
    account = _account(world, limit_nano=100, settled_nano=60, percents=(50,))
    assert [notice_crossings(at=NOW), notice_crossings(at=NOW)] == [1, 0]
    following = Account.objects.create(
        budget=account.budget, starts_at=account.ends_at, ends_at=datetime(2027, 1, 1, tzinfo=UTC), limit_nano=100
    )
    damage("UPDATE budgets_account SET settled_nano = 70 WHERE id = %s", following.pk)
    assert notice_crossings(at=datetime(2026, 12, 5, tzinfo=UTC)) == 1


def test_money_settled_just_after_a_period_still_counts_and_old_periods_do_not(world: FinanceWorld) -> None:
    account = _account(world, limit_nano=100, settled_nano=60, percents=(50,))
    assert notice_crossings(at=account.ends_at + timedelta(days=2)) == 0
    assert notice_crossings(at=account.ends_at + timedelta(minutes=1)) == 1


def test_a_limit_of_nothing_is_crossed_by_the_first_spending_only(world: FinanceWorld) -> None:
    account = _account(world, limit_nano=0, settled_nano=0, percents=(100,))
    assert notice_crossings(at=NOW) == 0
    damage("UPDATE budgets_account SET settled_nano = 1 WHERE id = %s", account.pk)
    assert notice_crossings(at=NOW) == 1


def test_every_recipient_of_the_organisation_gets_a_delivery_and_no_other(world: FinanceWorld) -> None:
    elsewhere = make_world().organisation
    for organisation, destination in [(world.organisation, "a"), (world.organisation, "b"), (elsewhere, "c")]:
        Recipient.objects.create(organisation=organisation, notifier="webhook", destination=destination)
    _account(world, limit_nano=100, settled_nano=60, percents=(50,))
    notice_crossings(at=NOW)
    assert sorted(Delivery.objects.values_list("recipient__destination", flat=True)) == ["a", "b"]


def test_a_crossing_without_recipients_is_still_visible(world: FinanceWorld) -> None:
    _account(world, limit_nano=100, settled_nano=60, percents=(50,))
    notice_crossings(at=NOW)
    (crossing,) = crossings_of(organisation=world.organisation)
    assert (crossing.threshold.percent, crossing.settled_nano, crossing.limit_nano) == (50, 60, 100)


@pytest.mark.django_db(transaction=True)
def test_several_watchers_at_once_record_each_crossing_once() -> None:
    world = make_world()
    Recipient.objects.create(organisation=world.organisation, notifier="webhook", destination="a")
    account = world.account("monthly", 100)
    for percent in (10, 20, 30):
        Threshold.objects.create(budget=account.budget, percent=percent)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE budgets_account SET settled_nano = 60 WHERE id = %s", [account.pk])

    def watch(_: int) -> int:
        try:
            return notice_crossings(at=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(watch, range(8))) == 3
    assert (Crossing.objects.count(), Delivery.objects.count()) == (3, 3)
