"""Statements written from the books."""

import csv
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext

import pytest
from django.db import connection

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.chargeback.errors import MonthNotBegun, StatementNotFound, StatementUnbalanced
from governance.chargeback.models import Statement
from governance.chargeback.operations import write_statement, write_statements
from governance.chargeback.queries import (
    latest_statement,
    monthly_report,
    months_due,
    statement_for,
    statements_visible_to,
)
from governance.core.money import usd_decimal
from governance.ledger.rated import Span
from governance.metering.rerating import apply_rerating
from governance.plugin.usage import Usage
from governance.teams.models import Membership, OrganisationRole, User
from tests.support.broken_books import damage
from tests.support.finance_world import Call, FinanceWorld, make_world
from tests.support.priced_calls import priced_call, set_prices

pytestmark = pytest.mark.django_db

MONTH = date(2026, 11, 1)
DECEMBER = datetime(2026, 12, 1, 2, tzinfo=UTC)
ACTOR = Actor(name="test")
LINES = {"input": (1000, "1250.25"), "output": (10, "100.5")}


@pytest.fixture
def world() -> FinanceWorld:
    return make_world()


def _write(world: FinanceWorld, month: date = MONTH) -> list[Statement]:
    return write_statements(organisation=world.organisation, month=month, at=DECEMBER, actor=ACTOR)


def _rows(statement: Statement) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(bytes(statement.content).decode(), newline="")))


def _sum(statement: Statement) -> Decimal:
    with localcontext(prec=80):
        return sum((Decimal(row["Cost (USD)"]) for row in _rows(statement)), Decimal(0))


def _expense(world: FinanceWorld, code: str, month: date = MONTH) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(p.amount_nano), 0) FROM ledger_posting p JOIN ledger_entry e ON e.id = p.entry_id"
            " JOIN ledger_ledgeraccount a ON a.id = p.account_id JOIN teams_costcentre c ON c.id = a.cost_centre_id"
            " WHERE a.kind = 'cost_centre_expense' AND c.code = %s AND e.month = %s AND e.organisation_id = %s",
            [code, month, world.organisation.pk],
        )
        return int(cursor.fetchone()[0])


def test_each_cost_centre_gets_a_statement_equal_to_its_expense_in_the_ledger(world: FinanceWorld) -> None:
    model = world.model("gpt-5")
    one = world.key(world.team("Search", world.cost_centre("CC-1")))
    other = world.key(world.team("Support", world.cost_centre("CC-2")))
    world.book(Call(one, model, LINES), Call(one, model, LINES), Call(other, model, LINES))

    statements = {statement.cost_centre.code: statement for statement in _write(world)}

    assert _expense(world, "CC-1") == 2 * 1351
    for code, statement in statements.items():
        assert usd_decimal(statement.total_nano) == _sum(statement) == usd_decimal(_expense(world, code))
        assert statement.sha256 == hashlib.sha256(bytes(statement.content)).hexdigest()
    assert [(row["Team"], row["What was used"], row["Quantity"]) for row in _rows(statements["CC-1"])] == [
        ("Search", "Input tokens", "2000"),
        ("Search", "Output tokens", "20"),
        ("", "Rounding: each call is charged in whole nano-USD, rounded up", ""),
    ]


def test_writing_again_without_new_facts_writes_nothing(world: FinanceWorld) -> None:
    world.book(Call(world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("gpt-5"), LINES))
    (first,) = _write(world)
    (second,) = _write(world)
    assert second.pk == first.pk
    assert Statement.objects.count() == 1


def test_a_renamed_team_changes_no_statement_that_was_written(world: FinanceWorld) -> None:
    team = world.team("Search", world.cost_centre("CC-1"))
    world.book(Call(world.key(team), world.model("gpt-5"), LINES))
    (first,) = _write(world)
    team.name = "Discovery"
    team.save()
    assert _write(world) == [first]


def test_new_facts_make_a_new_version_and_leave_the_old_one_as_it_was(world: FinanceWorld) -> None:
    key, model = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("gpt-5")
    world.book(Call(key, model, LINES))
    (first,) = _write(world)
    before = bytes(first.content)
    world.book(Call(key, model, LINES))
    (second,) = _write(world)
    first.refresh_from_db()
    assert (first.version, second.version) == (1, 2)
    assert bytes(first.content) == before
    assert (first.total_nano, second.total_nano) == (1351, 2702)


