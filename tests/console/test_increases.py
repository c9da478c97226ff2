"""More money in the console: given for a while, asked for, decided, taken back."""

import pytest

from governance.budgets.models import Account, Budget, Increase, IncreaseRequest
from governance.core.windows import Window, WindowKind
from governance.teams.models import Membership
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Company

ASKED = {"amount": "30", "until": "", "reason": "load test"}
GIVEN = {"amount": "50", "until": "2026-11-30", "reason": "fair"}


def test_finance_gives_a_budget_more_until_a_day_is_over(company: Company, log_in: LogIn) -> None:
    client, budget = log_in("finance"), company.budgets["Search"]

    text = client.post(f"/budgets/{budget.pk}/increase/", GIVEN, follow=True).content.decode()

    assert "1 Dec 2026, 00:00" in text
    assert "$170.00" in text
    assert "50.00 USD more" in text
    assert "$170.00" in client.get("/budgets/").content.decode()


def test_an_increase_is_ended_after_asking(company: Company, log_in: LogIn) -> None:
    client, budget = log_in("admin"), company.budgets["Search"]
    client.post(f"/budgets/{budget.pk}/increase/", GIVEN)
    address = f"/budgets/{budget.pk}/increases/{Increase.objects.get().pk}/withdraw/"

    assert "falls back at once" in client.get(address).content.decode()
    text = client.post(address, {"reason": ""}, follow=True).content.decode()

    assert "$170.00" not in text
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"until": "2026-11-23"}, "This day has passed"), ({"amount": "0"}, "above zero"), ({"reason": ""}, "required")],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    company: Company, log_in: LogIn, changes: dict[str, str], sentence: str
) -> None:
    answer = log_in("admin").post(f"/budgets/{company.budgets['Search'].pk}/increase/", GIVEN | changes)

    assert sentence in answer.content.decode()
    assert not Increase.objects.exists()


def test_a_developer_asks_and_finance_approves_another_amount(company: Company, log_in: LogIn) -> None:
    budget = company.budgets["Search"]
    developer, finance = log_in("developer"), log_in("finance")

    asked = developer.post(f"/budgets/{budget.pk}/ask/", ASKED, follow=True).content.decode()
    request = IncreaseRequest.objects.get()
    address = f"/budgets/requests/{request.pk}/"
    assert "load test" in asked
    assert address in finance.get("/budgets/").content.decode()
    assert "Decide" in finance.get(address).content.decode()
    assert "Decide" not in developer.get(address).content.decode()
    finance.post(address, {"decision": "approve", "amount": "20", "reason": "half of it will do"})

    budget.refresh_from_db()
    assert budget.limit_nano == 140 * 10**9
    assert address not in finance.get("/budgets/").content.decode()
    assert "half of it will do" in developer.get(address).content.decode()
    assert finance.post(address, {"decision": "approve", "amount": "20", "reason": ""}).status_code == 403


def test_a_request_is_declined_with_a_reason_only(company: Company, log_in: LogIn) -> None:
    log_in("owner").post(f"/budgets/{company.budgets['Search'].pk}/ask/", ASKED)
    address, admin = f"/budgets/requests/{IncreaseRequest.objects.get().pk}/", log_in("admin")

    assert "give the reason" in admin.post(address, {"decision": "decline", "amount": "30"}).content.decode()
    admin.post(address, {"decision": "decline", "amount": "30", "reason": "not now"})

    assert IncreaseRequest.objects.get().state == "declined"


def test_who_asked_can_take_it_back_and_nobody_else(company: Company, log_in: LogIn) -> None:
    developer = log_in("developer")
    developer.post(f"/budgets/{company.budgets['Search'].pk}/ask/", ASKED)
    address = f"/budgets/requests/{IncreaseRequest.objects.get().pk}/withdraw/"

    assert {log_in(name).post(address).status_code for name in ("admin", "owner", "outsider")} == {403, 404}
    assert developer.post(address).status_code == 302
    assert IncreaseRequest.objects.get().state == "withdrawn"


@pytest.mark.parametrize("role", ["owner", "developer", "auditor"])
def test_nobody_but_administrators_and_finance_decides(company: Company, log_in: LogIn, role: str) -> None:
    log_in("developer").post(f"/budgets/{company.budgets['Search'].pk}/ask/", ASKED)
    address = f"/budgets/requests/{IncreaseRequest.objects.get().pk}/"

    answer = log_in(role).post(address, {"decision": "approve", "amount": "30", "reason": ""})

    assert answer.status_code in (403, 404)
    assert IncreaseRequest.objects.get().state == "open"


def test_who_has_left_the_team_sees_the_budget_and_their_request_no_more(company: Company, log_in: LogIn) -> None:
    developer = log_in("developer")
    developer.post(f"/budgets/{company.budgets['Search'].pk}/ask/", ASKED)
    person = company.person("developer")
    Membership.objects.filter(user=person).update(team=company.teams["research"])

    assert developer.get(f"/budgets/requests/{IncreaseRequest.objects.get().pk}/").status_code == 404
    assert developer.get("/budgets/").status_code == 200


def test_a_developer_sees_their_own_share_of_a_budget_with_members_and_the_owner_all(
    company: Company, log_in: LogIn
) -> None:
    budget = Budget.objects.create(
        organisation=company.organisation,
        team=company.teams["search"],
        name="Each",
        limit_nano=10**10,
        window="month",
        zone="Europe/Berlin",
        sharing="per_member",
    )
    period = Window(kind=WindowKind.MONTH, zone="Europe/Berlin").period_at(NOW)
    for name, settled in (("developer", 2 * 10**9), ("owner", 7 * 10**9)):
        Account.objects.create(
            budget=budget,
            user=company.person(name),
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            limit_nano=budget.limit_nano,
            settled_nano=settled,
        )

    texts = {name: log_in(name).get(f"/budgets/{budget.pk}/").content.decode() for name in ("owner", "developer")}

    owner = company.person("owner").email
    assert f"person {owner}, with least left" in texts["owner"]
    assert "$7.00" in texts["owner"] and "$2.00" in texts["owner"]
    assert "$2.00" in texts["developer"]
    assert "$7.00" not in texts["developer"] and f"person {owner}" not in texts["developer"]
