"""What is on the books stays as it was written and balances, whoever is at the database (P3, I13)."""

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from governance.core.database_url import DatabaseRole
from governance.ledger.models import Entry, LedgerAccount
from tests.support.finance_world import NOVEMBER, Call, FinanceWorld, make_world

pytestmark = pytest.mark.django_db(transaction=True)

_BOOKS = ("ledger_usagerecord", "ledger_entry", "ledger_posting")
_REFUSED = r"never changed or deleted|only ever added"
_COLUMN = {"ledger_usagerecord": "charge_nano", "ledger_entry": "reason", "ledger_posting": "amount_nano"}


@pytest.fixture
def world() -> FinanceWorld:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    world.book(Call(key, world.model("gpt-5"), {"input": (10, "12.5")}))
    return world


def _partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger_usagerecord'::regclass"
        )
        return [name for (name,) in cursor.fetchall()]


def _content(table: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {0}::text FROM {0} ORDER BY 1").format(sql.Identifier(table)))
        return list(cursor.fetchall())


@pytest.mark.parametrize("table", _BOOKS)
def test_not_even_the_owner_changes_deletes_or_truncates_what_is_on_the_books(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str], table: str
) -> None:
    before = _content(table)
    assert before
    with psycopg.connect(database_urls["owner"], autocommit=True) as session:
        for statement in ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"):
            with pytest.raises(psycopg.Error, match=_REFUSED):
                session.execute(sql.SQL(statement).format(sql.Identifier(table), sql.Identifier(_COLUMN[table])))
    assert _content(table) == before


def test_not_even_the_owner_empties_a_partition(world: FinanceWorld, database_urls: dict[DatabaseRole, str]) -> None:
    partitions = _partitions()
    assert len(partitions) > 2
    with psycopg.connect(database_urls["owner"], autocommit=True) as session:
        for partition in partitions:
            with pytest.raises(psycopg.Error, match=_REFUSED):
                session.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(partition)))
        holding = session.execute("SELECT DISTINCT tableoid::regclass::text FROM ledger_usagerecord").fetchall()
        for (partition,) in holding:
            with pytest.raises(psycopg.Error, match=_REFUSED):
                session.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(partition)))


def test_postings_that_do_not_sum_to_zero_are_refused_at_commit_even_to_the_owner(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    expense, payable = (LedgerAccount.objects.get(kind=kind) for kind in ("cost_centre_expense", "provider_payable"))
    before = (_content("ledger_entry"), _content("ledger_posting"))
    for amounts in ((5, -4), (5,), (-1, -1)):
        with psycopg.connect(database_urls["owner"]) as session:
            row = session.execute(
                "INSERT INTO ledger_entry (organisation_id, kind, month, reason) VALUES (%s, 'credit', %s, 'gift')"
                " RETURNING id",
                [world.organisation.pk, NOVEMBER.date().replace(day=1)],
            ).fetchone()
            assert row is not None
            for account, amount in zip((expense, payable), amounts, strict=False):
                session.execute(
                    "INSERT INTO ledger_posting (entry_id, account_id, amount_nano) VALUES (%s, %s, %s)",
                    [row[0], account.pk, amount],
                )
            with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="does not balance"):
                session.commit()
    assert (_content("ledger_entry"), _content("ledger_posting")) == before


def test_a_posting_added_to_a_balanced_entry_is_refused(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    entry, account = Entry.objects.get(), LedgerAccount.objects.get(kind="rounding")
    with psycopg.connect(database_urls["owner"]) as session:
        session.execute(
            "INSERT INTO ledger_posting (entry_id, account_id, amount_nano) VALUES (%s, %s, 1)", [entry.pk, account.pk]
        )
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match=f"Entry {entry.pk} does not balance"):
            session.commit()


_DIRECT = (
    "INSERT INTO ledger_entry (organisation_id, kind, month, reason) VALUES (1, 'credit', '2026-11-01', 'gift')",
    "INSERT INTO ledger_posting (entry_id, account_id, amount_nano) VALUES (1, 1, 0)",
    "INSERT INTO ledger_ledgeraccount (organisation_id, kind) VALUES (1, 'credits')",
    "INSERT INTO ledger_usagerecord SELECT * FROM ledger_usagerecord",
    "INSERT INTO ledger_dayaccountsum VALUES (1, 1, 1)",
    "INSERT INTO ledger_detached_now SELECT * FROM ledger_detachedday",
    "SELECT metering_book(1, 1, '[]')",
    "SELECT metering_book_late(1, 1, '{}')",
    "SELECT metering_give_back(1, '{1}', '{1}')",
    "SELECT ledger_post('{}', 'usage', '', 1, 1)",
    "SELECT ledger_sum_up_day(1, '2026-11-01')",
)
_OF_DJANGO_ALONE = (
    "SELECT metering_revise('rerate', 'because', '[]')",
    "SELECT metering_lock_revisions()",
    "SELECT ledger_detach_day('2026-01-01')",
    "SELECT ledger_attach_day('2026-01-01')",
)


@pytest.mark.parametrize("role", ["gateway", "console", "worker"])
def test_no_limited_role_posts_anything_but_through_the_functions_of_its_work(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    before = [_content(table) for table in _BOOKS]
    for statement in (*_DIRECT, *(_OF_DJANGO_ALONE if role == "gateway" else ())):
        with psycopg.connect(database_urls[role]) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(statement)
    assert [_content(table) for table in _BOOKS] == before


def test_the_check_at_commit_may_read_postings_whoever_commits(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    # Before PostgreSQL 18 a deferred trigger runs in the name of the session, and a gateway cannot read postings.
    with psycopg.connect(database_urls["gateway"]) as session:
        row = session.execute("SELECT prosecdef FROM pg_proc WHERE proname = 'ledger_check_balance'").fetchone()
        assert row == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT FROM ledger_posting")
