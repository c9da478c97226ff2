import re
from datetime import timedelta

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.budgets.models import Account
from governance.catalog.models import Price
from governance.chargeback.operations import write_statement
from governance.ledger.rated import Span
from governance.metering.models import Attempt
from governance.metering.rerating import apply_rerating
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Call, Company, book, suspend


def _rows(text: str) -> int:
    return len(re.findall(r'<td class="num" data-label="Charge">', text))


def test_requests_page_backwards_without_a_gap_or_a_repetition(company: Company, log_in: LogIn) -> None:
    for number in range(120):
        at = NOW - timedelta(minutes=number // 3)
        book(company, Call(key="chat-app", model="sandbox-1", at=at, read=number + 1, written=1))
    client, path, seen = log_in("admin"), "/requests/", []

    while path:
        text = client.get(path).content.decode()
        seen += re.findall(r'href="/requests/([0-9a-f-]{36})/"', text)
        older = re.search(r'rel="next" href="([^"]+)"', text)
        path = "/requests/" + older.group(1).replace("&amp;", "&") if older else ""

    assert len(seen) == len(set(seen)) == 120


def test_a_cursor_that_cannot_be_read_starts_from_the_newest(busy_company: Company, log_in: LogIn) -> None:
    for cursor in ("nonsense", "%00", "MjAyNi0xMS0yNCBub3QtYS11dWlk"):
        assert _rows(log_in("admin").get("/requests/", {"after": cursor}).content.decode()) == 50


def test_filters_narrow_the_list(busy_company: Company, log_in: LogIn) -> None:
    client = log_in("admin")
    key, team = busy_company.keys["search-ada"], busy_company.teams["search"]

    of_key = client.get("/requests/", {"key": key.pk}).content.decode()
    of_team = client.get("/requests/", {"team": team.pk}).content.decode()
    of_model = client.get("/requests/", {"model": busy_company.models["sandbox-1"].pk}).content.decode()
    failed = client.get("/requests/", {"outcome": "failed"}).content.decode()
    of_day = client.get("/requests/", {"since": "2026-11-03", "until": "2026-11-03"}).content.decode()

    assert [_rows(text) for text in (of_key, of_team, of_model, failed, of_day)] == [2, 26, 1, 6, 3]
    assert "Not booked yet" not in of_key


def test_a_filter_that_makes_no_sense_says_so(busy_company: Company, log_in: LogIn) -> None:
    text = log_in("admin").get("/requests/", {"since": "yesterday"}).content.decode()

    assert "Enter a valid date." in text


def test_a_foreign_key_in_the_filter_shows_nothing_of_it(busy_company: Company, log_in: LogIn) -> None:
    text = log_in("developer").get("/requests/", {"key": busy_company.keys["lab"].pk}).content.decode()

    assert "There is no such key" in text
    assert "research" not in text


def test_nothing_found_offers_a_way_back(busy_company: Company, log_in: LogIn) -> None:
    text = log_in("admin").get("/requests/", {"until": "2020-01-01"}).content.decode()

    assert "No request matches" in text
    assert "Clear the filter" in text


def test_calls_of_unknown_outcome_are_marked(busy_company: Company, log_in: LogIn) -> None:
    text = log_in("admin").get("/requests/").content.decode()

    assert "Outcome unknown" in text


def test_one_request_is_explained_from_usage_to_postings(company: Company, log_in: LogIn) -> None:
    call = Call(key="search-production", model="falcon-mini", at=NOW, read=1_234, written=567, is_stream=True)
    record = book(company, call)

    text = log_in("admin").get(f"/requests/{record.attempt_id}/").content.decode()

    # 1,234 x 150.3 = 185,470.2 and 567 x 600 = 340,200: together 525,670.2, rounded up to 525,671 nano-USD.
    for figure in ("1,234", "$0.1503", "185,470.2", "567", "$0.60", "340,200", "525,670.2", "0.8", "0.000525671 USD"):
        assert figure in text, figure
    assert "Every figure below adds up" in text
    assert "price list of January 2026" in text
    assert " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} ".join(("Products", "search", "search-production")) in text
    assert "Whole company" in text
    assert "Expense of cost centre 4711" in text
    assert "\N{MINUS SIGN}525,671" in text


def test_a_request_is_found_in_its_statement(company: Company, log_in: LogIn) -> None:
    call = Call(key="search-production", model="falcon-mini", at=NOW, read=1_234, written=567)
    record = book(company, call)
    address = f"/requests/{record.attempt_id}/"
    assert "not written yet" in log_in("finance").get(address).content.decode()

    cost_centre = company.teams["search"].cost_centre
    statement = write_statement(cost_centre=cost_centre, month=NOW.date().replace(day=1), actor=Actor(name="test"))
    text = log_in("finance").get(address).content.decode()
    assert "0.0001854702" in text
    assert f"/statements/{statement.pk}/download/" in text
    assert "the next version has it" not in text
    assert "In the statement" not in log_in("owner").get(address).content.decode()

    later = book(company, Call(key="search-production", model="falcon-mini", at=NOW, read=1, written=1))
    assert "the next version has it" in log_in("finance").get(f"/requests/{later.attempt_id}/").content.decode()


def test_a_request_that_was_rated_again_is_explained_with_its_correction(company: Company, log_in: LogIn) -> None:
    call = Call(key="search-production", model="falcon-mini", at=NOW, read=1_234, written=567)
    record = book(company, call)
    company.prices["falcon-mini"][0].delete()
    company.prices["falcon-mini"] = (
        Price.objects.create(
            book=company.prices["falcon-mini"][1].book,
            model=company.models["falcon-mini"],
            token_class="input",
            nano_per_unit="100",
            effective_from=NOW - timedelta(days=1),
            source="a corrected list",
        ),
        company.prices["falcon-mini"][1],
    )
    span = Span(organisation_id=company.organisation.pk, since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))
    apply_rerating(span=span, actor=Actor(name="finance"), reason="the list was wrong")
    client = log_in("admin")

    text = client.get(f"/requests/{record.attempt_id}/").content.decode()
    listed = client.get("/requests/").content.decode()

    # 1,234 x 100 = 123,400 instead of 185,470.2: 62,070.2 less; with 340,200 for the answer 463,600, before 525,671.
    for figure in ("Revision 2", "\N{MINUS SIGN}62,070.2", "\N{MINUS SIGN}62,071", "463,600", "a corrected list"):
        assert figure in text, figure
    assert "Every figure below adds up" in text
    assert f"It corrects entry {record.entry_id}: the list was wrong." in text
    assert _rows(listed) == 1
    assert "revision 2" in listed
    assert "0.0004636" in listed


