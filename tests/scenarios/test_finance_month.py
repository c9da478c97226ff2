"""A month of a company's calls, from the gateway's books to the file that finance adds up."""

import csv
import io
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from django.core.management import call_command
from django.db import connection

from governance.budgets.models import Account
from governance.catalog.models import LanguageModel
from governance.chargeback.document import Heading, make_document
from governance.chargeback.models import Statement
from governance.chargeback.operations import prove_books
from governance.chargeback.queries import monthly_report, statement_for, statements_visible_to
from governance.core.database_url import DatabaseRole
from governance.core.money import usd_decimal
from governance.keys.models import VirtualKey
from governance.ledger.monthly import cost_centre_month
from governance.teams.models import OrganisationRole, User
from tests.support.finance_world import Call, FinanceWorld, Lines, charge, exact_cost, make_world
from tests.support.roles import connected_as

pytestmark = pytest.mark.django_db(transaction=True)

NOVEMBER = date(2026, 11, 1)
BEGINS = datetime(2026, 10, 31, 23, tzinfo=UTC)  # midnight in Berlin
CALLS = 600
PRICES = {
    "input": "1.25",
    "cache_read": "0.125",
    "output": "10.000000000000000001",
    "reasoning": "0.333333333333333333",
}


def _lines(dice: random.Random) -> Lines:
    classes = dice.sample(sorted(PRICES), k=dice.randint(1, 4))
    quantities = {token_class: dice.randint(1, 200_000) for token_class in classes}
    with localcontext(prec=80):
        return {name: (count, f"{count * Decimal(PRICES[name]):f}") for name, count in quantities.items()}


def _book_a_month(world: FinanceWorld, dice: random.Random) -> list[Call]:
    centres = [world.cost_centre(code) for code in ("CC-100", "CC-200", "=CC-300")]
    teams = [world.team(f"Team {number}", centres[number % 3]) for number in range(7)]
    keys: list[VirtualKey] = [world.key(team, f"key {number}") for team in teams for number in range(2)]
    models: list[LanguageModel] = [world.model("gpt-5"), world.model("claude-sonnet-5", "anthropic")]
    whole: Account = world.account("whole company", 10**16)
    own = {team.pk: world.account(team.name, 10**15, team=team) for team in teams}

    def call() -> Call:
        key = dice.choice(keys)
        at = BEGINS + timedelta(seconds=dice.randrange(30 * 86_400))
        accounts = [whole, own[key.team_id]]
        return Call(key, dice.choice(models), _lines(dice), at=at, accounts=accounts, held_nano=10**8)

    calls = [call() for _ in range(CALLS)]
    for start in range(0, CALLS, 50):
        world.book(*calls[start : start + 50])
    return calls


def _added_up(content: bytes) -> Decimal:
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    with localcontext(prec=80):
        return sum((Decimal(row["Cost (USD)"]) for row in rows), Decimal(0))


def _expense_in_the_ledger(statement: Statement) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(p.amount_nano) FROM ledger_posting p JOIN ledger_entry e ON e.id = p.entry_id"
            " JOIN ledger_ledgeraccount a ON a.id = p.account_id"
            " WHERE a.kind = 'cost_centre_expense' AND a.cost_centre_id = %s AND e.month = %s",
            [statement.cost_centre_id, statement.month],
        )
        return int(cursor.fetchone()[0])


def test_finance_downloads_statements_that_add_up_to_the_ledger(database_urls: dict[DatabaseRole, str]) -> None:
    dice = random.Random(20261101)
    world = make_world(zone="Europe/Berlin")
    calls = _book_a_month(world, dice)
    finance = User.objects.create(username="finance", email="finance@example.com")
    OrganisationRole.objects.create(user=finance, organisation=world.organisation, role=OrganisationRole.Role.FINANCE)

    proof = prove_books()
    assert (proof.records, proof.failures) == (CALLS, ())

    with connected_as(database_urls["console"]):
        call_command("statements", "write", "--month", "2026-11", stdout=io.StringIO())
        ids = [statement.pk for statement in statements_visible_to(finance)]
        statements = [statement_for(user=finance, statement_id=statement_id) for statement_id in ids]
        report = monthly_report(organisation=world.organisation, month=NOVEMBER)

    assert [statement.cost_centre.code for statement in statements] == ["=CC-300", "CC-100", "CC-200"]
    for statement in statements:
        expense = _expense_in_the_ledger(statement)
        assert _added_up(bytes(statement.content)) == usd_decimal(expense)
        assert statement.total_nano == expense
    assert sum(statement.total_nano for statement in statements) == sum(charge(call.lines) for call in calls)
    assert report.total.charge_nano == sum(charge(call.lines) for call in calls)
    with localcontext(prec=80):
        assert report.total.cost_nano == sum((exact_cost(call.lines) for call in calls), Decimal(0))


def test_the_same_month_made_again_gives_the_same_bytes() -> None:
    world = make_world(zone="Europe/Berlin")
    _book_a_month(world, random.Random(7))
    call_command("statements", "write", "--month", "2026-11", stdout=io.StringIO())
    for statement in Statement.objects.select_related("cost_centre"):
        heading = Heading(month=NOVEMBER, cost_centre=statement.cost_centre.code, cost_centre_name="")
        booked = cost_centre_month(
            organisation_id=world.organisation.pk, cost_centre_id=statement.cost_centre_id, month=NOVEMBER
        )
        assert make_document(heading=heading, booked=booked).content == bytes(statement.content)
    call_command("statements", "write", "--month", "2026-11", stdout=io.StringIO())
    assert {statement.version for statement in Statement.objects.all()} == {1}
