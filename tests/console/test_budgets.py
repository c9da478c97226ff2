import pytest
import time_machine
from django.db import connection

from governance.alerts.models import Recipient
from governance.alerts.operations import deliver_due, notice_crossings
from governance.audit.models import AuditEvent
from governance.budgets.models import Account, Budget
from governance.catalog.models import AccessGroup
from governance.console import amounts
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Call, Company, book, found_company

FORM = {
    "name": "Search, mini models",
    "limit": "$1,250.50",
    "window": "month",
    "zone": "Europe/Berlin",
    "first_month": "1",
    "enforcement": "hard",
    "model_pattern": "*-mini",
    "sharing": "pooled",
    "carry": "lapse",
    "thresholds": "80, 95 %, 90 committed",
}


def test_a_budget_shows_what_is_settled_held_and_left_and_when_it_resets(busy_company: Company, log_in: LogIn) -> None:
    text = log_in("admin").get("/budgets/").content.decode()

    account = Account.objects.get(budget=busy_company.budgets["Search"])
    left = account.limit_nano - account.settled_nano - account.held_nano
    for nano in (account.settled_nano, account.held_nano, left):
        assert amounts.usd(nano) in text
    assert "1 Dec 2026, 00:00" in text
    assert "Europe/Berlin" in text


def test_a_budget_says_when_it_runs_out_at_its_pace_so_far(company: Company, log_in: LogIn) -> None:
    # 100 of 120 dollars in 23 days and 15.5 hours of November: the rest lasts a fifth of that.
    book(company, Call(key="search-production", model="falcon-large", at=NOW, read=40_000_000, written=0))
    client, budget = log_in("developer"), company.budgets["Search"]

    assert "runs out in 4 days at this pace" in client.get("/budgets/").content.decode()
    detail = client.get(f"/budgets/{budget.pk}/").content.decode()
    assert "Runs out in 4 days at this pace" in detail
    assert "29 Nov 2026, 09:" in detail


def test_a_budget_that_lasts_or_is_used_up_foretells_nothing(company: Company, log_in: LogIn) -> None:
    book(company, Call(key="search-production", model="falcon-large", at=NOW, read=8_000_000, written=0))
    book(company, Call(key="chat-app", model="falcon-large", at=NOW, read=32_000_000, written=0))

    assert "at this pace" not in log_in("admin").get("/budgets/").content.decode()


def test_a_budgets_page_shows_what_it_passed_and_who_was_told(company: Company, log_in: LogIn) -> None:
    Recipient.objects.create(organisation=company.organisation, notifier="fax", destination="1234")
    book(company, Call(key="search-production", model="falcon-large", at=NOW, read=40_000_000, written=0))
    notice_crossings(at=NOW)
    deliver_due(notifiers={}, at=NOW)
    path = f"/budgets/{company.budgets['Search'].pk}/"

    seen_by_finance, seen_by_developer = (log_in(name).get(path).content.decode() for name in ("finance", "developer"))

    for text in (seen_by_finance, seen_by_developer):
        assert "24 Nov 2026, 15:30" in text
        assert "0 of 1" in text
    assert "No installed plugin offers a notifier" in seen_by_finance
    assert "No installed plugin offers a notifier" not in seen_by_developer


def test_finance_sets_a_budget_for_a_team(company: Company, log_in: LogIn) -> None:
    client = log_in("finance")
    team = company.teams["search"]

    answer = client.post("/budgets/new/", FORM | {"scope": f"team:{team.pk}"}, follow=True)

    budget = Budget.objects.get(name="Search, mini models")
    assert (budget.team, budget.limit_nano, budget.model_pattern) == (team, 1_250_500_000_000, "*-mini")
    assert [str(threshold) for threshold in budget.thresholds.all()] == ["80 %", "90 % committed", "95 %"]
    assert "is set" in answer.content.decode()
    assert AuditEvent.objects.get(action="budget.created").actor == company.person("finance").email


def test_a_budget_is_narrowed_shared_out_and_carried_over(company: Company, log_in: LogIn) -> None:
    client = log_in("admin")
    group = AccessGroup.objects.create(organisation=company.organisation, name="large ones", patterns=["*-large"])
    wishes = {"model_pattern": "", "model_group": group.pk, "provider": "sandbox", "tag": "feature=*"}
    wishes |= {"sharing": "per_member", "carry": "carry", "carry_cap": "100"}

    text = client.post("/budgets/new/", FORM | {"scope": "organisation"} | wishes, follow=True).content.decode()

    budget = Budget.objects.get(name="Search, mini models")
    assert (budget.model_group, budget.provider, budget.tag_name, budget.tag_value) == (group, "sandbox", "feature", "")
    assert (budget.sharing, budget.carries_over, budget.carry_cap_nano) == ("per_member", True, 100 * 10**9)
    for words in ("large ones", "feature=*", "for each member", "at most 100.00 USD"):
        assert words in text