def test_a_cost_centre_without_calls_gets_a_statement_that_says_so(world: FinanceWorld) -> None:
    world.cost_centre("CC-1")
    (statement,) = _write(world)
    assert [row["Line"] for row in _rows(statement)] == ["No usage"]


def test_a_cost_centre_made_after_the_month_gets_no_statement_for_it(world: FinanceWorld) -> None:
    world.cost_centre("CC-1", created_at=datetime(2026, 12, 1, tzinfo=UTC))
    assert _write(world) == []


def test_a_call_belongs_to_the_month_of_its_admission_in_the_organisations_zone() -> None:
    world = make_world(zone="Europe/Berlin")
    key, model = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("gpt-5")
    world.book(
        Call(key, model, {"input": (1, "1")}, at=datetime(2026, 10, 31, 22, 59, tzinfo=UTC)),
        Call(key, model, {"input": (1, "10")}, at=datetime(2026, 10, 31, 23, 0, tzinfo=UTC)),
    )
    (november,) = _write(world)
    (october,) = _write(world, date(2026, 10, 1))
    assert (october.total_nano, november.total_nano) == (1, 10)


def test_a_late_call_of_a_closed_month_stands_in_the_month_it_was_booked_in(world: FinanceWorld) -> None:
    key, model = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("gpt-5")
    world.close_month(date(2026, 10, 1))
    world.book(Call(key, model, LINES, at=datetime(2026, 10, 20, tzinfo=UTC)))
    (november,) = _write(world)
    (october,) = _write(world, date(2026, 10, 1))
    assert (october.total_nano, november.total_nano) == (0, 1351)


def test_rating_again_a_closed_month_leaves_its_statement_and_is_a_correction_in_the_next(world: FinanceWorld) -> None:
    key, model = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("gpt-5")
    october = datetime(2026, 10, 20, tzinfo=UTC)
    set_prices(model, {"input": "1.25", "output": "10"})
    world.book(priced_call(key, model, Usage(input_tokens=1001, output_tokens=1), at=october))
    (written,) = _write(world, date(2026, 10, 1))
    world.close_month(date(2026, 10, 1))
    set_prices(model, {"input": "1", "output": "10"})
    span = Span(organisation_id=world.organisation.pk, since=october, until=DECEMBER)
    apply_rerating(span=span, actor=ACTOR, reason="the list was wrong")

    (again,) = _write(world, date(2026, 10, 1))
    (november,) = _write(world)

    # 1001 x 1.25 + 10 = 1261.25, charged 1262; with input at 1: 1011.
    assert (again.pk, again.total_nano, november.total_nano) == (written.pk, 1262, -251)
    assert usd_decimal(november.total_nano) == _sum(november) == usd_decimal(_expense(world, "CC-1"))
    assert [(row["Line"], row["What was used"], row["Quantity"], row["Cost (USD)"]) for row in _rows(november)] == [
        ("Correction", "Input tokens", "0", "-0.00000025025"),
        ("Rounding", "Rounding: each call is charged in whole nano-USD, rounded up", "", "-0.00000000075"),
    ]


def test_rating_again_an_open_month_is_a_correction_behind_what_it_corrects(world: FinanceWorld) -> None:
    key, model = world.key(world.team("Search", world.cost_centre("CC-1"))), world.model("gpt-5")
    set_prices(model, {"input": "1.25", "output": "10"})
    world.book(priced_call(key, model, Usage(input_tokens=1000, output_tokens=1)))
    (first,) = _write(world)
    set_prices(model, {"input": "1.5", "output": "10"})
    span = Span(organisation_id=world.organisation.pk, since=datetime(2026, 11, 1, tzinfo=UTC), until=DECEMBER)
    apply_rerating(span=span, actor=ACTOR, reason="the list was wrong")
    (second,) = _write(world)
    assert (first.version, first.total_nano, second.version, second.total_nano) == (1, 1260, 2, 1510)
    assert [row["Line"] for row in _rows(second)] == ["Usage", "Correction", "Usage"]
    report = monthly_report(organisation=world.organisation, month=MONTH)
    assert (report.total.requests, report.total.input_tokens, report.total.charge_nano) == (1, 1000, 1510)


