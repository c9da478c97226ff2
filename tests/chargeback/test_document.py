"""A statement as a file."""

import csv
import io
from datetime import date
from decimal import Decimal, localcontext

import msgspec
import pytest

from governance.chargeback.document import Document, Heading, make_document
from governance.chargeback.errors import StatementUnbalanced
from governance.core.money import usd_decimal
from governance.ledger.monthly import Adjustment, CostCentreMonth, StatementFact

HEADING = Heading(month=date(2026, 11, 1), cost_centre="CC-100", cost_centre_name="Research")


def _fact(**changes: object) -> StatementFact:
    base = StatementFact(
        team_id=1,
        team="Search",
        key_id=7,
        key="laptop",
        provider="openai",
        model_id=3,
        model="gpt-5",
        token_class="input",
        is_correction=False,
        quantity=1000,
        cost_nano=Decimal("1250000.5"),
    )
    return msgspec.structs.replace(base, **changes)


def _booked(*facts: StatementFact, charged_nano: int, **changes: object) -> CostCentreMonth:
    base = CostCentreMonth(facts=facts, adjustments=(), charged_nano=charged_nano, posted_nano=charged_nano)
    return msgspec.structs.replace(base, **changes)


def _rows(document: Document) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(document.content.decode(), newline="")))


def _sum(document: Document) -> Decimal:
    with localcontext(prec=80):
        return sum((Decimal(row["Cost (USD)"]) for row in _rows(document)), Decimal(0))


def test_a_correction_is_a_line_of_its_own_behind_what_it_corrects() -> None:
    booked = _booked(
        _fact(is_correction=True, quantity=0, cost_nano=Decimal("-250000.25")),
        _fact(),
        _fact(token_class="output", quantity=10, cost_nano=Decimal("100")),
        charged_nano=1000101,
    )
    document = make_document(heading=HEADING, booked=booked)
    assert [(row["Line"], row["What was used"], row["Quantity"], row["Cost (USD)"]) for row in _rows(document)] == [
        ("Usage", "Input tokens", "1000", "0.0012500005"),
        ("Correction", "Input tokens", "0", "-0.00025000025"),
        ("Usage", "Output tokens", "10", "0.0000001"),
        ("Rounding", "Rounding: each call is charged in whole nano-USD, rounded up", "", "0.00000000075"),
    ]


def test_the_cost_column_adds_up_to_the_ledgers_amount() -> None:
    document = make_document(heading=HEADING, booked=_booked(_fact(), charged_nano=1250001))
    assert _sum(document) == usd_decimal(1250001)
    assert document.total_nano == 1250001


def test_rounding_is_a_line_of_its_own() -> None:
    rows = _rows(make_document(heading=HEADING, booked=_booked(_fact(), charged_nano=1250001)))
    assert [(row["Line"], row["Cost (USD)"]) for row in rows] == [
        ("Usage", "0.0012500005"),
        ("Rounding", "0.0000000005"),
    ]


def test_sums_beyond_twenty_eight_digits_stay_exact() -> None:
    tiny = _fact(token_class="output", cost_nano=Decimal("0.000000000000000001"))
    huge = _fact(cost_nano=Decimal(9 * 10**18))
    document = make_document(heading=HEADING, booked=_booked(tiny, huge, charged_nano=9 * 10**18 + 1))
    assert _sum(document) == usd_decimal(9 * 10**18 + 1)
    assert _rows(document)[-1]["Cost (USD)"] == "0.000000000999999999999999999"


def test_a_line_says_what_was_used_in_a_finance_persons_words() -> None:
    (row,) = _rows(make_document(heading=HEADING, booked=_booked(_fact(cost_nano=Decimal(5)), charged_nano=5)))
    assert row == {
        "Month": "2026-11",
        "Cost centre": "CC-100",
        "Cost centre name": "Research",
        "Line": "Usage",
        "Team": "Search",
        "Virtual key": "laptop",
        "Virtual key ID": "7",
        "Vendor": "openai",
        "Model": "gpt-5",
        "What was used": "Input tokens",
        "Quantity": "1000",
        "Unit": "token",
        "Cost (USD)": "0.000000005",
    }


def test_lines_of_nothing_are_left_out() -> None:
    nothing = _fact(token_class="reasoning", quantity=0, cost_nano=Decimal(0))
    free = _fact(token_class="cache_read", cost_nano=Decimal(0))
    rows = _rows(make_document(heading=HEADING, booked=_booked(nothing, free, charged_nano=0)))
    assert [(row["What was used"], row["Cost (USD)"]) for row in rows] == [("Input tokens read from cache", "0.00")]


def test_an_empty_month_says_so() -> None:
    document = make_document(heading=HEADING, booked=_booked(charged_nano=0))
    (row,) = _rows(document)
    assert (row["Line"], row["What was used"], row["Cost (USD)"]) == (
        "No usage",
        "Nothing was used in this month",
        "0.00",
    )
    assert document.total_nano == 0


def test_an_adjustment_shows_its_reason_and_counts() -> None:
    credit = Adjustment(entry_id=9, kind="credit", reason="Outage of 3 November", amount_nano=-250)
    booked = _booked(_fact(cost_nano=Decimal(1000)), charged_nano=1000, adjustments=(credit,), posted_nano=750)
    document = make_document(heading=HEADING, booked=booked)
    assert _rows(document)[-1]["What was used"] == "credit: Outage of 3 November"
    assert _sum(document) == usd_decimal(750)


def test_a_statement_that_differs_from_the_ledger_is_refused_with_both_amounts() -> None:
    booked = _booked(_fact(), charged_nano=1250001, posted_nano=1250002)
    with pytest.raises(StatementUnbalanced, match=r"0\.001250001 USD, but the ledger holds 0\.001250002 USD"):
        make_document(heading=HEADING, booked=booked)


def test_the_same_facts_give_the_same_bytes_in_whatever_order_they_come() -> None:
    facts = [
        _fact(token_class=token_class, key_id=key_id, cost_nano=Decimal(1))
        for token_class in ("output", "input", "web_search")
        for key_id in (9, 8)
    ]
    one = make_document(heading=HEADING, booked=_booked(*facts, charged_nano=6))
    other = make_document(heading=HEADING, booked=_booked(*reversed(facts), charged_nano=6))
    assert one == other


def test_a_renamed_team_is_no_new_fact_but_a_changed_quantity_is() -> None:
    one = make_document(heading=HEADING, booked=_booked(_fact(), charged_nano=1250001))
    renamed = make_document(heading=HEADING, booked=_booked(_fact(team="Discovery"), charged_nano=1250001))
    more = make_document(heading=HEADING, booked=_booked(_fact(quantity=1001), charged_nano=1250001))
    assert renamed.facts_sha256 == one.facts_sha256
    assert more.facts_sha256 != one.facts_sha256


def test_a_name_cannot_become_a_formula() -> None:
    booked = _booked(_fact(team="=cmd|' /C calc'!A0", key="@x"), charged_nano=1250001)
    row = _rows(make_document(heading=HEADING, booked=booked))[0]
    assert row["Team"] == "'=cmd|' /C calc'!A0"
    assert row["Virtual key"] == "'@x"