def test_a_request_of_unknown_outcome_says_why_its_money_is_held(company: Company, log_in: LogIn) -> None:
    attempt = suspend(company, key="lab", nano=1_310_000_000, at=NOW)

    text = log_in("admin").get(f"/requests/{attempt.pk}/").content.decode()

    assert "gateway_process_died" in text
    assert "1.31 USD" in text
    assert "Whole company" in text


def test_a_developer_sees_their_own_request_and_no_other(busy_company: Company, log_in: LogIn) -> None:
    client = log_in("developer")

    own = client.get(f"/requests/{busy_company.latest_record(key='search-ada').attempt_id}/")
    other = client.get(f"/requests/{busy_company.latest_record(key='search-production').attempt_id}/")

    assert (own.status_code, other.status_code) == (200, 404)


def test_an_administrator_settles_what_nobody_could_prove(company: Company, log_in: LogIn) -> None:
    attempt = suspend(company, key="lab", nano=1_310_000_000, at=NOW)
    client, path = log_in("admin"), f"/requests/{attempt.pk}/settle/"

    unexplained = client.post(path, {"cost": "0.25", "reason": ""}).content.decode()
    answer = client.post(path, {"cost": "0.25", "reason": "in the vendor's report"}, follow=True).content.decode()

    account = Account.objects.get(budget=company.budgets["Lab key"])
    assert "This field is required" in unexplained
    assert "The request is settled" in answer
    assert "0.25 USD" in answer
    assert (account.settled_nano, account.held_nano) == (250_000_000, 0)
    assert AuditEvent.objects.get(action="attempt.suspense_settled").reason == "in the vendor's report"
    assert client.get(path).status_code == 404


def test_an_estimate_shows_what_stays_held_and_is_settled_at_what_the_call_cost_in_all(
    company: Company, log_in: LogIn
) -> None:
    record = book(company, Call(key="lab", model="falcon-large", at=NOW, read=100, written=10, is_stream=True))
    attempt = suspend(company, key="lab", nano=1_310_000_000, at=NOW)
    Attempt.objects.filter(pk=attempt.pk).update(id=record.attempt_id)
    client, path = log_in("admin"), f"/requests/{record.attempt_id}/"

    listed = client.get("/requests/").content.decode()
    shown = client.get(path).content.decode()
    asked = client.get(f"{path}settle/").content.decode()
    answer = client.post(f"{path}settle/", {"cost": "0.25", "reason": "the invoice"}, follow=True).content.decode()

    assert "settled as an estimate" in listed and "are settled as an estimate" in asked
    assert "This is an estimate of what was seen" in shown and "Usage times price" in shown and "1.31 USD" in shown
    assert "The request is settled" in answer and "Every figure below adds up" in answer
    assert "This is an estimate of what was seen" not in answer and "Revision 2" in answer
    account = Account.objects.get(budget=company.budgets["Lab key"])
    assert (account.settled_nano, account.held_nano) == (250_000_000, 0)


def test_a_request_is_found_by_its_id_and_the_newest_rows_come_alone(busy_company: Company, log_in: LogIn) -> None:
    client, record = log_in("admin"), busy_company.latest_record(key="lab")
    for wanted in (record.request_id, record.attempt_id):
        page = client.get("/requests/", {"q": str(wanted)}).content.decode()
        assert re.findall(r"/requests/([0-9a-f-]{36})/", page) == [str(record.attempt_id)]
    assert "This is no id" in client.get("/requests/", {"q": "no id"}).content.decode()
    for named in ("lab", f"bsr_demo{busy_company.keys['lab'].pk:08d}", str(busy_company.keys["lab"].pk)):
        rows = client.get("/requests/rows/", {"key": named, "follow": "1"}).content.decode()
        assert "<h1>" not in rows and str(record.attempt_id) in rows and "chat-app" not in rows
    page = client.get("/requests/", {"follow": "1", "key": "lab"}).content.decode()
    assert "Stop following" in page and 'hx-get="/requests/rows/?follow=1&amp;key=lab"' in page
