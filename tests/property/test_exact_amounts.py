"""Amounts beyond 2^53, where floats begin to lose units, survive every form they are kept and sent in (I22)."""

import csv
import io
import json
from decimal import Decimal
from uuid import uuid4

import msgspec
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.catalog.rating import Rated, RatedLine
from governance.core.csv_text import csv_bytes
from governance.core.money import MAX_NANO, parse_usd, usd_decimal, usd_text
from governance.metering.attempt import Ending, Outcome
from governance.metering.texts import outcome_text
from governance.plugin.usage import TokenClass, Usage

LARGE = st.integers(2**53 - 2, MAX_NANO)
EXACT = st.decimals(min_value=0, max_value=2**63, places=18)


@given(nano=LARGE | st.integers(-MAX_NANO, MAX_NANO))
def test_an_amount_survives_text_decimals_json_and_csv(nano: int) -> None:
    assert parse_usd(usd_text(nano)) == nano
    assert usd_decimal(nano) * 10**9 == nano
    assert msgspec.json.decode(msgspec.json.encode(nano)) == json.loads(json.dumps(nano)) == nano
    assert parse_usd(msgspec.json.decode(msgspec.json.encode(usd_decimal(nano)), type=Decimal)) == nano
    ((_, whole), (_, dollars)) = csv.reader(
        io.StringIO(csv_bytes(["unit", "nano"], [["usd", usd_decimal(nano)]]).decode())
    )
    assert whole == "nano" and parse_usd(dollars) == nano


@given(cost=EXACT, charge=LARGE)
def test_an_outcome_says_its_exact_cost_and_charge_in_the_journal(cost: Decimal, charge: int) -> None:
    lines = (RatedLine(TokenClass.INPUT, 2**40, 2**62, cost),)
    outcome = Outcome(
        ending=Ending.SETTLED,
        reason="completed",
        usage=Usage(input_tokens=2**40, output_tokens=0),
        rated=Rated(lines=lines, cost_nano=cost, charge_nano=charge, is_assumed=False),
    )
    told = msgspec.json.decode(outcome_text(outcome))
    assert (Decimal(told["cost_nano"]), [Decimal(each) for each in told["costs_nano"]]) == (cost, [cost])
    assert (told["charge_nano"], told["quantities"], told["price_ids"]) == (charge, [2**40], [2**62])


@pytest.mark.django_db
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nano=LARGE, cost=EXACT)
def test_the_database_reads_them_from_json_and_gives_them_back(nano: int, cost: Decimal) -> None:
    text = msgspec.json.encode([{"id": str(uuid4()), "nano": nano, "cost": f"{cost:f}"}]).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nano, cost, nano::text FROM json_to_recordset(%s) AS x (nano bigint, cost numeric)", [text]
        )
        assert cursor.fetchone() == (nano, cost, str(nano))
