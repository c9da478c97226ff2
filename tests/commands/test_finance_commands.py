"""`bursar ledger`, `report`, `statements` and `alerts`, as a person or a script meets them."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from governance.alerts.operations import notice_crossings
from governance.budgets.models import Threshold
from governance.commands.printing import aligned
from governance.core.clock import utc_now
from governance.core.database_url import DatabaseRole
from governance.ledger.tasks import make_coming_partitions
from governance.plugin.usage import Usage
from tests.support.finance_world import Call, FinanceWorld, make_world
from tests.support.priced_calls import priced_call, set_prices
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)

LINES = {"input": (1000, "1250.25"), "output": (10, "100.5")}


@pytest.fixture
def world(database_urls: dict[DatabaseRole, str]) -> Iterator[FinanceWorld]:
    """Books of November 2026, read by commands with the console's rights, as an installation has it."""
    world = make_world()
    search = world.team("Search", world.cost_centre("CC-1"))
    support = world.team("Support", world.cost_centre("CC-2"))
    account = world.account("everything", 10**12)
    gpt, small = world.model("gpt-5"), world.model("gpt-5-mini")
    one, other = world.key(search, "laptop"), world.key(support, "=evil()")
    world.book(
        Call(one, gpt, LINES, accounts=[account]),
        Call(one, small, LINES, accounts=[account]),
        Call(other, gpt, LINES, accounts=[account]),
    )
    world.book(Call(other, gpt, LINES, at=datetime(2026, 10, 5, tzinfo=UTC), accounts=[account]))
    with connected_as(database_urls["console"]):
        yield world


def _run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_books_that_balance_are_counted(world: FinanceWorld) -> None:
    assert _run("ledger", "prove") == (
        "The books balance (usage records: 4, entries: 3, budget accounts: 1, audit events: 0).\n"
    )
    answer = json.loads(_run("ledger", "prove", "--json"))
    assert answer["balanced"] is True
    assert (answer["records"], answer["entries"], answer["failures"]) == (4, 3, [])


def test_books_that_do_not_balance_are_shown_row_by_row_and_the_exit_code_is_one(
    database_urls: dict[DatabaseRole, str],
) -> None:
    world = make_world()
    account = world.account("everything", 10**12)
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    world.book(Call(key, world.model("gpt-5"), LINES, accounts=[account]))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE budgets_account SET settled_nano = settled_nano + 1")
    out = io.StringIO()
    with connected_as(database_urls["console"]), pytest.raises(SystemExit) as stopped:
        call_command("ledger", "prove", stdout=out)
    assert stopped.value.code == 1
    assert f"settled_differs_from_records  budget account {account.pk}" in out.getvalue()
    assert "Rows that do not: 1, of which 1 are shown." in out.getvalue()


def test_a_report_adds_up_by_team_key_and_model(world: FinanceWorld) -> None:
    report = json.loads(_run("report", "--month", "2026-11", "--json"))
    assert report["total"] == {
        "requests": 3,
        "input_tokens": 3000,
        "output_tokens": 30,
        "cost_usd": "0.00000405225",
        "charge_usd": "0.000004053",
    }
    for group in ("teams", "keys", "models"):
        assert sum(Decimal(line["cost_usd"]) for line in report[group]) == Decimal("0.00000405225")
    assert [(line["name"], line["requests"]) for line in report["teams"]] == [("Search", 2), ("Support", 1)]
    assert [line["name"] for line in report["models"]] == ["openai/gpt-5", "openai/gpt-5-mini"]


def test_a_report_is_a_table_whose_numbers_stand_under_each_other(world: FinanceWorld) -> None:
    lines = _run("report", "--month", "2026-11").splitlines()
    assert lines[0] == f"{world.organisation.name}, 2026-11, in USD"
    total = next(line for line in lines if line.startswith("TOTAL"))
    assert total.split() == ["TOTAL", "3", "3000", "30", "0.00000405225", "0.000004053"]
    assert {line.find(".") for line in lines if line.startswith(("TEAM", "TOTAL"))} == {total.find(".")}


def test_a_report_as_csv_holds_no_formula(world: FinanceWorld) -> None:
    rows = list(csv.DictReader(io.StringIO(_run("report", "--month", "2026-11", "--csv"), newline="")))
    assert {row["name"] for row in rows if row["by"] == "key"} == {"laptop", "'=evil()"}
    assert next(row["charge_usd"] for row in rows if row["by"] == "total") == "0.000004053"


