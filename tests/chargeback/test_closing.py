"""Closing a month: the order of steps, what stands against it, and that nothing is booked in it any more."""

import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.chargeback.archive import month_archive
from governance.chargeback.closing import (
    begin_close,
    close,
    final_statements,
    reopen,
    review,
    set_close_rules,
    write_closing,
)
from governance.chargeback.errors import (
    MonthNotFound,
    MonthNotOver,
    MonthNotReady,
    MonthNotWritten,
    SecondPersonNeeded,
)
from governance.chargeback.findings import look
from governance.chargeback.manifest import make_manifest
from governance.chargeback.models import LedgerProof, MonthClose, Statement
from governance.chargeback.operations import keep_proof, prove_books, write_statements
from governance.chargeback.tasks import write_closing_months
from governance.core.database_url import DatabaseRole
from governance.ledger.errors import BooksBusy
from governance.ledger.operations import shut_month
from governance.metering.models import Worker
from tests.support.finance_world import Call, FinanceWorld, make_world
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)

NOVEMBER = date(2026, 11, 1)
DECEMBER = date(2026, 12, 1)
AFTER = datetime(2026, 12, 1, 8, tzinfo=UTC)
ADA, GRACE = Actor(name="ada@acme.example"), Actor(name="grace@acme.example")
LINES = {"input": (1000, "1250.25"), "output": (10, "100.5")}


@pytest.fixture
def world() -> FinanceWorld:
    """A world whose November has a call, whose books are proved, and whose gateway process was heard of just now."""
    made = make_world()
    key = made.key(made.team("Search", made.cost_centre("CC-1")))
    made.book(Call(key, made.model("gpt-5"), LINES))
    made.cost_centre("CC-2")
    keep_proof(proof=prove_books(), at=AFTER)
    return made


def begun(world: FinanceWorld, *, month: date = NOVEMBER, at: datetime = AFTER, reason: str = "") -> MonthClose:
    """Begin to close a month, and write its statements."""
    found = begin_close(actor=ADA, organisation=world.organisation, month=month, at=at, reason=reason)
    write_closing(at=at)
    return found


def closed(world: FinanceWorld, *, month: date = NOVEMBER, at: datetime = AFTER) -> MonthClose:
    """Close a month by two people."""
    begun(world, month=month, at=at)
    review(actor=ADA, organisation=world.organisation, month=month, at=at)
    return close(actor=GRACE, organisation=world.organisation, month=month, at=at)


def another_call(world: FinanceWorld) -> Call:
    """A call of November that comes now."""
    key = world.key(world.team("Late", world.cost_centre("CC-9")))
    return Call(key, world.model("gpt-5-late"), LINES)


