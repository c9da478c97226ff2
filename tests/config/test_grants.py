"""Each database role may do what it needs and no more."""

import psycopg
import pytest
from psycopg import sql

from governance.core.database_url import DatabaseRole

APPEND_ONLY = ["audit_auditevent", "ledger_entry", "ledger_posting", "ledger_usagerecord"]


def _is_refused(url: str, statement: str, *names: str) -> bool:
    query = sql.SQL(statement).format(*(sql.Identifier(name) for name in names))
    with psycopg.connect(url, autocommit=True) as session:
        try:
            session.execute(query)
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False


@pytest.mark.parametrize("role", ["gateway", "console", "worker"])
def test_no_limited_role_may_change_the_schema_or_become_the_owner(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    url = database_urls[role]
    assert not _is_refused(url, "SELECT 1")
    assert _is_refused(url, "CREATE TABLE loophole (id int)")
    assert _is_refused(url, "SET ROLE bursar")
    assert _is_refused(url, "ALTER TABLE ledger_posting DISABLE TRIGGER ALL")


@pytest.mark.parametrize("role", ["gateway", "worker"])
@pytest.mark.parametrize("table", ["account_emailaddress", "django_session", "mfa_authenticator"])
def test_the_gateway_and_the_worker_cannot_read_log_in_tables(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole, table: str
) -> None:
    assert _is_refused(database_urls[role], "SELECT * FROM {}", table)


@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_the_gateway_and_the_worker_cannot_read_password_digests(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    assert _is_refused(database_urls[role], "SELECT password FROM teams_user")
    assert not _is_refused(database_urls[role], "SELECT id, email FROM teams_user")


@pytest.mark.parametrize("role", ["gateway", "console", "worker"])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_limited_role_changes_or_removes_what_is_on_the_books(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole, table: str
) -> None:
    url = database_urls[role]
    column = {"audit_auditevent": "reason", "ledger_entry": "reason", "ledger_posting": "amount_nano"}.get(
        table, "alias"
    )
    assert _is_refused(url, "UPDATE {} SET {} = DEFAULT", table, column)
    assert _is_refused(url, "DELETE FROM {}", table)
    assert _is_refused(url, "TRUNCATE {} CASCADE", table)


def test_no_limited_role_goes_round_the_books_through_a_partition(database_urls: dict[DatabaseRole, str]) -> None:
    for role in ("gateway", "console", "worker"):
        assert _is_refused(database_urls[role], "DELETE FROM ledger_usagerecord_default")


def test_the_console_writes_sealed_credentials_and_cannot_read_them(database_urls: dict[DatabaseRole, str]) -> None:
    console = database_urls["console"]
    assert _is_refused(console, "SELECT ciphertext FROM connections_sealedcredential")
    assert _is_refused(console, "SELECT nonce FROM connections_sealedcredential")
    assert not _is_refused(console, "SELECT connection_id, sealed_at FROM connections_sealedcredential")
    assert not _is_refused(console, "UPDATE connections_sealedcredential SET ciphertext = '' WHERE connection_id = 0")
    assert not _is_refused(database_urls["gateway"], "SELECT ciphertext FROM connections_sealedcredential")


def test_the_gateway_writes_to_no_table_directly(database_urls: dict[DatabaseRole, str]) -> None:
    with psycopg.connect(database_urls["gateway"]) as session:
        writable = session.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        ).fetchall()
    assert writable == []


_FUNCTIONS = {
    "gateway": {
        "budgets_open_account",
        "jobs_begin",
        "jobs_drop",
        "jobs_forget_file",
        "jobs_keep_file",
        "jobs_note",
        "jobs_own_files",
        "metering_add_refusals",
        "metering_end_durable",
        "metering_epochs_of",
        "metering_fence",
        "metering_flush",
        "metering_grant",
        "metering_hold_durably",
        "metering_lose",
        "metering_open_allowance",
        "metering_reassert",
        "metering_recover",
        "metering_register",
        "metering_standing",
        "metering_succeed",
        "metering_take",
        "metering_take_timeline",
    },
    "console": {
        "budgets_carried_over",
        "budgets_increased_by",
        "budgets_limit_at",
        "budgets_limit_unopened",
        "budgets_open_account",
        "jobs_own_files",
        "ledger_attach_day",
        "ledger_detach_day",
        "ledger_digest_of_day",
        "ledger_fingerprint",
        "ledger_make_partitions",
        "ledger_mend_day_sums",
        "ledger_month_key",
        "ledger_reopen_month",
        "ledger_roll_day_sums",
        "ledger_shut_month",
        "ledger_sums_of_days",
        "ledger_open_month",
        "metering_end_durable",
        "metering_forget_refusals",
        "metering_lock_revisions",
        "metering_recover",
        "metering_release_lost",
        "metering_resolve",
        "metering_resolve_rest",
        "metering_revise",
        "metering_settle_lines",
    },
}


@pytest.mark.parametrize("role", ["gateway", "console", "worker"])
def test_of_the_functions_of_money_each_role_may_call_those_of_its_work(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    with psycopg.connect(database_urls[role]) as session:
        rows = session.execute(
            "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND proname ~ '^(budgets|jobs|ledger|metering)_' AND prorettype <> 'trigger'::regtype"
            " AND has_function_privilege(oid, 'EXECUTE')"
        ).fetchall()
    expected = _FUNCTIONS["gateway" if role == "gateway" else "console"]
    assert {name for (name,) in rows} == expected


@pytest.mark.parametrize("role", ["console", "worker"])
def test_console_and_worker_only_read_what_functions_write(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    with psycopg.connect(database_urls[role]) as session:
        rows = session.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
            " AND relname ~ '^(ledger|metering)_' AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        ).fetchall()
    assert rows == [("ledger_accountingperiod",)]
