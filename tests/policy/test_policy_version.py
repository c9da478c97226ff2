"""What the gateway hears of changes: a version that grows and a notice, in the transaction of the change."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from governance.budgets.models import Account, Budget
from governance.core.database_url import DatabaseRole
from governance.core.windows import BEGINNING, END, WindowKind
from governance.keys import operations as keys
from governance.keys.models import KeyUse
from governance.policy import limits
from governance.policy.limits import NewRateLimit
from governance.policy.operations import Level, allow
from governance.policy.rate_limit import Counts, LimitWindow
from governance.teams.operations import require_tags
from governance.teams.people import create_person
from tests.support.company import ACTOR, NOW, PASSWORD, PEPPER, Company, found

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def company() -> Company:
    return found()


@pytest.fixture
def heard(company: Company, database_urls: dict[DatabaseRole, str]) -> Iterator[Callable[[], list[str]]]:
    with psycopg.connect(database_urls["gateway"], autocommit=True) as listener:
        listener.execute("LISTEN bursar_policy")

        # A marker of our own ends each look, so that nothing has to be waited for.
        def look() -> list[str]:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('bursar_policy', 'end')")
            payloads = []
            for notice in listener.notifies():
                if notice.payload == "end":
                    break
                payloads.append(notice.payload)
            return payloads

        yield look


def version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM policy_version")
        return int(cursor.fetchone()[0])


def test_a_rate_limit_that_is_made_changed_or_retired_is_heard_as_a_change_of_policy(
    company: Company, heard: Callable[[], list[str]]
) -> None:
    new = NewRateLimit(
        organisation_id=company.organisation.pk,
        name="All",
        counts=Counts.REQUESTS,
        amount=5,
        window=LimitWindow.MINUTE,
    )
    limit = limits.create(actor=ACTOR, new=new)
    limits.change_amount(actor=ACTOR, limit_id=limit.pk, amount=6)
    limits.retire(actor=ACTOR, limit_id=limit.pk)
    assert heard() == ["policy"] * 3


def test_a_change_of_a_team_or_a_list_is_heard_as_a_change_of_policy(
    company: Company, heard: Callable[[], list[str]]
) -> None:
    before = version()
    require_tags(actor=ACTOR, team_id=company.team.pk, tags=["feature"])
    assert heard() == ["policy"]
    allow(actor=ACTOR, level=Level(organisation_id=company.organisation.pk), pattern="tiny")
    assert heard() == ["policy"]
    assert version() > before


def test_a_change_of_a_key_is_heard_with_its_id(company: Company, heard: Callable[[], list[str]]) -> None:
    key = company.issue_key().key
    assert set(heard()) == {f"key:{key.pk}"}
    before = version()
    keys.rotate(actor=ACTOR, at=NOW, key_id=key.pk, pepper=PEPPER, grace=timedelta(0))
    assert set(heard()) == {f"key:{key.pk}"}
    keys.revoke(actor=ACTOR, at=NOW, key_id=key.pk)
    assert heard() == [f"key:{key.pk}"]
    assert version() > before


def test_what_is_rolled_back_is_not_heard(company: Company, heard: Callable[[], list[str]]) -> None:
    before = version()

    class Abandoned(Exception):
        pass

    with pytest.raises(Abandoned), transaction.atomic():
        company.issue_key()
        raise Abandoned
    assert heard() == []
    assert version() == before


def test_use_money_and_log_ins_are_no_change_of_policy(company: Company, heard: Callable[[], list[str]]) -> None:
    key = company.issue_key().key
    budget = Budget.objects.create(organisation=company.organisation, name="all", limit_nano=1, window=WindowKind.TOTAL)
    assert "policy" in heard()
    before = version()
    KeyUse.objects.create(key=key, last_used_at=NOW)
    Account.objects.create(budget=budget, starts_at=BEGINNING, ends_at=END, limit_nano=1)
    Account.objects.update(settled_nano=1)
    person: Any = create_person(actor=ACTOR, email="dan@acme.example", password=PASSWORD)
    person.last_login = NOW
    person.save()
    assert heard() == []
    assert version() == before
