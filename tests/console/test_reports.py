"""Reports in the console: any days, added up, and the same as a file."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.console.conftest import LogIn
from tests.console.demo import NOW, Call, Company, book


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_the_days_that_were_chosen_are_added_up_and_no_others(company: Company, log_in: LogIn) -> None:
    for days_ago in (0, 40, 41):
        at = NOW - timedelta(days=days_ago)
        book(company, Call(key="search-production", model="falcon-mini", at=at, read=1_000, written=500))
    day = (NOW - timedelta(days=40)).date()
    text = log_in("finance").get(f"/reports/?since={day}&until={day}").content.decode()
    assert "falcon-mini" in text
    assert '<span class="value">1</span>' in text
    assert f"since={day}" in text


def test_every_group_of_the_file_adds_up_to_the_same(busy_company: Company, log_in: LogIn) -> None:
    client = log_in("finance")
    address = f"/reports/?since={NOW.date().replace(day=1)}&until={NOW.date()}&download"
    answer = client.get(address)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    totals: dict[str, Decimal] = {}
    for row in rows_of(answer.content):
        totals[row["Group"]] = totals.get(row["Group"], Decimal(0)) + Decimal(row["Spend (USD)"])
    assert totals.keys() == {"Day", "Team", "Model", "Key"}
    assert len(set(totals.values())) == 1
    assert totals["Day"] > 0


def test_a_long_span_is_shown_by_month(busy_company: Company, log_in: LogIn) -> None:
    client = log_in("finance")
    address = f"/reports/?since={NOW.date() - timedelta(days=364)}&until={NOW.date()}"
    assert "Spend per month" in client.get(address).content.decode()
    groups = [row for row in rows_of(client.get(f"{address}&download").content) if row["Group"] == "Month"]
    assert len(groups) == 13
    assert Decimal(groups[-1]["Spend (USD)"]) > 0


def test_a_developer_gets_their_own_calls_alone(busy_company: Company, log_in: LogIn) -> None:
    address = f"/reports/?since={NOW.date() - timedelta(days=60)}&until={NOW.date()}&download"
    keys = {row["Name"] for row in rows_of(log_in("developer").get(address).content) if row["Group"] == "Key"}
    everybody = {row["Name"] for row in rows_of(log_in("admin").get(address).content) if row["Group"] == "Key"}
    assert keys == {"search-ada"} < everybody


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        ("2026-11-02", "2026-11-01", "before the first day"),
        ("2024-01-01", "2026-11-01", "more than 400 days"),
        ("1999-01-01", "1999-01-02", "of this century"),
        ("tomorrow", "2026-11-01", "valid date"),
    ],
)
def test_days_that_cannot_be_are_said(company: Company, log_in: LogIn, since: str, until: str, sentence: str) -> None:
    answer = log_in("finance").get("/reports/", {"since": since, "until": until, "download": ""})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()


def test_at_first_it_is_this_month(company: Company, log_in: LogIn) -> None:
    text = log_in("finance").get("/reports/").content.decode()
    assert "Nothing was called on these days." in text
    assert f'value="{NOW.date().replace(day=1)}"' in text