def test_a_month_without_calls_says_so(world: FinanceWorld) -> None:
    assert "Nothing was used in this month." in _run("report", "--month", "2025-01")


def test_the_current_month_is_the_default(world: FinanceWorld) -> None:
    assert json.loads(_run("report", "--json"))["month"] == f"{utc_now():%Y-%m}"


def test_statements_are_written_listed_and_exported(world: FinanceWorld, tmp_path: Path) -> None:
    written = json.loads(_run("statements", "write", "--month", "2026-10", "--json"))
    assert [(row["cost_centre"], row["version"], row["total_usd"]) for row in written] == [
        ("CC-1", 1, "0.00"),
        ("CC-2", 1, "0.000001351"),
    ]
    assert json.loads(_run("statements", "list", "--month", "2026-10", "--json")) == written
    target = tmp_path / "october.csv"
    _run("statements", "export", "--month", "2026-10", "--cost-centre", "CC-2", "--output", str(target))
    printed = _run("statements", "export", "--month", "2026-10", "--cost-centre", "CC-2")
    assert target.read_bytes() == printed.encode()
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert sum(Decimal(row["Cost (USD)"]) for row in rows) == Decimal("0.000001351")


def test_the_days_of_usage_records_are_listed(database_urls: dict[DatabaseRole, str]) -> None:
    today = utc_now().date()
    with connected_as(database_urls["worker"]):
        make_coming_partitions()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ledger_usagerecord_default")
    with connected_as(database_urls["console"]):
        listed = json.loads(_run("ledger", "partitions", "--json"))
        table = _run("ledger", "partitions").splitlines()
    days = [row["day"] for row in listed]
    assert [day for day in days[:-1] if day >= f"{today}"] == [f"{today + timedelta(days=n)}" for n in range(15)]
    assert (days[-1], listed[-1]["estimated_rows"]) == (None, 0)
    assert all(row["bytes"] > 0 for row in listed)
    assert table[0].split("  ")[0] == "DAY (UTC)"
    assert table[-1].startswith("any other")


