"""Suspense is resolved by a named person with a reason, once, and the trail says so."""

from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.budgets.hot import BudgetPolicy
from governance.core.errors import BadRequest
from governance.ledger.reach import Reach
from governance.metering.attempt import Ending, Hold, Outcome
from governance.metering.errors import NoSuchSuspense
from governance.metering.operations import release_suspense, settle_suspense
from governance.metering.queries import Suspense, suspense, suspense_total
from tests.metering.conftest import MakeBooks, World

pytestmark = pytest.mark.django_db(transaction=True)
ADA = Actor(name="ada@example.org")

Answer = TypeVar("Answer")


async def in_django(work: Callable[..., Answer], **arguments: object) -> Answer:
    """Call a synchronous operation, and leave no connection open in its thread."""

    def call() -> Answer:
        try:
            return work(**arguments)
        finally:
            connections.close_all()

    return await sync_to_async(call)()


async def audited() -> list[AuditEvent]:
    return await in_django(lambda: list(AuditEvent.objects.all()))


async def _suspended(world: World, make_books: MakeBooks) -> tuple[BudgetPolicy, Hold]:
    books = await make_books()
    budget = world.add_budget(1_000)
    hold = await books.reserve(world.claim(budget, want=600))
    books.book(hold, Outcome(ending=Ending.SUSPENSE, reason="provider_timed_out"))
    await books.close()
    return budget, hold


async def test_suspense_is_listed_with_its_reason(world: World, make_books: MakeBooks) -> None:
    _, hold = await _suspended(world, make_books)
    organisation_id = world.attribution.organisation_id
    (attempt,) = await in_django(lambda: list(suspense(organisation_id=organisation_id)))
    held = await in_django(suspense_total, reach=Reach(organisation_id=organisation_id, zone="UTC", is_whole=True))
    assert (attempt.id, attempt.suspense_reason) == (hold.attempt_id, "provider_timed_out")
    assert held == Suspense(attempts=1, held_nano=600)


async def test_released_suspense_gives_the_money_back_and_leaves_a_record(world: World, make_books: MakeBooks) -> None:
    budget, hold = await _suspended(world, make_books)
    await in_django(release_suspense, attempt_id=hold.attempt_id, actor=ADA, reason="vendor shows no call")
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (0, 0)
    assert world.rows("SELECT outcome, charge_nano FROM ledger_usagerecord") == [
        {"outcome": "suspense_released", "charge_nano": 0}
    ]
    (event,) = await audited()
    assert (event.actor, event.reason) == ("ada@example.org", "vendor shows no call")


@pytest.mark.parametrize(("cost_nano", "charged"), [(None, 600), (250, 250)])
async def test_settled_suspense_is_charged_and_marked_estimated(
    world: World, make_books: MakeBooks, cost_nano: int | None, charged: int
) -> None:
    budget, hold = await _suspended(world, make_books)
    await in_django(
        settle_suspense, attempt_id=hold.attempt_id, cost_nano=cost_nano, actor=ADA, reason="on the invoice"
    )
    account = world.account(budget)
    assert (account["settled_nano"], account["held_nano"]) == (charged, 0)
    (record,) = world.rows("SELECT charge_nano, is_estimated, cost_nano, costs_nano FROM ledger_usagerecord")
    assert record["charge_nano"] == charged
    assert record["is_estimated"]
    assert sum(record["costs_nano"]) == record["cost_nano"]


async def test_suspense_is_resolved_once(world: World, make_books: MakeBooks) -> None:
    _, hold = await _suspended(world, make_books)
    await in_django(release_suspense, attempt_id=hold.attempt_id, actor=ADA, reason="first")
    with pytest.raises(NoSuchSuspense):
        await in_django(settle_suspense, attempt_id=hold.attempt_id, cost_nano=5, actor=ADA, reason="second")
    assert len(await audited()) == 1


async def test_what_is_not_in_suspense_cannot_be_resolved(world: World, make_books: MakeBooks) -> None:
    books = await make_books()
    hold = await books.reserve(world.claim(world.add_budget(1_000), want=600))
    for attempt_id in (hold.attempt_id, uuid4()):
        with pytest.raises(NoSuchSuspense):
            await in_django(release_suspense, attempt_id=attempt_id, actor=ADA, reason="wishful thinking")
    assert await audited() == []


async def test_a_reason_is_needed_and_a_cost_is_not_negative(world: World, make_books: MakeBooks) -> None:
    _, hold = await _suspended(world, make_books)
    with pytest.raises(BadRequest, match="reason"):
        await in_django(release_suspense, attempt_id=hold.attempt_id, actor=ADA, reason=" ")
    with pytest.raises(BadRequest, match="negative"):
        await in_django(settle_suspense, attempt_id=hold.attempt_id, cost_nano=-1, actor=ADA, reason="x")
