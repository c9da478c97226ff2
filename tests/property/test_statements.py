"""Statements of random books: their total is the sum of their postings, to the nano-USD (I21)."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.audit.operations import Actor
from governance.chargeback.operations import write_statements
from governance.core.money import usd_decimal
from governance.ledger.models import UsageRecord
from tests.support.finance_world import Call, make_world

MONTH = date(2026, 11, 1)
DECEMBER = datetime(2026, 12, 1, 2, tzinfo=UTC)
COSTS = st.decimals(min_value=0, max_value=10**9, places=9).map(lambda cost: f"{cost:f}")
CALLS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.fixed_dictionaries(
            {"input": st.tuples(st.integers(0, 10**6), COSTS)},
            optional={"output": st.tuples(st.integers(0, 10**6), COSTS)},
        ),
    ),
    min_size=1,
    max_size=8,
)
POSTED = """
    SELECT coalesce(sum(p.amount_nano), 0) FROM ledger_posting p
      JOIN ledger_entry e ON e.id = p.entry_id
      JOIN ledger_ledgeraccount a ON a.id = p.account_id
     WHERE a.kind = 'cost_centre_expense' AND a.cost_centre_id = %s AND e.month = %s
"""


@pytest.mark.django_db
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(CALLS, min_size=1, max_size=3))
def test_a_statement_adds_up_to_its_postings_whatever_was_booked(
    batches: list[list[tuple[int, dict[str, tuple[int, str]]]]],
) -> None:
    world = make_world()
    keys = [world.key(world.team(f"T{number}", world.cost_centre(f"CC-{number}"))) for number in range(3)]
    model = world.model(f"model of {world.organisation.pk}")
    for batch in batches:
        world.book(*(Call(keys[number], model, lines) for number, lines in batch))

    statements = write_statements(organisation=world.organisation, month=MONTH, at=DECEMBER, actor=Actor(name="test"))

    total = 0
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(POSTED, [statement.cost_centre_id, MONTH])
            (posted,) = cursor.fetchone()
        rows = csv.DictReader(io.StringIO(bytes(statement.content).decode(), newline=""))
        with localcontext(prec=80):
            printed = sum((Decimal(row["Cost (USD)"]) for row in rows), Decimal(0))
        assert statement.total_nano == posted
        assert printed == usd_decimal(statement.total_nano)
        total += statement.total_nano
    records = UsageRecord.objects.filter(organisation=world.organisation)
    assert total == sum(records.values_list("charge_nano", flat=True))