def test_rating_again_is_shown_then_booked_then_done(database_urls: dict[DatabaseRole, str]) -> None:
    world = make_world()
    key, model = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("gpt-5")
    set_prices(model, {"input": "1.25", "output": "10"})
    world.book(priced_call(key, model, Usage(input_tokens=1000, output_tokens=1)), Call(key, model, {}))
    set_prices(model, {"input": "1", "output": "10"})
    span = ("--from", "2026-11-01", "--until", "2026-12-01", "--model", "openai/gpt-5", "--team", "Search")
    with connected_as(database_urls["console"]):
        preview = _run("ledger", "rerate", *span)
        as_json = json.loads(_run("ledger", "rerate", *span, "--json"))
        applied = _run("ledger", "rerate", *span, "--connection", "vendor", "--apply", "--reason", "the list was wrong")
        again = _run("ledger", "rerate", *span)
        proved = _run("ledger", "prove")
    assert preview.splitlines() == [
        "TEAM    MODEL         CALLS     CHARGED         NOW   DIFFERENCE",
        "Search  openai/gpt-5      1  0.00000126  0.00000101  -0.00000025",
        "TOTAL                     1  0.00000126  0.00000101  -0.00000025",
        "Calls looked at: 2. Calls whose cost or mark changes: 1.",
        "Calls that were not billed, or were settled by name: 1. They stay so.",
        "Nothing was changed: --apply books it.",
    ]
    amounts = {"charged_usd": "0.00000126", "now_usd": "0.00000101", "difference_usd": "-0.00000025"}
    assert as_json == {
        "applied": False,
        "examined": 2,
        "unpriced": 0,
        "decided": 1,
        "differences": [{"team": "Search", "model": "openai/gpt-5", "attempts": 1, **amounts}],
        "total": {"attempts": 1, **amounts},
    }
    assert applied.splitlines()[-1] == "Booked, as corrections."
    assert "Calls whose cost or mark changes: 0." in again
    assert proved.startswith("The books balance (usage records: 3, entries: 2,")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("report", "--month", "November"), "'November' is not a month: write it as 2026-11"),
        (("report", "--organisation", "Nobody"), "There is no organisation 'Nobody'"),
        (("statements", "write", "--month", "2999-01"), "2999-01 has not begun in UTC"),
        (("statements", "export", "--month", "2026-11", "--cost-centre", "CC-9"), "CC-9 has no statement for 2026-11"),
        (("ledger", "rerate", "--from", "2026-11-01", "--until", "2026-11-01"), "The span is empty"),
        (("ledger", "rerate", "--from", "2026-11-01", "--until", "2026-12-01", "--apply"), "Say why"),
        (("ledger", "rerate", "--from", "2026-11-01", "--until", "2026-12-01", "--model", "x"), "'x' is no model"),
        (("alerts", "recipients", "remove", "77"), "There is no recipient 77"),
        (
            ("alerts", "recipients", "add", "--notifier", "pigeon", "--destination", "roof"),
            "No installed plugin offers a notifier named 'pigeon'",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(world: FinanceWorld, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as refused:
        _run(*words)
    assert refused.value.returncode == 1


def test_a_passed_threshold_is_listed_though_nobody_is_told(database_urls: dict[DatabaseRole, str]) -> None:
    world = make_world()
    account = world.account("small", 5_000)
    Threshold.objects.create(budget=account.budget, percent=80)
    with connected_as(database_urls["console"]):
        assert _run("alerts", "list") == "No threshold was passed yet.\n"
    key = world.key(world.team("Lab", world.cost_centre("CC-3")))
    world.book(Call(key, world.model("gpt-4"), {"input": (1, "4500")}, accounts=[account]))
    notice_crossings(at=utc_now())
    with connected_as(database_urls["console"]):
        (row,) = json.loads(_run("alerts", "list", "--json"))
        assert (row["budget"], row["percent"], row["settled_usd"]) == ("small", 80, "0.0000045")
        assert (row["told"], row["not_told"]) == (0, 0)
        assert "small" in _run("alerts", "list")
        assert "Nobody is told yet" in _run("alerts", "recipients", "list")


def test_numbers_are_aligned_at_the_point_and_never_padded_with_digits() -> None:
    assert aligned(("NAME", "USD", "N"), [("a", "1.50", 7), ("bb", "10.125", 1000)]) == (
        "NAME     USD     N\na      1.50      7\nbb    10.125  1000"
    )


def test_costs_that_vendors_report_are_compared_and_the_exit_code_tells(
    database_urls: dict[DatabaseRole, str],
) -> None:
    world = make_world()
    key, grok = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("grok-4.5", provider="xai")
    world.book(Call(key, grok, LINES, vendor_cost_nano="1350.75"))
    span = ("ledger", "compare", "--from", "2026-11-01", "--until", "2026-12-01")
    with connected_as(database_urls["console"]):
        (model,) = json.loads(_run(*span, "--json"))["models"]
        assert (model["model"], model["calls"], model["calls_apart"]) == ("xai/grok-4.5", 1, 0)
        assert _run("ledger", "compare", "--from", "2026-01-01", "--until", "2026-02-01").startswith(
            "No vendor reported"
        )
    world.book(Call(key, grok, LINES, vendor_cost_nano="2701.5"))
    out = io.StringIO()
    with connected_as(database_urls["console"]), pytest.raises(SystemExit) as stopped:
        call_command(*span, stdout=out)
    assert stopped.value.code == 1
    assert "xai/grok-4.5      2            1  0.0000027015    0.00000405225  -0.00000135075" in out.getvalue()


def test_a_vendors_bill_is_put_beside_the_books_and_a_day_that_is_apart_exits_with_one(
    world: FinanceWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "costs.json"
    bucket = {"starting_at": "2026-10-01T00:00:00Z", "ending_at": "2026-10-02T00:00:00Z"}
    result = {"amount": "250", "currency": "USD", "model": None}
    file.write_text(json.dumps({"data": [{**bucket, "results": [result]}], "has_more": False}))
    with pytest.raises(SystemExit) as ended:
        call_command("ledger", "bill", str(file), "--connection", world.vendor.name)
    assert ended.value.code == 1
    whole, unattributed = capsys.readouterr().out.splitlines()[-2:]
    assert whole.split()[-3:] == ["2.50", "0.00", "apart"]
    assert "(unattributed)" in unattributed
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("ledger", "bill", str(tmp_path / "none"), "--connection", world.vendor.name)
