"""Sums by day are the records' sums at every instant, whatever is booked while they are made."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction

from governance.core.clock import utc_now
from governance.core.windows import Window, WindowKind
from governance.ledger import tasks
from governance.ledger.operations import mend_day_sums, roll_day_sums
from governance.ledger.reach import Reach
from governance.ledger.spending import Spending, spending
from tests.console.demo import Call, Company, book, found_company
from tests.support.broken_books import damage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def company() -> Iterator[Company]:
    yield found_company()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_daysum")
        cursor.execute("DELETE FROM ledger_daysumprogress")
        cursor.execute("INSERT INTO ledger_daysumprogress DEFAULT VALUES")


def call(company: Company, key: str = "search-ada", status: int = 200) -> None:
    """Book a call that is settled just now."""
    at = utc_now() - timedelta(seconds=2)
    book(company, Call(key=key, model="falcon-mini", at=at, read=1000, written=10, status=status))


def this_month(company: Company, *, user: str = "") -> Spending:
    zone = company.organisation.zone
    month = Window(kind=WindowKind.MONTH, zone=zone).period_at(utc_now())
    own = company.people[user].pk if user else None
    reach = Reach(
        organisation_id=company.organisation.pk,
        zone=zone,
        is_whole=not user,
        own_team_ids=frozenset([company.teams["search"].pk]),
        user_id=own,
    )
    return spending(reach=reach, since=month.starts_at, until=month.ends_at)


def roll_until(requests: int) -> None:
    """Take steps until so many requests are summed: transactions of other tests' databases hold a step up, too."""
    ends_at = time.monotonic() + 60
    while sums() != requests and time.monotonic() < ends_at:
        roll_day_sums()
    assert sums() == requests


def sums() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(requests), 0) FROM ledger_daysum")
        return int(cursor.fetchone()[0])


def test_pages_read_the_same_before_while_and_after_days_are_summed_up(company: Company) -> None:
    for key, status in (("search-ada", 200), ("search-production", 429), ("lab", 200)):
        call(company, key, status)
    before = this_month(company), this_month(company, user="developer")
    assert (before[0].total.requests, before[0].total.failed, before[1].total.requests) == (3, 1, 1)
    assert set(before[0].by_connection) == {company.connection.pk if company.connection else 0}
    for summed in (0, 3):
        roll_until(summed)
        assert (this_month(company), this_month(company, user="developer")) == before
    call(company)
    assert this_month(company).total.requests == 4
    tasks.sum_up_days()
    roll_until(4)
    assert this_month(company).total.requests == 4


def test_a_record_that_is_not_committed_yet_is_not_left_behind(company: Company) -> None:
    is_booked, may_commit = threading.Event(), threading.Event()

    def book_slowly() -> None:
        with transaction.atomic():
            call(company)
            is_booked.set()
            may_commit.wait(30)
        connection.close()

    booking = threading.Thread(target=book_slowly)
    booking.start()
    assert is_booked.wait(30)
    for _ in range(3):
        roll_day_sums()
    assert (sums(), this_month(company).total.requests) == (0, 0)
    may_commit.set()
    booking.join()
    roll_until(1)
    assert this_month(company).total.requests == 1


def test_what_a_clock_that_was_set_back_let_go_by_is_found_and_mended(company: Company) -> None:
    call(company)
    roll_until(1)
    book(company, Call(key="lab", model="falcon-mini", at=utc_now() - timedelta(hours=1), read=1000, written=10))
    damage("UPDATE ledger_daysum SET requests = requests + 5 WHERE team_id = %s", company.teams["search"].pk)
    assert this_month(company).total.requests == 6
    since = (utc_now() - timedelta(days=2)).date()
    assert mend_day_sums(since=since) == 2
    assert mend_day_sums(since=since) == 0
    assert this_month(company).total.requests == 2
