"""Rating again, whatever was used and whatever the prices were: totals follow from the prices alone."""

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.audit.operations import Actor
from governance.budgets.models import Account
from governance.catalog.queries import rate_tables
from governance.ledger.models import Posting, UsageRecord
from governance.ledger.proof import prove_ledger
from governance.ledger.rated import Span
from governance.metering.proof import prove_accounts
from governance.metering.rerating import Rerating, apply_rerating, preview_rerating
from governance.plugin.usage import Usage
from tests.support.finance_world import NOVEMBER, FinanceWorld, make_world
from tests.support.priced_calls import priced_call, set_prices

pytestmark = pytest.mark.django_db

PRICES = st.fixed_dictionaries(
    {"input": st.decimals(0, 5000, places=5), "output": st.decimals(0, 5000, places=5)},
    optional={name: st.decimals(0, 5000, places=5) for name in ("cache_read", "cache_write", "reasoning", "request")},
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, cached, written = (draw(st.integers(0, 5000)) for _ in range(3))
    answer, thought = (draw(st.integers(0, 5000)) for _ in range(2))
    return Usage(
        # Used at least one token: what was billed nothing is never rated again.
        input_tokens=read + cached + written + 1,
        output_tokens=answer + thought,
        cache_read_input_tokens=cached,
        cache_write_input_tokens=written,
        reasoning_output_tokens=thought,
    )


def _balances(world: FinanceWorld) -> dict[int, int]:
    posted = Posting.objects.filter(entry__organisation=world.organisation)
    sums = posted.values_list("account_id").annotate(nano=Sum("amount_nano"))
    return {account_id: nano for account_id, nano in sums if nano}


def _apply(world: FinanceWorld) -> Rerating:
    span = _span(world)
    preview = preview_rerating(span=span, batch_size=2)
    rerating = apply_rerating(span=span, actor=Actor(name="test"), reason="property", batch_size=3)
    assert rerating == preview
    assert prove_ledger().failures == prove_accounts().failures == ()
    return rerating


def _span(world: FinanceWorld) -> Span:
    return Span(
        organisation_id=world.organisation.pk,
        since=NOVEMBER,
        until=NOVEMBER.replace(day=30),
    )


@settings(max_examples=25, deadline=None)
@given(used=st.lists(usages(), min_size=1, max_size=5), first=PRICES, second=PRICES)
def test_there_and_back_is_as_before_and_every_charge_is_the_ceiling_of_its_cost(
    used: list[Usage], first: dict[str, Decimal], second: dict[str, Decimal]
) -> None:
    world = make_world()
    key, model = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model(str(world.organisation.pk))
    account = world.account("team", 10**15)
    set_prices(model, first)
    world.book(*(priced_call(key, model, usage, accounts=[account]) for usage in used))
    before = (_balances(world), Account.objects.get(pk=account.pk).settled_nano)

    assert _apply(world).changed == 0

    set_prices(model, second)
    _apply(world)
    assert _apply(world).changed == 0
    card = rate_tables(model_ids=[model.pk])[model.pk].card_at(NOVEMBER)
    charges = sum(card.rate(usage).charge_nano for usage in used)
    assert Account.objects.get(pk=account.pk).settled_nano == charges
    records = UsageRecord.objects.filter(organisation=world.organisation)
    assert sum(records.values_list("charge_nano", flat=True)) == charges

    set_prices(model, first)
    _apply(world)
    assert (_balances(world), Account.objects.get(pk=account.pk).settled_nano) == before
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
