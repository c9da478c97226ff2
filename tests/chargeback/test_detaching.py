"""Old days of usage records off the books' table: nothing that anybody adds up may change by it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg import sql

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.budgets.models import Account
from governance.catalog.models import LanguageModel
from governance.chargeback.detaching import attach_day, days_to_detach, detach_day
from governance.chargeback.document import Heading, make_document
from governance.chargeback.operations import write_statements
from governance.chargeback.queries import monthly_report
from governance.keys.models import VirtualKey
from governance.ledger.detached import detached_days
from governance.ledger.errors import DayDetached, DayRefused
from governance.ledger.models import UsageRecord
from governance.ledger.monthly import cost_centre_month
from governance.ledger.proof import count_facts, prove_ledger
from governance.ledger.queries import usage_totals
from governance.ledger.rated import Span
from governance.ledger.reach import Reach
from governance.ledger.records import booking_of
from governance.ledger.spending import spending
from governance.metering.models import Worker
from governance.metering.operations import release_suspense
from governance.metering.proof import prove_accounts
from governance.metering.rerating import apply_rerating, preview_rerating
from governance.plugin.usage import Usage
from tests.support.broken_books import damage
from tests.support.days import DETACHED, keep_clean_proof, make_day
from tests.support.finance_world import Call, FinanceWorld, make_world
from tests.support.priced_calls import priced_call, set_prices

pytestmark = pytest.mark.django_db

ADA = Actor(name="ada@example.org")
FIFTH, SIXTH = date(2026, 10, 5), date(2026, 10, 6)
TODAY = date(2026, 11, 25)
MONTHS = (date(2026, 10, 1), date(2026, 11, 1))
LATE = datetime(2026, 10, 5, 23, 59, tzinfo=UTC)
EARLY = datetime(2026, 10, 6, 0, 1, tzinfo=UTC)
USAGE = Usage(input_tokens=1001, output_tokens=1)


@dataclass
class Scene:
    """Two teams on two cost centres whose calls surround a midnight, some in one entry, one of them rated again.

    October is closed, and so is November, which holds a call of October 5 that came late.
    """

    world: FinanceWorld
    keys: tuple[VirtualKey, VirtualKey]
    model: LanguageModel
    accounts: tuple[Account, Account]

    def call(self, key: int, at: datetime) -> Call:
        return _paid(priced_call(self.keys[key], self.model, USAGE, at=at), self.accounts[: key + 1])

    def span(self, since: datetime, until: datetime) -> Span:
        return Span(organisation_id=self.world.organisation.pk, since=since, until=until)

    def detach(self, day: date = FIFTH) -> None:
        detach_day(day=day, today=TODAY, actor=ADA)


def _paid(call: Call, accounts: tuple[Account, ...]) -> Call:
    return Call(**{**call.__dict__, "accounts": accounts})


@pytest.fixture
def scene() -> Scene:
    world = make_world()
    make_day(FIFTH)
    make_day(SIXTH)
    model = world.model("large")
    set_prices(model, {"input": "1.2505", "output": "10.1"})
    scene = Scene(
        world=world,
        keys=(
            world.key(world.team("Search", world.cost_centre("CC-1"))),
            world.key(world.team("Support", world.cost_centre("CC-2"))),
        ),
        model=model,
        accounts=(world.account("team", 10**12), world.account("organisation", 10**12)),
    )
    world.book(*(scene.call(key, at) for key in (0, 1) for at in (LATE, EARLY)), scene.call(0, LATE))
    set_prices(model, {"input": "1.3337", "output": "10.1"})
    early_evening = scene.span(LATE, LATE + timedelta(seconds=1))
    assert apply_rerating(span=early_evening, actor=ADA, reason="the list was wrong").changed == 3
    world.close_month(MONTHS[0])
    world.book(scene.call(1, LATE), Call(scene.keys[0], model, {}, at=LATE))
    world.close_month(MONTHS[1])
    keep_clean_proof()
    return scene


def _is_proved() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return prove_ledger().failures == () and prove_accounts().failures == ()


def _checks() -> set[str]:
    return {failure.check for finding in (prove_ledger(), prove_accounts()) for failure in finding.failures}


def _rows(table: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {0}::text FROM {0} ORDER BY 1").format(sql.Identifier(table)))
        return cursor.fetchall()


def _told(scene: Scene) -> list[object]:
    """Everything that people are told of these months: reports, and the bytes of statements."""
    told: list[object] = [monthly_report(organisation=scene.world.organisation, month=month) for month in MONTHS]
    for month in MONTHS:
        for key in scene.keys:
            cost_centre = key.team.cost_centre
            booked = cost_centre_month(
                organisation_id=scene.world.organisation.pk, cost_centre_id=cost_centre.pk, month=month
            )
            heading = Heading(month=month, cost_centre=cost_centre.code, cost_centre_name=cost_centre.name)
            told.append(make_document(heading=heading, booked=booked))
    return told


def test_with_a_day_detached_the_books_are_proved_and_counted_as_before(scene: Scene) -> None:
    assert _is_proved()
    counted = count_facts()
    scene.detach()
    assert _is_proved()
    assert count_facts() == counted
    assert [day.day for day in detached_days()] == [FIFTH]
    assert len(_rows("ledger_usagerecord")) == 2
    assert len(_rows(DETACHED)) == counted[0] - 2


def test_reports_and_statements_of_its_months_are_byte_for_byte_what_they_were(scene: Scene) -> None:
    before = _told(scene)
    assert any(len(getattr(each, "content", b"").splitlines()) > 4 for each in before)
    scene.detach()
    assert _told(scene) == before
    scene.detach(SIXTH)
    assert _told(scene) == before


def test_a_statement_that_was_written_before_stays_the_current_one(scene: Scene) -> None:
    def write() -> list[int]:
        at = datetime(2026, 11, 25, tzinfo=UTC)
        return [
            statement.pk
            for month in MONTHS
            for statement in write_statements(organisation=scene.world.organisation, month=month, at=at, actor=ADA)
        ]

    written = write()
    scene.detach()
    assert write() == written


def test_sums_of_all_times_and_of_whole_days_are_what_they_were(scene: Scene) -> None:
    midnight = datetime(2026, 10, 6, tzinfo=UTC)

    def sums() -> list[object]:
        return [
            usage_totals(),
            usage_totals(until=midnight),
            usage_totals(since=midnight),
            usage_totals(key_id=scene.keys[0].pk, since=midnight - timedelta(days=1), until=midnight),
            usage_totals(team_id=scene.keys[1].team_id),
        ]

    before = sums()
    scene.detach()
    assert sums() == before


def test_what_needs_single_records_of_the_day_is_refused_with_a_sentence(scene: Scene) -> None:
    scene.detach()
    noon = datetime(2026, 10, 5, 12, tzinfo=UTC)
    sentence = "needs the usage records of 2026-10-05, which are detached: attach them with `bursar ledger attach"
    with pytest.raises(DayDetached, match=f"This sum {sentence}"):
        usage_totals(since=noon)
    with pytest.raises(DayDetached, match=sentence):
        usage_totals(until=noon)
    with pytest.raises(DayDetached, match=f"This span {sentence}"):
        preview_rerating(span=scene.span(noon, EARLY))
    with pytest.raises(DayDetached, match=f"This span {sentence}"):
        apply_rerating(span=scene.span(noon, EARLY), actor=ADA, reason="why not")
    organisation = scene.world.organisation
    reach = Reach(organisation_id=organisation.pk, zone=organisation.zone, is_whole=True)
    with pytest.raises(DayDetached, match=f"This overview {sentence}"):
        spending(reach=reach, since=noon, until=EARLY)
    assert spending(reach=reach, since=EARLY, until=EARLY + timedelta(days=1)).total.requests == 2


def test_a_call_whose_entry_lost_a_part_of_its_records_is_still_corrected_to_the_nano(scene: Scene) -> None:
    scene.detach()
    for price in ("1.3333", "0.7777", "1.2505"):
        set_prices(scene.model, {"input": price, "output": "10.1"})
        assert apply_rerating(span=scene.span(EARLY, EARLY + timedelta(days=1)), actor=ADA, reason="again").changed == 2
        assert _is_proved()


def test_an_entry_is_shown_with_all_it_booked(scene: Scene) -> None:
    entry_id = UsageRecord.objects.get(admitted_at=EARLY, key=scene.keys[0]).entry_id
    before = booking_of(entry_id=entry_id)
    assert before is not None
    assert before.record_count == 3
    scene.detach()
    assert booking_of(entry_id=entry_id) == before


def test_an_outcome_that_comes_again_for_the_day_cannot_count_twice(scene: Scene) -> None:
    scene.detach()
    before = (_rows("ledger_usagerecord"), _rows("ledger_entry"), _rows("budgets_account"))
    with (
        pytest.raises(IntegrityError, match="The usage records of 2026-10-05 are detached"),
        transaction.atomic(),
    ):
        scene.world.book(scene.call(0, LATE))
    assert (_rows("ledger_usagerecord"), _rows("ledger_entry"), _rows("budgets_account")) == before


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ledger_dayaccountsum SET charge_nano = charge_nano + 1", "settled_differs_from_records"),
        ("ledger_dayentrysum SET charge_nano = charge_nano - 1", "postings_differ_from_records"),
        ("ledger_dayentrysum SET cost_nano = cost_nano + 1", "postings_differ_from_records"),
        ("ledger_dayentrysum SET entry_id = -entry_id", "postings_differ_from_records"),
        ("ledger_dayusagesum SET charge_nano = charge_nano + 1", "detached_day_does_not_add_up"),
        ("ledger_dayusagesum SET records = records + 1", "detached_day_does_not_add_up"),
        ("ledger_dayusagesum SET month = month + interval '1 year'", "detached_day_does_not_add_up"),
        ("ledger_dayusagesum SET input_tokens = input_tokens + 1", "detached_day_was_altered"),
        ("ledger_dayusagesum SET quantities = quantities || 1::bigint", "detached_day_was_altered"),
        ("ledger_detachedday SET records = records + 1", "detached_day_does_not_add_up"),
        ("ledger_detachedday SET digest = ''", "detached_day_was_altered"),
    ],
)
def test_a_sum_that_somebody_changed_is_found(scene: Scene, change: str, found: str) -> None:
    scene.detach()
    damage(f"UPDATE {change}")
    assert found in _checks()
    if "detachedday" not in change:
        assert "detached_day_was_altered" in _checks()


def test_sums_that_went_missing_are_found(scene: Scene) -> None:
    scene.detach()
    damage("DELETE FROM ledger_dayusagesum")
    assert _checks() == {"detached_day_was_altered", "detached_day_does_not_add_up"}


@pytest.mark.parametrize(
    "table",
    ["ledger_detachedday", "ledger_reattachedday", "ledger_dayaccountsum", "ledger_dayentrysum", "ledger_dayusagesum"],
)
def test_sums_are_never_changed_or_deleted(scene: Scene, table: str) -> None:
    scene.detach()
    for statement in ("UPDATE {} SET {} = 0", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
        with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
            _run(statement, table, "records" if table == "ledger_detachedday" else "detachment_id")


def test_the_detached_table_is_not_changed_either(scene: Scene) -> None:
    scene.detach()
    for statement in (
        "UPDATE {} SET charge_nano = 0",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "INSERT INTO {0} SELECT * FROM {0}",
    ):
        with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
            _run(statement, DETACHED)


def test_attached_again_everything_is_as_it_was(scene: Scene) -> None:
    before = (_rows("ledger_usagerecord"), _told(scene), count_facts())
    scene.detach()
    sums = (_rows("ledger_dayaccountsum"), _rows("ledger_dayentrysum"), _rows("ledger_dayusagesum"))
    attach_day(day=FIFTH, actor=ADA)
    assert (_rows("ledger_usagerecord"), _told(scene), count_facts()) == before
    assert _is_proved()
    assert not detached_days()
    assert (_rows("ledger_dayaccountsum"), _rows("ledger_dayentrysum"), _rows("ledger_dayusagesum")) == sums
    scene.world.book(scene.call(0, LATE))
    assert preview_rerating(span=scene.span(LATE, EARLY)).examined == 6
    with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
        _run("DELETE FROM ledger_usagerecord")
    attempt, _ = scene.world.book(*[scene.call(0, LATE)] * 2)
    assert _is_refused_out_of_turn(attempt)


def test_a_day_goes_and_comes_back_any_number_of_times(scene: Scene) -> None:
    before = _told(scene)
    for _ in range(3):
        scene.detach()
        assert _told(scene) == before
        assert _is_proved()
        attach_day(day=FIFTH, actor=ADA)
        assert _told(scene) == before
        assert _is_proved()


def test_a_table_that_does_not_hold_what_went_is_not_attached(scene: Scene) -> None:
    scene.detach()
    damage(f"UPDATE {DETACHED} SET cost_nano = cost_nano - 0.1 WHERE revision = 1")  # noqa: S608 - a constant
    with pytest.raises(DayRefused, match=f"The table {DETACHED} does not hold what was detached"):
        attach_day(day=FIFTH, actor=ADA)
    _run("DROP TABLE {}", DETACHED)
    with pytest.raises(DayRefused, match=f"There is no table {DETACHED}: restore it from its dump first"):
        attach_day(day=FIFTH, actor=ADA)
    assert [day.day for day in detached_days()] == [FIFTH]
    assert _is_proved()


def test_detaching_and_attaching_stand_in_the_audit_trail(scene: Scene) -> None:
    scene.detach()
    attach_day(day=FIFTH, actor=ADA)
    detached, attached = AuditEvent.objects.filter(action__startswith="ledger.day_").order_by("pk")
    day = detached_days().model.objects.get()
    assert (detached.action, detached.subject) == ("ledger.day_detached", "day:2026-10-05")
    assert detached.after == {"records": 8, "fingerprint": str(day.fingerprint), "digest": day.digest}
    assert (attached.action, attached.before) == ("ledger.day_attached", detached.after)


def test_days_are_listed_with_what_stands_against_them(scene: Scene) -> None:
    make_day(date(2026, 11, 3))
    listed = days_to_detach(before=TODAY, today=TODAY)
    assert [(each.day, each.obstacle) for each in listed] == [
        (FIFTH, None),
        (SIXTH, None),
        (date(2026, 11, 3), "The month of 2026-11-03 is not over: only days of closed months can be detached."),
    ]
    scene.detach()
    assert [each.day for each in days_to_detach(before=SIXTH + timedelta(days=1), today=TODAY)] == [SIXTH]


@pytest.mark.parametrize("day", [date(2026, 10, 31), date(2026, 11, 25)])
def test_a_day_whose_month_is_not_over_somewhere_stays(scene: Scene, day: date) -> None:
    november = TODAY if day.month == 11 else date(2026, 11, 1)
    with pytest.raises(DayRefused, match="is not over"):
        detach_day(day=day, today=november if day.month == 11 else date(2026, 10, 31), actor=ADA)


def test_a_day_with_a_record_in_an_open_month_stays(scene: Scene) -> None:
    _run("DELETE FROM ledger_accountingperiod WHERE month = '2026-11-01'")
    with pytest.raises(DayRefused, match=r"booked in months that are still open \(2026-11\): close them first"):
        scene.detach()
    scene.detach(SIXTH)


def test_the_database_itself_refuses_a_day_with_an_open_month(scene: Scene) -> None:
    _run("DELETE FROM ledger_accountingperiod WHERE month = '2026-11-01'")
    with pytest.raises(IntegrityError, match=r"still open \(2026-11\)"), transaction.atomic():
        _run("SELECT ledger_detach_day('2026-10-05')")
    today = datetime.now(UTC).date()
    with pytest.raises(IntegrityError, match="is not over"), transaction.atomic():
        _run("SELECT ledger_detach_day({})", today)


def test_a_day_with_a_call_in_suspense_stays_until_it_is_resolved(scene: Scene) -> None:
    attempt = scene.world.suspend(Call(scene.keys[0], scene.model, {}, at=LATE, held_nano=5))
    with pytest.raises(DayRefused, match=r"Calls of 2026-10-05 are in suspense \(1\): resolve them first"):
        scene.detach()
    _run("SELECT ledger_detach_day('2026-10-05')")
    with pytest.raises(DayDetached, match=f"Booking attempt {attempt.pk} needs the usage records of 2026-10-05"):
        release_suspense(attempt_id=attempt.pk, actor=ADA, reason="the vendor says so")
    attach_day(day=FIFTH, actor=ADA)
    release_suspense(attempt_id=attempt.pk, actor=ADA, reason="the vendor says so")
    _run("DELETE FROM ledger_accountingperiod WHERE month > '2026-11-01'")


@pytest.mark.parametrize("state", ["fenced", "lost", "alive"])
def test_a_day_on_which_a_process_worked_that_nobody_recovered_stays(scene: Scene, state: str) -> None:
    Worker.objects.filter(pk=scene.world.worker.pk).update(
        state=state, started_at=LATE - timedelta(days=3), last_seen_at=LATE
    )
    with pytest.raises(
        DayRefused, match=rf"was not recovered \(epoch {scene.world.worker.pk}\), and its journal may hold"
    ):
        scene.detach()
    scene.detach(SIXTH)
    Worker.objects.filter(pk=scene.world.worker.pk).update(state="dead")
    scene.detach()


def test_a_process_that_has_lived_since_then_is_no_obstacle(scene: Scene) -> None:
    Worker.objects.filter(pk=scene.world.worker.pk).update(started_at=LATE - timedelta(days=3))
    scene.detach()
    assert [day.day for day in detached_days()] == [FIFTH]


def test_nothing_goes_before_a_proof_that_found_nothing(scene: Scene) -> None:
    keep_clean_proof(failure_count=1, at=datetime(2999, 1, 2, tzinfo=UTC))
    with pytest.raises(DayRefused, match="The last proof found that the books do not balance"):
        scene.detach()
    keep_clean_proof(at=datetime(2999, 1, 3, tzinfo=UTC))
    _run("UPDATE ledger_accountingperiod SET closed_at = '2999-01-04' WHERE month = '2026-10-01'")
    with pytest.raises(DayRefused, match="were not proved since a month was closed last"):
        scene.detach()
    _run("DELETE FROM ledger_accountingperiod")
    with pytest.raises(DayRefused, match="No month is closed yet"):
        scene.detach()


def test_what_is_not_there_is_refused(scene: Scene) -> None:
    with pytest.raises(DayRefused, match="Usage records have no partition for 2026-10-07"):
        scene.detach(date(2026, 10, 7))
    with pytest.raises(DayRefused, match="The usage records of 2026-10-05 are not detached"):
        attach_day(day=FIFTH, actor=ADA)
    scene.detach()
    with pytest.raises(DayRefused, match="The usage records of 2026-10-05 are detached already"):
        scene.detach()


def _run(statement: LiteralString, *names: str | date) -> None:
    parts = [sql.Identifier(name) if isinstance(name, str) else sql.Literal(name) for name in names]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql.SQL(statement).format(*parts))


def _is_refused_out_of_turn(attempt: UUID) -> bool:
    """Whether the trigger that watches the order of revisions works on the day that came back."""
    with pytest.raises(IntegrityError, match="does not follow"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_usagerecord SELECT (json_populate_record(r, '{\"revision\": 7}')).*"
            " FROM ledger_usagerecord r WHERE attempt_id = %s",
            [attempt],
        )
    return True
