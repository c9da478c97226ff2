import pytest

from governance.audit.models import AuditEvent
from governance.metering.models import Allotment, Allowance, Worker
from governance.policy.models import RateLimit
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Company, found_company

FORM = {"name": "Search, tokens", "amount": "200,000", "rate": "tokens:minute", "sharing": "pooled"}


def test_a_limit_shows_what_is_taken_and_left_in_its_window(company: Company, log_in: LogIn) -> None:
    day = NOW.replace(hour=0, minute=0)
    Allowance.objects.create(rate_limit=company.limits["Search, a day"], window_starts_at=day, taken=17_000_000)
    Allowance.objects.create(
        rate_limit=company.limits["Everybody, a minute"], window_starts_at=NOW.replace(second=0), taken=6000
    )
    text = log_in("admin").get("/limits/").content.decode()
    for words in ("20,000,000 tokens per day", "17,000,000", "3,000,000", "Nearly used up", "Used up", "in 9 hours"):
        assert words in text


def test_what_was_taken_in_another_window_is_not_shown(company: Company, log_in: LogIn) -> None:
    limit = company.limits["Everybody, a minute"]
    Allowance.objects.create(rate_limit=limit, window_starts_at=NOW.replace(hour=1), taken=5999)
    assert "5,999" not in log_in("admin").get("/limits/").content.decode()


def test_requests_at_once_are_those_of_living_processes(company: Company, log_in: LogIn) -> None:
    allowance = Allowance.objects.create(rate_limit=company.limits["Lab at once"])
    for state, amount in (("alive", 3), ("dead", 1)):
        worker = Worker.objects.create(host="here", lock_name=state, process_id=1, state=state)
        Allotment.objects.create(epoch=worker, allowance=allowance, amount=amount, sequence=1, used_at=NOW)
    text = log_in("admin").get("/limits/").content.decode()
    assert "4 requests at the same time" in text
    assert "as calls end" in text
    assert "Nearly used up" not in text
    assert ">3<" in text.replace('<svg class="share"', "<")


def test_finance_sets_a_limit_for_a_team(company: Company, log_in: LogIn) -> None:
    team = company.teams["search"]
    answer = log_in("finance").post("/limits/new/", FORM | {"scope": f"team:{team.pk}"}, follow=True)
    limit = RateLimit.objects.get(name="Search, tokens")
    assert (limit.team, limit.amount, limit.counts, limit.window) == (team, 200_000, "tokens", "minute")
    assert "is set" in answer.content.decode()
    assert AuditEvent.objects.get(action="rate_limit.created").actor == company.person("finance").email


def test_a_limit_for_a_key_is_begun_from_the_key_and_is_for_each_member_only_where_there_are_some(
    company: Company, log_in: LogIn
) -> None:
    client, key = log_in("admin"), company.keys["lab"]
    wish = FORM | {"scope": f"key:{key.pk}", "rate": "concurrent:", "model_pattern": "falcon-*", "provider": "sandbox"}
    refused = client.post(f"/limits/new/?key={key.pk}", wish | {"sharing": "per_member"})
    assert "has no members" in refused.content.decode()
    client.post(f"/limits/new/?key={key.pk}", wish)
    limit = RateLimit.objects.get(name="Search, tokens")
    assert (limit.key, limit.window, limit.model_pattern, limit.provider) == (key, None, "falcon-*", "sandbox")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"amount": "0"}, "greater than or equal to 1"),
        ({"amount": "many"}, "Enter a whole number"),
        ({"rate": "dollars:minute"}, "Select a valid choice"),
        ({"name": "Lab at once"}, "choose another name"),
        ({"model_pattern": "falcon large"}, "is no pattern"),
        ({"scope": "team:999999"}, "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    company: Company, log_in: LogIn, changes: dict[str, str], sentence: str
) -> None:
    answer = log_in("admin").post("/limits/new/", FORM | {"scope": "organisation"} | changes)
    assert sentence in answer.content.decode()
    assert not RateLimit.objects.filter(name="Search, tokens").exists()


def test_a_changed_amount_and_a_retirement_reach_the_trail(company: Company, log_in: LogIn) -> None:
    client, limit = log_in("admin"), company.limits["Search, a day"]
    text = client.post(f"/limits/{limit.pk}/amount/", {"amount": "1,000", "reason": "less"}, follow=True)
    assert "allows 1,000 tokens per day now" in text.content.decode()
    assert AuditEvent.objects.get(action="rate_limit.amount_changed").reason == "less"
    assert "This cannot be undone" in client.get(f"/limits/{limit.pk}/retire/").content.decode()
    client.post(f"/limits/{limit.pk}/retire/", {"reason": ""})
    limit.refresh_from_db()
    assert (limit.amount, limit.retired_at is not None) == (1000, True)
    assert client.get(f"/limits/{limit.pk}/amount/").status_code == 404


@pytest.mark.parametrize("role", ["auditor", "owner", "developer"])
def test_nobody_raises_a_limit_of_their_own(company: Company, log_in: LogIn, role: str) -> None:
    client, limit = log_in(role), company.limits["Search, a day"]
    statuses = {
        client.post("/limits/new/", FORM | {"scope": "organisation"}).status_code,
        client.post(f"/limits/{limit.pk}/amount/", {"amount": "99999999"}).status_code,
        client.post(f"/limits/{limit.pk}/retire/", {"reason": ""}).status_code,
    }
    limit.refresh_from_db()
    assert statuses == {403}
    assert (limit.amount, limit.retired_at) == (20_000_000, None)


def test_a_developer_sees_the_teams_limits_and_of_members_only_themselves(company: Company, log_in: LogIn) -> None:
    limit = RateLimit.objects.create(
        organisation=company.organisation,
        team=company.teams["search"],
        name="Each",
        counts="requests",
        amount=9876,
        window="day",
        sharing="per_member",
    )
    day = NOW.replace(hour=0, minute=0)
    for name, taken in (("owner", 8765), ("developer", 1234)):
        Allowance.objects.create(rate_limit=limit, user=company.person(name), window_starts_at=day, taken=taken)
    seen, whole = (log_in(name).get("/limits/").content.decode() for name in ("developer", "owner"))
    assert ("1,234" in seen, "8,765" in seen, "8,765" in whole) == (True, False, True)
    assert "Search, a day" in seen
    assert "Everybody, a minute" not in seen
    assert "Lab at once" not in seen


def test_a_limit_of_another_organisation_cannot_be_changed(company: Company, log_in: LogIn) -> None:
    foreign = found_company(name="Other").limits["Search, a day"]
    assert log_in("admin").post(f"/limits/{foreign.pk}/amount/", {"amount": "1"}).status_code == 404
