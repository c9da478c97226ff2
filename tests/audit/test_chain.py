"""The trail is added to, chained, and shows where it was touched (I24)."""

import pytest
from django.db import ProgrammingError, connection, transaction

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor, chain_digest, chained_content, record
from governance.audit.queries import first_broken_event, verify_chain

ADA = Actor(name="ada@example.org", origin="192.0.2.1")


def _three_events() -> list[AuditEvent]:
    with transaction.atomic():
        return [
            record(actor=ADA, action="team.created", subject=f"team:{number}", after={"n": 1}) for number in (1, 2, 3)
        ]


@pytest.mark.django_db
def test_an_untouched_trail_verifies() -> None:
    _three_events()
    assert first_broken_event() is None


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["UPDATE audit_auditevent SET actor = 'x'", "DELETE FROM audit_auditevent"])
def test_the_database_refuses_to_change_an_event(statement: str) -> None:
    _three_events()
    with pytest.raises(ProgrammingError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert first_broken_event() is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_auditevent SET actor = 'mallory' WHERE id = %s", "DELETE FROM audit_auditevent WHERE id = %s"],
)
def test_a_change_behind_the_databases_back_is_found(statement: str) -> None:
    _, second, third = _three_events()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, [second.pk])
        cursor.execute("SET session_replication_role = origin")
    broken = first_broken_event()
    assert broken is not None
    assert broken.pk in {second.pk, third.pk}


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_the_transaction_of_its_change_is_refused() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        record(actor=ADA, action="team.created", subject="team:1")


@pytest.mark.django_db(transaction=True)
def test_events_of_an_older_release_verify_beside_newer_ones() -> None:
    first, *_ = _three_events()
    with transaction.atomic():
        content = {"actor": "ada", "origin": "", "action": "a.b", "subject": "a:1", "reason": "", "before": None}
        content["after"] = {"n": 1}
        last = AuditEvent.objects.latest("id")
        previous = bytes(last.digest)
        old = AuditEvent(**content, version=1, previous_digest=previous)
        old.digest = chain_digest(previous=previous, content=content)
        old.save(force_insert=True)
    _three_events()
    proof = verify_chain(expected=bytes(first.digest).hex().upper())
    assert (proof.broken, proof.events, proof.has_expected) == (None, 7, True)


@pytest.mark.django_db
def test_an_event_holds_when_and_in_which_organisation_it_happened() -> None:
    with transaction.atomic():
        event = record(actor=Actor(name="ada", organisation_id=7), action="a.b", subject="a:1")
    event.refresh_from_db()
    assert (event.version, event.organisation_id) == (2, 7)
    assert chain_digest(previous=bytes(event.previous_digest), content=chained_content(event)) == bytes(event.digest)