def test_a_budget_for_a_key_is_begun_from_the_key(company: Company, log_in: LogIn) -> None:
    client, key = log_in("admin"), company.keys["chat-app"]

    client.post(f"/budgets/new/?key={key.pk}", FORM | {"scope": f"key:{key.pk}", "model_pattern": ""})

    assert Budget.objects.get(name="Search, mini models").key == key


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"limit": "12.5x"}, "is not an amount of USD: give a decimal number"),
        ({"limit": "-1"}, "This amount is not negative"),
        ({"limit": "0.0000000001"}, "finer than a nano-USD"),
        ({"limit": "99999999999"}, "more than can be kept"),
        ({"thresholds": "half"}, "is no threshold: give a whole number"),
        ({"thresholds": "0"}, "is no threshold: give a whole number"),
        ({"thresholds": "80, 90 held"}, "is no threshold: give a whole number"),
        ({"name": "Search"}, "choose another name"),
        ({"zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"tag": "=search"}, "is not the name of a tag"),
        ({"provider": "nobody"}, "Select a valid choice"),
        ({"carry_cap": "5"}, "let the budget carry over, or give no cap"),
        ({"window": "total", "carry": "carry"}, "never resets"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    company: Company, log_in: LogIn, changes: dict[str, str], sentence: str
) -> None:
    answer = log_in("admin").post("/budgets/new/", FORM | {"scope": "organisation"} | changes)

    assert sentence in answer.content.decode()
    assert not Budget.objects.filter(name="Search, mini models").exists()


def test_a_team_of_another_organisation_is_no_choice(company: Company, log_in: LogIn) -> None:
    foreign = found_company(name="Other").teams["search"]

    answer = log_in("admin").post("/budgets/new/", FORM | {"scope": f"team:{foreign.pk}"})

    assert "Select a valid choice" in answer.content.decode()


def test_a_changed_limit_reaches_the_current_period_and_the_trail(company: Company, log_in: LogIn) -> None:
    # The database's clock decides which period is the current one, and stands nowhere still.
    with connection.cursor() as cursor:
        (today,) = cursor.execute("SELECT clock_timestamp()").fetchone()
    budget = company.budgets["Assistant"]
    with time_machine.travel(today, tick=False):
        book(company, Call(key="chat-app", model="falcon-large", at=today, read=1_000_000, written=0))
        answer = log_in("admin").post(f"/budgets/{budget.pk}/limit/", {"limit": "2", "reason": "less"}, follow=True)

    assert Account.objects.get(budget=budget).limit_nano == 2_000_000_000
    assert "Used up: calls are refused" in answer.content.decode()
    assert AuditEvent.objects.get(action="budget.limit_changed").reason == "less"


def test_a_budget_is_retired_after_asking_and_keeps_its_history(busy_company: Company, log_in: LogIn) -> None:
    client, budget = log_in("admin"), busy_company.budgets["Assistant"]

    assert "This cannot be undone" in client.get(f"/budgets/{budget.pk}/retire/").content.decode()
    client.post(f"/budgets/{budget.pk}/retire/", {"reason": ""})

    assert f"/budgets/{budget.pk}/" not in client.get("/budgets/").content.decode()
    detail = client.get(f"/budgets/{budget.pk}/").content.decode()
    assert "Retired" in detail
    assert "1 Nov 2026, 00:00" in detail
    assert client.get(f"/budgets/{budget.pk}/limit/").status_code == 404


@pytest.mark.parametrize("role", ["auditor", "owner", "developer"])
def test_money_is_given_from_above(company: Company, log_in: LogIn, role: str) -> None:
    client, budget = log_in(role), company.budgets["Search"]

    statuses = {
        client.post("/budgets/new/", FORM | {"scope": "organisation"}).status_code,
        client.post(f"/budgets/{budget.pk}/limit/", {"limit": "9"}).status_code,
        client.post(f"/budgets/{budget.pk}/retire/", {"reason": ""}).status_code,
    }

    budget.refresh_from_db()
    assert statuses == {403}
    assert (budget.limit_nano, budget.retired_at) == (120_000_000_000, None)


def test_a_developer_sees_the_teams_budget_and_no_other(company: Company, log_in: LogIn) -> None:
    text = log_in("developer").get("/budgets/").content.decode()

    assert f"/budgets/{company.budgets['Search'].pk}/" in text
    for name in ("Whole company", "Assistant", "Lab key"):
        assert f"/budgets/{company.budgets[name].pk}/" not in text


def test_thresholds_change_with_the_limit_and_stay_where_nobody_asks_for_them(company: Company, log_in: LogIn) -> None:
    client, budget = log_in("finance"), company.budgets["Search"]
    page = f"/budgets/{budget.pk}/limit/"
    client.post(page, {"limit": "700", "thresholds": "70, 90 committed", "reason": "earlier"})
    assert [str(each) for each in budget.thresholds.all()] == ["70 %", "90 % committed"]
    assert 'value="70, 90 committed"' in client.get(page).content.decode()
    client.post(page, {"limit": "800"})
    assert budget.thresholds.count() == 2
    assert "is no threshold" in client.post(page, {"limit": "800", "thresholds": "soon"}).content.decode()
    client.post(page, {"limit": "800", "thresholds": ""})
    assert not budget.thresholds.exists()