def test_books_that_disagree_are_refused_and_the_other_statements_still_written(world: FinanceWorld) -> None:
    model = world.model("gpt-5")
    world.book(Call(world.key(world.team("Search", world.cost_centre("CC-1"))), model, LINES))
    world.cost_centre("CC-2")
    damage("UPDATE ledger_posting SET amount_nano = amount_nano + 1 WHERE amount_nano > 0")
    with pytest.raises(StatementUnbalanced, match="The statement of CC-1 for 2026-11 adds up to"):
        _write(world)
    assert [statement.cost_centre.code for statement in Statement.objects.all()] == ["CC-2"]


def test_a_month_that_has_not_begun_is_refused(world: FinanceWorld) -> None:
    with pytest.raises(MonthNotBegun, match="2027-01 has not begun in UTC"):
        _write(world, date(2027, 1, 1))


def test_a_statement_leaves_a_line_in_the_audit_trail(world: FinanceWorld) -> None:
    world.cost_centre("CC-1")
    (statement,) = _write(world)
    event = AuditEvent.objects.get(action="statement.written")
    assert event.after == {
        "cost_centre": "CC-1",
        "month": "2026-11",
        "version": 1,
        "total_nano": "0",
        "sha256": statement.sha256,
    }


def test_months_are_due_an_hour_after_their_end_in_the_organisations_zone_until_written() -> None:
    world = make_world(zone="Europe/Berlin")
    world.cost_centre("CC-1")
    mine = world.organisation.pk
    november_ends = datetime(2026, 11, 30, 23, tzinfo=UTC)
    write_statements(organisation=world.organisation, month=date(2026, 10, 1), at=DECEMBER, actor=ACTOR)
    assert months_due(at=november_ends.replace(minute=59)) == []
    assert months_due(at=DECEMBER.replace(hour=0)) == [(mine, MONTH)]
    _write(world)
    assert months_due(at=DECEMBER) == []


def test_finance_reads_statements_and_a_teams_owner_does_not(world: FinanceWorld) -> None:
    team = world.team("Search", world.cost_centre("CC-1"))
    (statement,) = _write(world)
    finance = User.objects.create(username="finance", email="finance@example.com")
    OrganisationRole.objects.create(user=finance, organisation=world.organisation, role=OrganisationRole.Role.FINANCE)
    owner = User.objects.create(username="owner", email="owner@example.com")
    Membership.objects.create(user=owner, team=team, part=Membership.Part.OWNER)

    assert list(statements_visible_to(finance)) == [statement]
    assert bytes(statement_for(user=finance, statement_id=statement.pk).content) == bytes(statement.content)
    assert list(statements_visible_to(owner)) == []
    with pytest.raises(StatementNotFound):
        statement_for(user=owner, statement_id=statement.pk)


def test_finance_of_another_organisation_sees_nothing(world: FinanceWorld) -> None:
    world.cost_centre("CC-1")
    _write(world)
    stranger = User.objects.create(username="stranger", email="stranger@example.com")
    elsewhere = make_world().organisation
    OrganisationRole.objects.create(user=stranger, organisation=elsewhere, role=OrganisationRole.Role.ADMIN)
    assert list(statements_visible_to(stranger)) == []


def test_the_latest_version_is_found_by_cost_centre_and_month(world: FinanceWorld) -> None:
    world.cost_centre("R&D / 7")
    (statement,) = _write(world)
    found = latest_statement(organisation=world.organisation, cost_centre="R&D / 7", month=MONTH)
    assert found == statement
    assert found.file_name == "statement-2026-11-R-D---7-v1.csv"
    with pytest.raises(StatementNotFound, match="bursar statements write --month 2026-10"):
        latest_statement(organisation=world.organisation, cost_centre="R&D / 7", month=date(2026, 10, 1))


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_write_one_version() -> None:
    world = make_world()
    centre = world.cost_centre("CC-1")
    world.book(Call(world.key(world.team("Search", centre)), world.model("gpt-5"), LINES))

    def write(_: int) -> int:
        try:
            return write_statement(cost_centre=centre, month=MONTH, actor=ACTOR).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(write, range(8)))) == 1
    assert Statement.objects.count() == 1