def months_booked(world: FinanceWorld) -> list[tuple[date, int]]:
    """Return each month with the number of entries in it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT month, count(*) FROM ledger_entry WHERE organisation_id = %s GROUP BY 1 ORDER BY 1",
            [world.organisation.pk],
        )
        return [(month, count) for month, count in cursor.fetchall()]


def test_a_month_is_begun_written_reviewed_and_closed_and_says_so(world: FinanceWorld) -> None:
    found = closed(world)
    assert (found.state, found.begun_by, found.reviewed_by, found.closed_by) == (
        "closed",
        ADA.name,
        ADA.name,
        GRACE.name,
    )
    assert found.total_nano == 1351
    manifest = json.loads(bytes(found.manifest))
    assert [file["cost_centre"] for file in manifest["files"]] == ["CC-1", "CC-2"]
    assert manifest["total"] == "0.000001351"
    assert [file["sha256"] for file in manifest["files"]] == [
        statement.sha256 for statement in final_statements(organisation=world.organisation, month=NOVEMBER)
    ]
    kept = MonthClose.objects.select_related("organisation").get()
    again = make_manifest(close=kept, statements=final_statements(organisation=world.organisation, month=NOVEMBER))
    assert (again.content, again.sha256) == (bytes(kept.manifest), kept.manifest_sha256)
    actions = AuditEvent.objects.filter(subject="month:2026-11").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["month.closing_begun", "month.reviewed", "month.closed"]
    event = AuditEvent.objects.get(action="month.closed")
    assert (event.after or {})["manifest_sha256"] == found.manifest_sha256


def test_what_comes_late_is_booked_in_the_next_month_and_no_new_version_is_written(world: FinanceWorld) -> None:
    closed(world)
    before = list(Statement.objects.order_by("id").values_list("id", "sha256"))
    world.book(another_call(world))
    assert months_booked(world) == [(NOVEMBER, 1), (DECEMBER, 1)]
    write_statements(organisation=world.organisation, month=NOVEMBER, at=AFTER, actor=ADA)
    assert list(Statement.objects.filter(cost_centre__code__in=["CC-1", "CC-2"]).values_list("id", "sha256")) == before


def test_facts_that_came_before_the_close_are_in_a_new_version(world: FinanceWorld) -> None:
    write_statements(organisation=world.organisation, month=NOVEMBER, at=AFTER, actor=ADA)
    world.book(another_call(world))
    found = closed(world)
    versions = {
        file["cost_centre"]: (file["version"], file["total"]) for file in json.loads(bytes(found.manifest))["files"]
    }
    assert versions == {"CC-1": (1, "0.000001351"), "CC-2": (1, "0.00"), "CC-9": (1, "0.000001351")}


def test_a_month_is_closed_an_hour_after_it_ends_in_its_zone(world: FinanceWorld) -> None:
    type(world.organisation).objects.filter(pk=world.organisation.pk).update(zone="America/New_York")
    world.organisation.refresh_from_db()
    with pytest.raises(MonthNotOver, match="2026-12-01 06:00 UTC"):
        begun(world, at=datetime(2026, 12, 1, 5, 59, tzinfo=UTC))
    begun(world, at=datetime(2026, 12, 1, 6, tzinfo=UTC))


def test_months_are_closed_in_their_order_and_once(world: FinanceWorld) -> None:
    january = datetime(2027, 1, 2, tzinfo=UTC)
    keep_proof(proof=prove_books(), at=january)
    with pytest.raises(MonthNotReady, match="2026-11 is still open"):
        begun(world, month=DECEMBER, at=january)
    closed(world, at=january)
    with pytest.raises(MonthNotReady, match="already"):
        begun(world, at=january)
    assert closed(world, month=DECEMBER, at=january).total_nano == 0


def test_a_month_is_not_closed_before_the_one_that_came_before_it(world: FinanceWorld) -> None:
    january = datetime(2027, 1, 2, tzinfo=UTC)
    keep_proof(proof=prove_books(), at=january)
    for month in (NOVEMBER, DECEMBER):
        begun(world, month=month, at=january)
        review(actor=ADA, organisation=world.organisation, month=month, at=january)
    with pytest.raises(MonthNotReady, match="2026-11 is reviewed"):
        close(actor=GRACE, organisation=world.organisation, month=DECEMBER, at=january)
    for month in (NOVEMBER, DECEMBER):
        close(actor=GRACE, organisation=world.organisation, month=month, at=january)


def test_cost_centres_whose_codes_look_alike_have_files_of_their_own(world: FinanceWorld) -> None:
    alike = world.cost_centre("CC 1")
    found = closed(world)
    archive = zipfile.ZipFile(io.BytesIO(month_archive(close=MonthClose.objects.get(pk=found.pk)).content))
    names = [file["name"] for file in json.loads(bytes(found.manifest))["files"]]
    assert archive.namelist() == ["manifest.json", *names]
    assert len(set(names)) == 3
    assert f"statement-2026-11-CC-1-v1-{alike.pk}.csv" in names


def test_what_is_found_needs_a_reason_and_is_kept(world: FinanceWorld) -> None:
    call = another_call(world)
    world.suspend(Call(call.key, call.model, LINES, held_nano=7_000_000_000))
    Worker.objects.filter(pk=world.worker.pk).update(state=Worker.State.FENCED, started_at=AFTER - timedelta(days=9))
    found = {finding.code: finding for finding in look(organisation=world.organisation, month=NOVEMBER, at=AFTER)}
    assert (found["suspense"].count, found["suspense"].nano) == (1, 7_000_000_000)
    with pytest.raises(MonthNotReady, match=r"unknown outcome and hold 7\.00 USD") as refused:
        begun(world)
    assert "Give a reason" in str(refused.value)
    assert not MonthClose.objects.exists()

    kept = begun(world, reason="The vendor's invoice settles it.")
    assert "suspense" in [finding["code"] for finding in kept.findings]
    assert AuditEvent.objects.get(action="month.closing_begun").reason == "The vendor's invoice settles it."


def test_books_that_do_not_balance_let_no_month_be_closed(world: FinanceWorld) -> None:
    LedgerProof.objects.create(
        proved_at=AFTER + timedelta(seconds=1),
        records=1,
        entries=1,
        accounts=0,
        audit_events=0,
        failure_count=2,
        failures=[],
    )
    with pytest.raises(MonthNotReady, match="found 2 failures"):
        begun(world, reason="in a hurry")


def test_books_that_nobody_proved_lately_are_found(world: FinanceWorld) -> None:
    later = AFTER + timedelta(days=3)
    assert [each.code for each in look(organisation=world.organisation, month=NOVEMBER, at=later)] == [
        "books_not_proved"
    ]


def test_steps_follow_each_other(world: FinanceWorld) -> None:
    organisation = world.organisation
    with pytest.raises(MonthNotFound):
        review(actor=ADA, organisation=organisation, month=NOVEMBER, at=AFTER)
    begin_close(actor=ADA, organisation=organisation, month=NOVEMBER, at=AFTER)
    with pytest.raises(MonthNotWritten):
        review(actor=ADA, organisation=organisation, month=NOVEMBER, at=AFTER)
    write_closing(at=AFTER)
    with pytest.raises(MonthNotReady, match="reviewed it"):
        close(actor=ADA, organisation=organisation, month=NOVEMBER, at=AFTER)
    review(actor=ADA, organisation=organisation, month=NOVEMBER, at=AFTER)
    close(actor=ADA, organisation=organisation, month=NOVEMBER, at=AFTER)
    with pytest.raises(MonthNotReady, match="nothing of it changes"):
        review(actor=ADA, organisation=organisation, month=NOVEMBER, at=AFTER)


def test_a_second_person_closes_where_that_is_wanted(world: FinanceWorld) -> None:
    set_close_rules(actor=ADA, organisation=world.organisation, second_person=True)
    begun(world)
    review(actor=ADA, organisation=world.organisation, month=NOVEMBER, at=AFTER)
    with pytest.raises(SecondPersonNeeded, match="second person"):
        close(actor=ADA, organisation=world.organisation, month=NOVEMBER, at=AFTER)
    assert close(actor=GRACE, organisation=world.organisation, month=NOVEMBER, at=AFTER).state == "closed"
    assert AuditEvent.objects.filter(action="organisation.close_rules_changed").count() == 1


def test_a_month_is_opened_again_until_it_is_closed(world: FinanceWorld) -> None:
    begun(world)
    world.book(another_call(world))
    with pytest.raises(MonthNotReady, match="Say why"):
        reopen(actor=ADA, organisation=world.organisation, month=NOVEMBER, reason=" ")
    reopen(actor=ADA, organisation=world.organisation, month=NOVEMBER, reason="A price was wrong.")
    call = Call(world.key(world.team("Again", world.cost_centre("CC-8"))), world.model("gpt-5-again"), LINES)
    world.book(call)
    assert months_booked(world) == [(NOVEMBER, 2), (DECEMBER, 1)]
    closed(world)
    with pytest.raises(MonthNotReady, match="closed for good"):
        reopen(actor=ADA, organisation=world.organisation, month=NOVEMBER, reason="Once more.")


@pytest.mark.parametrize(
    "statement", ["UPDATE chargeback_monthclose SET total_nano = 0", "DELETE FROM chargeback_monthclose"]
)
def test_the_database_lets_nobody_change_a_closed_month(world: FinanceWorld, statement: str) -> None:
    closed(world)
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_run_that_was_killed_goes_on_where_it_was(world: FinanceWorld) -> None:
    begin_close(actor=ADA, organisation=world.organisation, month=NOVEMBER, at=AFTER)
    [first, *_] = write_statements(organisation=world.organisation, month=NOVEMBER, at=AFTER, actor=ADA)
    assert write_closing(at=AFTER) == 1
    assert write_closing(at=AFTER) == 0
    assert Statement.objects.filter(month=NOVEMBER).count() == 2
    assert final_statements(organisation=world.organisation, month=NOVEMBER)[0] == first


def test_a_booking_that_is_under_way_is_in_the_month_and_the_close_waits_for_it(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    call = another_call(world)
    with psycopg.connect(database_urls["owner"]) as other:
        other.execute("SELECT ledger_open_month(%s, %s)", [world.organisation.pk, NOVEMBER])
        with pytest.raises(BooksBusy, match="Try again"):
            shut_month(organisation_id=world.organisation.pk, month=NOVEMBER)
        other.commit()
    assert shut_month(organisation_id=world.organisation.pk, month=NOVEMBER)
    world.book(call)
    assert months_booked(world) == [(NOVEMBER, 1), (DECEMBER, 1)]


def test_who_waited_for_the_close_books_in_the_next_month(
    world: FinanceWorld, database_urls: dict[DatabaseRole, str]
) -> None:
    asked = "SELECT ledger_open_month(%s, %s)"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
    with psycopg.connect(database_urls["owner"]) as shutting, psycopg.connect(database_urls["owner"]) as booking:
        shutting.execute("SELECT ledger_shut_month(%s, %s)", [world.organisation.pk, NOVEMBER])
        booking.execute("SET lock_timeout = '10s'")
        with booking.pipeline():
            cursor = booking.execute(asked, [world.organisation.pk, NOVEMBER])
            looks = (shutting.execute(waits, [booking.info.backend_pid]).fetchone() for _ in range(50_000))
            assert any(look[0] for look in looks if look is not None)
            shutting.commit()
            assert cursor.fetchone()[0] == DECEMBER  # type: ignore[index]


def test_the_worker_writes_and_the_console_closes(world: FinanceWorld, database_urls: dict[DatabaseRole, str]) -> None:
    with connected_as(database_urls["console"]):
        begin_close(actor=ADA, organisation=world.organisation, month=NOVEMBER, at=AFTER)
    with connected_as(database_urls["worker"]):
        write_closing_months()
    with connected_as(database_urls["console"]):
        review(actor=ADA, organisation=world.organisation, month=NOVEMBER, at=AFTER)
        close(actor=GRACE, organisation=world.organisation, month=NOVEMBER, at=AFTER)
    assert MonthClose.objects.get().state == "closed"
