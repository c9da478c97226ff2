"""Two people who choose the same name at the same moment: the second one reads a sentence."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.budgets import operations as budgets
from governance.catalog import groups
from governance.catalog import operations as catalog
from governance.core.database_url import DatabaseRole
from governance.core.errors import Conflict
from governance.core.windows import WindowKind
from governance.policy import limits
from governance.policy.rate_limit import Counts
from governance.teams import operations as teams
from governance.teams import people
from governance.teams.taken import refusing_taken
from tests.support.finance_world import FinanceWorld, make_world

pytestmark = pytest.mark.django_db(transaction=True)

ADA = Actor(name="ada@example.org")
Make = Callable[[FinanceWorld], Any]

_MAKERS: dict[str, Make] = {
    "organisation": lambda _: teams.create_organisation(actor=ADA, name="Same"),
    "unit": lambda world: teams.create_unit(actor=ADA, organisation_id=world.organisation.pk, name="Same"),
    "cost centre": lambda world: teams.create_cost_centre(
        actor=ADA, organisation_id=world.organisation.pk, code="Same"
    ),
    "team": lambda world: teams.create_team(
        actor=ADA,
        new=teams.NewTeam(
            organisation_id=world.organisation.pk,
            unit_id=world.unit.pk,
            cost_centre_id=world.organisation.cost_centres.get().pk,
            name="Same",
        ),
    ),
    "person": lambda _: people.create_person(actor=ADA, email="same@example.org", password="correct horse battery"),
    "budget": lambda world: budgets.create(
        actor=ADA,
        new=budgets.NewBudget(
            organisation_id=world.organisation.pk, name="Same", limit_nano=1, window=WindowKind.MONTH
        ),
    ),
    "rate limit": lambda world: limits.create(
        actor=ADA,
        new=limits.NewRateLimit(organisation_id=world.organisation.pk, name="Same", counts=Counts.CONCURRENT, amount=1),
    ),
    "access group": lambda world: groups.create_group(
        actor=ADA, organisation_id=world.organisation.pk, name="Same", patterns=["gpt-*"]
    ),
    "model": lambda _: catalog.add_model(actor=ADA, new=catalog.NewModel(provider="openai", name="same")),
}


@pytest.fixture
def world() -> FinanceWorld:
    world = make_world()
    world.cost_centre("CC-1")
    return world


@pytest.mark.parametrize("what", _MAKERS)
def test_the_second_of_two_at_once_is_told_that_the_name_is_taken(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str], what: str
) -> None:
    def second() -> object:
        try:
            return _MAKERS[what](world)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            _MAKERS[what](world)
            outcome = threads.submit(second)
            _wait_until_somebody_waits(database_urls["owner"])
        with pytest.raises(Conflict, match="already"):
            outcome.result()
    assert AuditEvent.objects.count() == 1


def test_another_broken_rule_is_not_taken_for_a_name(world: FinanceWorld) -> None:
    with pytest.raises(IntegrityError), refusing_taken(Conflict("taken")), connection.cursor() as cursor:
        cursor.execute("INSERT INTO ledger_accountingperiod (organisation_id, month) VALUES (%s, '2026-11-02')",
                       [world.organisation.pk])  # fmt: skip


def _wait_until_somebody_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        while (
            session.execute("SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'").fetchone() is None
        ):
            time.sleep(0.01)
