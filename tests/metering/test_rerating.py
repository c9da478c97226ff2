"""Rating again: what it shows, what it books, what it leaves alone."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Thread
from uuid import UUID

import pytest
from django.db import Error, connection

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.budgets.models import Account
from governance.catalog.models import LanguageModel, Price
from governance.core.errors import BadRequest
from governance.keys.models import VirtualKey
from governance.ledger.models import Entry, Posting, UsageRecord
from governance.ledger.proof import prove_ledger
from governance.ledger.rated import Span
from governance.metering.proof import prove_accounts
from governance.metering.rerating import Rerating, apply_rerating, preview_rerating
from governance.plugin.usage import Usage
from tests.support.finance_world import NOVEMBER, Call, FinanceWorld, make_world
from tests.support.priced_calls import priced_call, set_prices

pytestmark = pytest.mark.django_db

ADA = Actor(name="ada@example.org")
USAGE = Usage(input_tokens=1000, output_tokens=10, cache_write_input_tokens=200)


@dataclass
class Scene:
    """Two teams that called two models, each call paid by two budgets."""

    world: FinanceWorld
    search: VirtualKey
    support: VirtualKey
    large: LanguageModel
    small: LanguageModel
    accounts: tuple[Account, Account]

    def span(self, **narrower: object) -> Span:
        since, until = datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        return Span(**{"organisation_id": self.world.organisation.pk, "since": since, "until": until, **narrower})

    def preview(self, **narrower: object) -> Rerating:
        return preview_rerating(span=self.span(**narrower))

    def apply(self, **narrower: object) -> Rerating:
        return apply_rerating(span=self.span(**narrower), actor=ADA, reason="the list was wrong")

    def settled(self) -> list[int]:
        return [Account.objects.get(pk=account.pk).settled_nano for account in self.accounts]

    def book(self, *calls: Call) -> list[UUID]:
        return self.world.book(*(replace(call, accounts=self.accounts) for call in calls))


@pytest.fixture
def scene() -> Scene:
    world = make_world()
    scene = Scene(
        world=world,
        search=world.key(world.team("Search", world.cost_centre("CC-1"))),
        support=world.key(world.team("Support", world.cost_centre("CC-2"))),
        large=world.model("large"),
        small=world.model("small"),
        accounts=(world.account("team", 10**12), world.account("organisation", 10**12)),
    )
    for model in (scene.large, scene.small):
        set_prices(model, {"input": "1.25", "output": "10.1", "cache_write": "1.5"})
    return scene


def _balances() -> dict[tuple[str, int | None, int | None], int]:
    """The sum of every ledger account, as far as it is not zero."""
    found: Counter[tuple[str, int | None, int | None]] = Counter()
    for posting in Posting.objects.select_related("account"):
        account = posting.account
        found[account.kind, account.cost_centre_id, account.connection_id] += posting.amount_nano
    return {name: amount for name, amount in found.items() if amount}


def _books() -> tuple[int, int, int, int]:
    return (
        UsageRecord.objects.count(),
        Entry.objects.count(),
        Posting.objects.count(),
        AuditEvent.objects.count(),
    )


def _is_proved() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return prove_ledger().failures == () and prove_accounts().failures == ()


def test_a_preview_names_the_differences_by_team_and_model_and_changes_nothing(scene: Scene) -> None:
    scene.book(priced_call(scene.search, scene.large, USAGE), priced_call(scene.search, scene.large, USAGE))
    scene.book(priced_call(scene.support, scene.large, USAGE), priced_call(scene.support, scene.small, USAGE))
    before = (_books(), scene.settled())
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"})

    rerating = scene.preview()

    # 800 x 1.25 + 200 x 1.5 + 10 x 10.1 = 1401; with input at 1: 1201.
    found = [(each.team, each.model, each.attempts, each.before_nano, each.after_nano) for each in rerating.differences]
    assert found == [("Search", "openai/large", 2, 2802, 2402), ("Support", "openai/large", 1, 1401, 1201)]
    assert (rerating.examined, rerating.changed, rerating.unpriced, rerating.decided) == (4, 3, 0, 0)
    assert (_books(), scene.settled()) == before


def test_applied_the_differences_are_revisions_corrections_and_settled_money(scene: Scene) -> None:
    (attempt, _) = scene.book(*[priced_call(scene.search, scene.large, USAGE)] * 2)
    set_prices(scene.large, {"input": "1.0005", "output": "10.1", "cache_write": "1.5"})

    rerating = scene.apply()

    # 1201.4 each: charged 1202, and 2402.8 of both are owed.
    assert (rerating.before_nano, rerating.after_nano, scene.settled()) == (2802, 2404, [2404, 2404])
    first, second = UsageRecord.objects.filter(attempt_id=attempt).order_by("revision")
    assert (second.revision, second.charge_nano, second.cost_nano) == (2, -199, Decimal("-199.6"))
    assert (second.classes, second.quantities, second.costs_nano) == (["input"], [0], [Decimal("-199.6")])
    assert (second.input_tokens, second.output_tokens, second.reserved_nano) == (0, 0, 0)
    assert (second.account_ids, second.cost_centre_id) == (first.account_ids, first.cost_centre_id)
    entry = Entry.objects.get(pk=second.entry_id)
    assert (entry.kind, entry.corrects_id, entry.reason) == ("rerate", first.entry_id, "the list was wrong")
    assert {kind: amount for (kind, _, _), amount in _balances().items()} == {
        "cost_centre_expense": 2404,
        "provider_payable": -2403,
        "rounding": -1,
    }
    assert _is_proved()


def test_applying_again_changes_nothing(scene: Scene) -> None:
    scene.book(*[priced_call(scene.search, scene.large, USAGE)] * 3)
    set_prices(scene.large, {"input": "1.0005", "output": "10.1", "cache_write": "1.5"})
    scene.apply()
    books = _books()
    assert scene.apply().differences == ()
    assert _books() == books


def test_prices_that_did_not_change_change_nothing(scene: Scene) -> None:
    scene.book(*[priced_call(scene.search, scene.large, USAGE)] * 3)
    set_prices(scene.large, {"input": "1.25", "output": "10.10", "cache_write": "1.5"})
    assert scene.apply().changed == 0
    assert AuditEvent.objects.count() == 0


def test_prices_that_go_there_and_back_leave_every_balance_as_it_was(scene: Scene) -> None:
    odd = [Usage(input_tokens=number, output_tokens=1) for number in (1, 2, 3)]
    scene.book(*(priced_call(scene.search, scene.large, usage) for usage in odd))
    before = (_balances(), scene.settled())
    for price in ("1.3333", "0.7777", "1.25"):
        set_prices(scene.large, {"input": price, "output": "10.1", "cache_write": "1.5"})
        assert scene.apply().changed == 3
        assert _is_proved()
    assert (_balances(), scene.settled()) == before
    assert UsageRecord.objects.count() == 12


def test_a_price_that_was_missing_ends_the_estimate(scene: Scene) -> None:
    set_prices(scene.large, {"input": "1.25", "output": "10.1"})
    (attempt,) = scene.book(priced_call(scene.search, scene.large, USAGE))
    assert UsageRecord.objects.get(attempt_id=attempt).is_estimated
    set_prices(scene.large, {"input": "1.25", "output": "10.1", "cache_write": "1.5"})
    rerating = scene.apply()
    assert rerating.after_nano - rerating.before_nano == 50
    assert not UsageRecord.objects.get(attempt_id=attempt, revision=2).is_estimated
    assert scene.apply().changed == 0


def test_a_missing_price_that_turns_out_as_assumed_only_ends_the_estimate(scene: Scene) -> None:
    set_prices(scene.large, {"input": "1.25", "output": "10.1"})
    (attempt,) = scene.book(priced_call(scene.search, scene.large, USAGE))
    set_prices(scene.large, {"input": "1.25", "output": "10.1", "cache_write": "1.25"})
    rerating = scene.apply()
    assert (rerating.changed, rerating.before_nano) == (1, rerating.after_nano)
    revision = UsageRecord.objects.get(attempt_id=attempt, revision=2)
    assert (revision.is_estimated, revision.charge_nano) == (False, 0)
    assert _is_proved()
    assert scene.apply().changed == 0


def test_a_tier_whose_price_was_missing_is_rated_at_its_own_and_the_estimate_ends(scene: Scene) -> None:
    (attempt,) = scene.book(priced_call(scene.search, scene.large, USAGE, tier="flex"))
    assert UsageRecord.objects.get(attempt_id=attempt).is_estimated
    set_prices(scene.large, {"input": "1", "output": "10", "cache_write": "1"}, tier="flex")
    assert scene.apply().after_nano == 1100
    assert not UsageRecord.objects.get(attempt_id=attempt, revision=2).is_estimated


def test_usage_that_was_estimated_stays_an_estimate_whatever_it_costs(scene: Scene) -> None:
    call = replace(priced_call(scene.search, scene.large, USAGE), is_estimated=True)
    (attempt,) = scene.book(call)
    # Prices are never edited in place: the rows it was rated with stay, ended.
    change = NOVEMBER - timedelta(days=1)
    Price.objects.filter(model=scene.large).update(effective_to=change)
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"}, since=change)
    assert scene.apply().changed == 1
    assert UsageRecord.objects.get(attempt_id=attempt, revision=2).is_estimated


def test_a_fee_that_comes_and_goes_is_a_line_that_comes_and_goes(scene: Scene) -> None:
    scene.book(priced_call(scene.search, scene.large, USAGE))
    prices = {"input": "1.25", "output": "10.1", "cache_write": "1.5"}
    set_prices(scene.large, {**prices, "request": "100"})
    assert scene.apply().after_nano == 1501
    set_prices(scene.large, prices)
    assert scene.apply().after_nano == 1401
    assert [record.quantities for record in UsageRecord.objects.order_by("revision")][1:] == [[1], [-1]]
    assert _is_proved()


def test_each_call_is_rated_with_the_price_of_its_own_time(scene: Scene) -> None:
    early, late = NOVEMBER, NOVEMBER + timedelta(days=2)
    scene.book(*(priced_call(scene.search, scene.large, USAGE, at=at) for at in (early, late)))
    change = NOVEMBER + timedelta(days=1)
    Price.objects.filter(model=scene.large).update(effective_to=change)
    set_prices(scene.large, {"input": "2.5", "output": "10.1", "cache_write": "1.5"}, since=change)
    scene.apply()
    assert list(UsageRecord.objects.filter(revision=2).values_list("admitted_at", "charge_nano")) == [(late, 1000)]


def test_a_correction_into_a_closed_month_stands_in_the_next_open_one(scene: Scene) -> None:
    october = datetime(2026, 10, 20, tzinfo=UTC)
    scene.book(priced_call(scene.search, scene.large, USAGE, at=october))
    scene.world.close_month(date(2026, 10, 1))
    scene.world.close_month(date(2026, 11, 1))
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"})
    scene.apply()
    assert [entry.month for entry in Entry.objects.order_by("pk")] == [date(2026, 10, 1), date(2026, 12, 1)]
    assert _is_proved()


def test_what_somebody_decided_or_nobody_billed_is_left_alone(scene: Scene) -> None:
    prices = {"input": "1.25", "output": "10.1", "cache_write": "1.5", "request": "7"}
    settled = Call(scene.search, scene.large, {"unknown": (1, "500")}, is_estimated=True)
    unbilled = Call(scene.search, scene.large, {})
    scene.book(settled, unbilled)
    set_prices(scene.large, prices)
    rerating = scene.apply()
    assert (rerating.examined, rerating.decided, rerating.changed) == (2, 2, 0)


def test_a_call_that_was_trued_up_is_left_alone(scene: Scene) -> None:
    (attempt,) = scene.book(priced_call(scene.search, scene.large, USAGE))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT metering_revise('true_up', 'invoice', json_build_array(json_build_object('attempt_id', %s::uuid,"
            " 'revision', 2, 'admitted_at', %s::timestamptz, 'outcome', 'trued_up', 'is_estimated', false,"
            " 'classes', array['unknown'], 'quantities', array[1], 'price_ids', array[null::bigint],"
            " 'costs_nano', array[99.5], 'cost_nano', 99.5, 'charge_nano', 100, 'rating_rule', 1)))",
            [attempt, NOVEMBER],
        )
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"})
    assert (scene.apply().decided, scene.settled()) == (1, [1501, 1501])
    assert _is_proved()


def test_a_call_without_a_price_now_is_counted_and_left_alone(scene: Scene) -> None:
    scene.book(priced_call(scene.search, scene.large, USAGE), priced_call(scene.search, scene.small, USAGE))
    Price.objects.filter(model=scene.large).delete()
    Price.objects.filter(model=scene.small).update(effective_from=NOVEMBER + timedelta(days=1))
    rerating = scene.apply()
    assert (rerating.unpriced, rerating.changed, scene.settled()) == (2, 0, [2802, 2802])


def test_a_span_is_narrowed_by_time_model_connection_and_team(scene: Scene) -> None:
    later = NOVEMBER + timedelta(hours=1)
    scene.book(
        priced_call(scene.search, scene.large, USAGE),
        priced_call(scene.support, scene.small, USAGE),
        priced_call(scene.search, scene.large, USAGE, at=later),
    )
    team_id, connection_id = scene.support.team_id, scene.world.vendor.pk
    assert scene.preview(until=later).examined == 2
    assert scene.preview(since=later).examined == 1
    assert scene.preview(model_id=scene.large.pk).examined == 2
    assert scene.preview(team_id=team_id).examined == 1
    assert scene.preview(connection_id=connection_id).examined == 3
    assert scene.preview(connection_id=connection_id + 1).examined == 0
    assert scene.preview(organisation_id=make_world().organisation.pk).examined == 0


def test_batches_leave_out_no_call_and_count_none_twice(scene: Scene) -> None:
    calls = [priced_call(scene.search, scene.large, USAGE, at=NOVEMBER + timedelta(hours=n // 3)) for n in range(10)]
    scene.book(*calls[:7])
    scene.book(*calls[7:])
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"})
    for size in (1, 2, 5, 10):
        assert preview_rerating(span=scene.span(), batch_size=size).changed == 10
    rerating = apply_rerating(span=scene.span(), actor=ADA, reason="wrong", batch_size=3)
    assert (rerating.changed, scene.settled()) == (10, [12010, 12010])
    assert AuditEvent.objects.filter(action="ledger.rerated").count() == 4
    assert _is_proved()


def test_the_trail_says_who_why_and_how_much(scene: Scene) -> None:
    (attempt,) = scene.book(priced_call(scene.search, scene.large, USAGE))
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"})
    scene.apply(model_id=scene.large.pk)
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.reason) == (ADA.name, "ledger.rerated", "the list was wrong")
    assert event.before == {"charge_usd": "0.000001401"}
    assert event.after["charge_usd"] == "0.000001201"
    assert (event.after["attempts"], event.after["first_attempt"]) == (1, str(attempt))
    assert (event.after["model_id"], event.after["since"]) == (str(scene.large.pk), "2026-10-01 00:00:00+00:00")


def test_applying_needs_a_reason(scene: Scene) -> None:
    with pytest.raises(BadRequest, match="Say why"):
        apply_rerating(span=scene.span(), actor=ADA, reason=" ")


def test_a_revision_is_booked_as_a_rerate_or_a_true_up_and_as_nothing_else(scene: Scene) -> None:
    with pytest.raises(Error, match="not as usage"), connection.cursor() as cursor:
        cursor.execute("SELECT metering_revise('usage', 'wrong', '[]')")


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_cut_off_left_whole_batches_and_is_simply_started_anew(scene: Scene) -> None:
    scene.book(*[priced_call(scene.search, scene.large, USAGE)] * 60)
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"})

    def apply() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET application_name = 'cut off'")
        try:
            with suppress(Error):
                apply_rerating(span=scene.span(), actor=ADA, reason="wrong", batch_size=2)
        finally:
            connection.close()

    run = Thread(target=apply)
    run.start()
    while run.is_alive() and not AuditEvent.objects.exists():
        run.join(0.005)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut off'")
    run.join()

    done = UsageRecord.objects.filter(revision=2).count()
    assert done == 2 * AuditEvent.objects.count()
    assert _is_proved()
    assert scene.apply().changed == 60 - done
    assert scene.settled() == [72060, 72060]
    assert _is_proved()


@pytest.mark.django_db(transaction=True)
def test_two_who_apply_at_once_book_each_difference_once(scene: Scene) -> None:
    scene.book(*[priced_call(scene.search, scene.large, USAGE)] * 20)
    set_prices(scene.large, {"input": "1", "output": "10.1", "cache_write": "1.5"})

    def apply(_: int) -> int:
        try:
            return apply_rerating(span=scene.span(), actor=ADA, reason="wrong", batch_size=3).changed
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(apply, range(4))) == 20
    assert (UsageRecord.objects.count(), scene.settled()) == (40, [24020, 24020])
    assert _is_proved()
