"""The nightly proof and what is kept of it."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from governance.audit.operations import Actor
from governance.chargeback.models import LedgerProof, Statement
from governance.chargeback.operations import keep_proof, prove_books, write_statements
from governance.chargeback.queries import last_proof
from governance.chargeback.tasks import prove_ledger_nightly, write_month_statements
from governance.core.database_url import DatabaseRole
from governance.ledger.tasks import make_coming_partitions
from tests.support.finance_world import Call, FinanceWorld, make_world
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 12, 1, 2, 20, tzinfo=UTC)


@pytest.fixture
def world() -> FinanceWorld:
    world = make_world()
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    account = world.account("monthly", 10**12)
    world.book(Call(key, world.model("gpt-5"), {"input": (10, "12.5")}, accounts=[account]))
    return world


def _commit(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {statement}; COMMIT")


def test_the_nightly_proof_is_kept_with_what_it_looked_at(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    with connected_as(database_urls["worker"]):
        prove_ledger_nightly()
    proof = last_proof()
    assert proof is not None
    assert (proof.records, proof.entries, proof.accounts, proof.failure_count) == (1, 1, 1, 0)


def test_a_failed_proof_is_an_error_in_the_log_and_names_its_rows(
    world: FinanceWorld, caplog: pytest.LogCaptureFixture
) -> None:
    _commit("UPDATE ledger_posting SET amount_nano = 14 WHERE amount_nano = 13")
    kept = keep_proof(proof=prove_books(), at=NOW)
    assert kept.failure_count == 2
    assert {failure["check"] for failure in kept.failures} == {"entry_unbalanced", "postings_differ_from_records"}
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "ledger_does_not_balance" in line.getMessage()


def test_a_changed_audit_event_fails_the_proof(world: FinanceWorld) -> None:
    write_statements(
        organisation=world.organisation, month=datetime(2026, 11, 1, tzinfo=UTC).date(), at=NOW, actor=Actor(name="t")
    )
    assert prove_books().failure_count == 0
    _commit("UPDATE audit_auditevent SET actor = 'somebody else'")
    (failure,) = prove_books().failures
    assert failure.check == "audit_trail_is_broken"


def test_a_proof_cannot_be_altered(world: FinanceWorld) -> None:
    kept = keep_proof(proof=prove_books(), at=NOW)
    with pytest.raises(Exception, match="append_only"):
        LedgerProof.objects.filter(pk=kept.pk).update(failure_count=0)


def test_the_workers_rights_suffice_to_write_statements_twice_and_nothing_changes(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    with connected_as(database_urls["worker"]):
        write_month_statements(world.organisation.pk, "2026-11")
        write_month_statements(world.organisation.pk, "2026-11")
    assert [statement.total_nano for statement in Statement.objects.all()] == [13]


def test_the_workers_rights_suffice_to_make_partitions(database_urls: dict[DatabaseRole, str]) -> None:
    with connected_as(database_urls["worker"]):
        make_coming_partitions()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass('ledger_usagerecord_p' || to_char((now() AT TIME ZONE 'UTC')::date + 14, 'YYYYMMDD'))"
        )
        assert cursor.fetchone()[0] is not None
